package routetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"cim/route"
)

// TestDirectory checks the promises of route.Directory.
func TestDirectory(t *testing.T, open func(testing.TB) route.Directory) {
	runAll(t, open, []subtest[route.Directory]{
		{"claim of a free user", claimFree},
		{"what a claim may replace", takeoverRules},
		{"a refused claim changes nothing", refusedClaim},
		{"epochs rise", epochsRise},
		{"epochs rise over release", epochsRiseOverRelease},
		{"release clears its own session only", releaseStale},
		{"lookup keeps the order", lookupOrder},
		{"concurrent claims", concurrentClaims},
		{"concurrent refusals leave one holder", concurrentRefusals},
		{"a refused claim is told how long it is held", heldFor},
		{"context ended", directoryContextEnded},
	})
	runAll(t, open, renewTests)
	testLostStore(t, open)
	runAll(t, open, []subtest[route.Directory]{{"random sequences", directoryModel}})
}

func claim(t testing.TB, d route.Directory, ask route.ClaimRequest) route.Claim {
	t.Helper()
	c, err := d.Claim(t.Context(), ask)
	if err != nil {
		t.Fatalf("Claim(%+v): %v", ask, err)
	}
	return c
}

func holder(t testing.TB, d route.Directory, id int64) route.Location {
	t.Helper()
	got, err := d.Lookup(t.Context(), []int64{id})
	if err != nil || len(got) != 1 {
		t.Fatalf("Lookup = %+v, %v", got, err)
	}
	return got[0]
}

func claimFree(t *testing.T, d route.Directory) {
	if got := holder(t, d, user); got != (route.Location{}) {
		t.Fatalf("before the claim: %+v", got)
	}
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	if c.Epoch == 0 || c.Previous.Held() {
		t.Fatalf("claim = %+v", c)
	}
	want := route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"}
	if got := holder(t, d, user); got != want {
		t.Fatalf("holder is %+v, want %+v", got, want)
	}
}

func takeoverRules(t *testing.T, d route.Directory) {
	for i, tc := range []struct {
		name         string
		held, device string
		takeover     route.Takeover
		epochOff     int64 // ReplaceEpoch against the held one
		ok           bool
	}{
		{"same device", "phone", "phone", route.TakeoverSameDevice, 1, true},
		{"same device, other instance's epoch", "phone", "phone", route.TakeoverEpoch, 1, true},
		{"other device", "phone", "tablet", route.TakeoverSameDevice, 0, false},
		{"other device, right epoch", "phone", "tablet", route.TakeoverEpoch, 0, true},
		{"other device, older epoch", "phone", "tablet", route.TakeoverEpoch, -1, false},
		{"other device, later epoch", "phone", "tablet", route.TakeoverEpoch, 1, false},
		{"other device, any", "phone", "tablet", route.TakeoverAny, 1, true},
		{"empty device never equals", "", "", route.TakeoverSameDevice, 0, false},
		{"empty device, right epoch", "", "", route.TakeoverEpoch, 0, true},
		{"empty device, any", "", "", route.TakeoverAny, 1, true},
		{"empty against a device", "phone", "", route.TakeoverSameDevice, 0, false},
		{"device against empty", "", "phone", route.TakeoverSameDevice, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := user + int64(i)
			held := claim(t, d, route.ClaimRequest{User: id, Device: tc.held, Instance: "i1"})
			before := holder(t, d, id)
			got, err := d.Claim(t.Context(), route.ClaimRequest{
				User: id, Device: tc.device, Instance: "i2", Takeover: tc.takeover,
				ReplaceEpoch: uint64(int64(held.Epoch) + tc.epochOff),
			})
			if got.Previous != before {
				t.Errorf("Previous = %+v, want %+v", got.Previous, before)
			}
			if tc.ok != (err == nil) || (err != nil && !errors.Is(err, route.ErrHeld)) {
				t.Errorf("Claim: %v, want success: %v", err, tc.ok)
			}
			want := before
			if tc.ok {
				want = route.Location{Instance: "i2", Epoch: got.Epoch, Device: tc.device}
			}
			if after := holder(t, d, id); after != want {
				t.Errorf("holder is %+v, want %+v", after, want)
			}
		})
	}
}

func refusedClaim(t *testing.T, d route.Directory) {
	first := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	_, err := d.Claim(t.Context(), route.ClaimRequest{User: user, Device: "tablet", Instance: "i2"})
	wantErr(t, "Claim", err, route.ErrHeld)
	if got := holder(t, d, user); got.Epoch != first.Epoch || got.Instance != "i1" {
		t.Fatalf("holder is %+v", got)
	}
	if err := d.Release(t.Context(), user, first.Epoch); err != nil {
		t.Fatal(err)
	}
	claim(t, d, route.ClaimRequest{User: user, Device: "tablet", Instance: "i2"})
}

func epochsRise(t *testing.T, d route.Directory) {
	last := uint64(0)
	for i := range 100 {
		c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: fmt.Sprintf("i%d", i)})
		if c.Epoch <= last || c.Epoch > route.MaxID || c.Previous.Epoch != last {
			t.Fatalf("epoch %d after %d, previous %+v", c.Epoch, last, c.Previous)
		}
		last = c.Epoch
	}
}

func epochsRiseOverRelease(t *testing.T, d route.Directory) {
	last := uint64(0)
	for range 20 {
		c := claim(t, d, route.ClaimRequest{User: user, Instance: "i1"})
		if c.Epoch <= last || c.Previous.Held() {
			t.Fatalf("epoch %d after %d, previous %+v", c.Epoch, last, c.Previous)
		}
		last = c.Epoch
		if err := d.Release(t.Context(), user, last); err != nil {
			t.Fatal(err)
		}
	}
}

func releaseStale(t *testing.T, d route.Directory) {
	old := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	now := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	other := claim(t, d, route.ClaimRequest{User: user + 1, Device: "phone", Instance: "i2"})
	for _, epoch := range []uint64{old.Epoch, 0, now.Epoch + 1_000, other.Epoch} {
		if epoch == now.Epoch {
			continue // epochs are each user's own, so two users' may be equal
		}
		if err := d.Release(t.Context(), user, epoch); err != nil {
			t.Fatalf("Release of a session that is not there: %v", err)
		}
	}
	if got := holder(t, d, user); got.Epoch != now.Epoch {
		t.Fatalf("a stale release ended the session: %+v", got)
	}
	for range 2 {
		if err := d.Release(t.Context(), user, now.Epoch); err != nil {
			t.Fatal(err)
		}
		if got := holder(t, d, user); got.Held() {
			t.Fatalf("after the release: %+v", got)
		}
	}
	if got := holder(t, d, user+1); got.Epoch != other.Epoch {
		t.Fatalf("another user's session: %+v", got)
	}
}

func lookupOrder(t *testing.T, d route.Directory) {
	a := claim(t, d, route.ClaimRequest{User: 5, Instance: "i1"})
	b := claim(t, d, route.ClaimRequest{User: 3, Instance: "i2"})
	got, err := d.Lookup(t.Context(), []int64{3, 4, 5, 3})
	want := []route.Location{{Instance: "i2", Epoch: b.Epoch}, {}, {Instance: "i1", Epoch: a.Epoch}, {Instance: "i2", Epoch: b.Epoch}}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Lookup = %+v, %v; want %+v", got, err, want)
	}
}

func concurrentClaims(t *testing.T, d route.Directory) {
	const callers, each = 16, 20
	var epochs [callers * each]uint64
	inParallel(callers, func(c int) {
		for i := range each {
			got, err := d.Claim(t.Context(), route.ClaimRequest{User: user, Instance: "i", Takeover: route.TakeoverAny})
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			epochs[c*each+i] = got.Epoch
			if _, err := d.Lookup(t.Context(), []int64{user}); err != nil {
				t.Errorf("Lookup: %v", err)
			}
		}
	})
	slices.Sort(epochs[:])
	if n := len(slices.Compact(epochs[:])); n != callers*each {
		t.Fatalf("%d claims share %d epochs", callers*each, n)
	}
	if got := holder(t, d, user); got.Epoch != epochs[callers*each-1] {
		t.Fatalf("holder has epoch %d, the highest is %d", got.Epoch, epochs[callers*each-1])
	}
}

func concurrentRefusals(t *testing.T, d route.Directory) {
	var winners atomic.Int64
	var epoch atomic.Uint64
	inParallel(32, func(i int) {
		c, err := d.Claim(t.Context(), route.ClaimRequest{User: user, Device: fmt.Sprintf("d%d", i), Instance: "i"})
		switch {
		case err == nil:
			winners.Add(1)
			epoch.Store(c.Epoch)
		case !errors.Is(err, route.ErrHeld) || !c.Previous.Held():
			t.Errorf("Claim = %+v, %v", c, err)
		}
	})
	if winners.Load() != 1 || holder(t, d, user).Epoch != epoch.Load() {
		t.Fatalf("%d winners; holder %+v, winner's epoch %d", winners.Load(), holder(t, d, user), epoch.Load())
	}
}

func directoryContextEnded(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Claim(ctx, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	wantErr(t, "Claim", err, context.Canceled)
	wantErr(t, "Release", d.Release(ctx, user, c.Epoch), context.Canceled)
	_, err = d.Lookup(ctx, []int64{user})
	wantErr(t, "Lookup", err, context.Canceled)
	if got := holder(t, d, user); got.Epoch != c.Epoch {
		t.Fatalf("holder is %+v", got)
	}
}
