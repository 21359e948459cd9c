package routetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"cim/route"
)

// renewTests are the part of TestDirectory that is about Directory.Renew in one store.
var renewTests = []subtest[route.Directory]{
	{"a session is renewed", renewKept},
	{"a replaced session is not renewed", renewReplaced},
	{"a released session is not renewed", renewReleased},
	{"an epoch is renewed for its own server only", renewOtherInstance},
	{"a store that knows an older epoch is put right", renewOverOlder},
	{"many users in one renewal", renewMany},
	{"one user many times in one renewal", renewRepeated},
	{"a renewal of nothing", renewNothing},
	{"a renewal against a claim", renewAgainstClaim},
	{"a renewal against a release", renewAgainstRelease},
	{"renewal, context ended", renewContextEnded},
}

// opener opens an empty store; what an earlier call opened is not used any more.
type opener = func(testing.TB) route.Directory

// lostTests open a store twice: the second is what the first would be if it came back empty.
var lostTests = []struct {
	name string
	run  func(t *testing.T, open opener)
}{
	{"a lost session is published again", renewLost},
	{"a lost session is published once", renewLostTwice},
	{"many lost sessions", renewLostMany},
	{"a claim that comes first wins over a lost session", claimBeforeRenew},
	{"a late release of what was lost erases nothing", lateReleaseAfterLoss},
}

func testLostStore(t *testing.T, open opener) {
	t.Helper()
	for _, tc := range lostTests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, open) })
	}
}

func renewal(id int64, instance string, epoch uint64) route.Renewal {
	return route.Renewal{User: id, Epoch: epoch, Instance: instance, Device: "phone"}
}

func renew(t testing.TB, d route.Directory, q route.Renewal) route.Renewed {
	t.Helper()
	got := d.Renew(t.Context(), []route.Renewal{q})
	if len(got) != 1 || got[0].Err != nil {
		t.Fatalf("Renew(%+v) = %+v", q, got)
	}
	return got[0]
}

func wantRenewed(t testing.TB, d route.Directory, q route.Renewal, want route.RenewState) {
	t.Helper()
	if got := renew(t, d, q); got.State != want {
		t.Fatalf("Renew(%+v): state %d, want %d", q, got.State, want)
	}
}

func wantHolder(t testing.TB, d route.Directory, id int64, want route.Location) {
	t.Helper()
	if got := holder(t, d, id); got != want {
		t.Fatalf("holder of %d is %+v, want %+v", id, got, want)
	}
}

func release(t testing.TB, d route.Directory, id int64, epoch uint64) {
	t.Helper()
	if err := d.Release(t.Context(), id, epoch); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

func renewKept(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	for range 2 {
		wantRenewed(t, d, renewal(user, "i1", c.Epoch), route.RenewKept)
		wantHolder(t, d, user, route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"})
	}
	next := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	if next.Epoch <= c.Epoch || next.Previous.Epoch != c.Epoch {
		t.Fatalf("a claim after it: %+v; epoch before %d", next, c.Epoch)
	}
}

func renewReplaced(t *testing.T, d route.Directory) {
	old := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	now := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	want := route.Location{Instance: "i2", Epoch: now.Epoch, Device: "phone"}
	wantRenewed(t, d, renewal(user, "i1", old.Epoch), route.RenewLost)
	wantHolder(t, d, user, want)
	wantRenewed(t, d, renewal(user, "i2", now.Epoch), route.RenewKept)

	release(t, d, user, now.Epoch)
	wantRenewed(t, d, renewal(user, "i1", old.Epoch), route.RenewLost)
	wantHolder(t, d, user, route.Location{})
}

func renewReleased(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	release(t, d, user, c.Epoch)
	wantRenewed(t, d, renewal(user, "i1", c.Epoch), route.RenewLost)
	wantHolder(t, d, user, route.Location{})
	if next := claim(t, d, route.ClaimRequest{User: user, Instance: "i1"}); next.Epoch <= c.Epoch || next.Previous.Held() {
		t.Fatalf("a claim after it: %+v; epoch before %d", next, c.Epoch)
	}
}

func renewOtherInstance(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	wantRenewed(t, d, renewal(user, "i2", c.Epoch), route.RenewLost)
	wantHolder(t, d, user, route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"})
}

// renewOverOlder is a store that lost its tail: it knows a session, which may even have ended, but not the last.
// The epoch runs ahead of the clock, as it does when the clock was set back.
func renewOverOlder(t *testing.T, d route.Directory) {
	const ahead = 3_600_000
	for i, ended := range []bool{false, true} {
		id := user + int64(i)
		old := claim(t, d, route.ClaimRequest{User: id, Device: "tablet", Instance: "i1"})
		if ended {
			release(t, d, id, old.Epoch)
		}
		q := renewal(id, "i2", old.Epoch+ahead)
		wantRenewed(t, d, q, route.RenewRestored)
		wantHolder(t, d, id, route.Location{Instance: "i2", Epoch: q.Epoch, Device: "phone"})
		release(t, d, id, old.Epoch) // late
		wantRenewed(t, d, q, route.RenewKept)

		refused, err := d.Claim(t.Context(), route.ClaimRequest{User: id, Device: "tablet", Instance: "i1"})
		wantErr(t, "Claim", err, route.ErrHeld)
		if refused.HeldFor != 0 {
			t.Fatalf("a session from the future is held for %v, want 0", refused.HeldFor)
		}
		if next := claim(t, d, route.ClaimRequest{User: id, Device: "phone", Instance: "i3"}); next.Epoch <= q.Epoch {
			t.Fatalf("epoch %d after %d", next.Epoch, q.Epoch)
		}
		wantRenewed(t, d, q, route.RenewLost)
	}
}

// renewMany asks about as many sessions as a server may in one call, of every kind and mixed.
func renewMany(t *testing.T, d route.Directory) {
	const users = 1000
	asked, want := make([]route.Renewal, users), make([]route.RenewState, users)
	inParallel(20, func(worker int) {
		for i := worker; i < users; i += 20 {
			asked[i], want[i] = oneOfMany(t, d, i)
		}
	})
	if t.Failed() {
		return
	}
	got := d.Renew(t.Context(), asked)
	if len(got) != users {
		t.Fatalf("%d answers for %d renewals", len(got), users)
	}
	for i, r := range got {
		if r.Err != nil || r.State != want[i] {
			t.Fatalf("answer %d: %+v, want state %d", i, r, want[i])
		}
		at := holder(t, d, asked[i].User)
		if mine := at.Instance == "i1" && at.Epoch == asked[i].Epoch; mine != (r.State != route.RenewLost) {
			t.Fatalf("answer %d is state %d; holder %+v", i, r.State, at)
		}
	}
}

// oneOfMany prepares user i by its number: kept, released, replaced or known with an older epoch.
func oneOfMany(t *testing.T, d route.Directory, i int) (route.Renewal, route.RenewState) {
	id := user + int64(i)
	c, err := d.Claim(t.Context(), route.ClaimRequest{User: id, Device: "phone", Instance: "i1"})
	want := route.RenewKept
	epoch := c.Epoch
	switch i % 4 {
	case 1:
		err = d.Release(t.Context(), id, epoch)
		want = route.RenewLost
	case 2:
		_, err = d.Claim(t.Context(), route.ClaimRequest{User: id, Device: "phone", Instance: "i2"})
		want = route.RenewLost
	case 3:
		epoch += 1_000_000
		want = route.RenewRestored
	}
	if err != nil {
		t.Errorf("prepare user %d: %v", i, err)
	}
	return renewal(id, "i1", epoch), want
}

func renewRepeated(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	got := d.Renew(t.Context(), []route.Renewal{
		renewal(user, "i1", c.Epoch), renewal(user, "i2", c.Epoch+1), renewal(user, "i1", c.Epoch), renewal(user, "i2", c.Epoch+1),
	})
	var states []route.RenewState
	for _, r := range got {
		states = append(states, r.State)
	}
	want := []route.RenewState{route.RenewKept, route.RenewRestored, route.RenewLost, route.RenewKept}
	if !slices.Equal(states, want) {
		t.Fatalf("states %v, want %v", states, want)
	}
}

func renewNothing(t *testing.T, d route.Directory) {
	if got := d.Renew(t.Context(), nil); len(got) != 0 {
		t.Fatalf("Renew of nothing = %+v", got)
	}
}

// renewAgainstClaim has a server sweep while its user logs in elsewhere: the newer session stays.
func renewAgainstClaim(t *testing.T, d route.Directory) {
	for i := range int64(100) {
		id := user + i
		old := claim(t, d, route.ClaimRequest{User: id, Device: "phone", Instance: "i1"})
		var now route.Claim
		var err error
		var renewed []route.Renewed
		inParallel(2, func(n int) {
			if n == 0 {
				renewed = d.Renew(t.Context(), []route.Renewal{renewal(id, "i1", old.Epoch)})
				return
			}
			now, err = d.Claim(t.Context(), route.ClaimRequest{User: id, Device: "phone", Instance: "i2"})
		})
		if err != nil || now.Previous.Epoch != old.Epoch || renewed[0].Err != nil || renewed[0].State == route.RenewRestored {
			t.Fatalf("Claim = %+v, %v; Renew = %+v", now, err, renewed)
		}
		wantHolder(t, d, id, route.Location{Instance: "i2", Epoch: now.Epoch, Device: "phone"})
	}
}

// renewAgainstRelease has a server sweep while the session ends: it stays ended.
func renewAgainstRelease(t *testing.T, d route.Directory) {
	for i := range int64(100) {
		id := user + i
		c := claim(t, d, route.ClaimRequest{User: id, Device: "phone", Instance: "i1"})
		inParallel(2, func(n int) {
			if n == 0 {
				if r := d.Renew(t.Context(), []route.Renewal{renewal(id, "i1", c.Epoch)})[0]; r.State == route.RenewRestored {
					t.Errorf("Renew = %+v", r)
				}
				return
			}
			if err := d.Release(t.Context(), id, c.Epoch); err != nil {
				t.Errorf("Release: %v", err)
			}
		})
		wantHolder(t, d, id, route.Location{})
	}
}

func renewContextEnded(t *testing.T, d route.Directory) {
	c := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := d.Renew(ctx, []route.Renewal{renewal(user, "i1", c.Epoch), renewal(user+1, "i1", c.Epoch)})
	if len(got) != 2 {
		t.Fatalf("%d answers for 2 renewals", len(got))
	}
	for _, r := range got {
		wantErr(t, "Renew", r.Err, context.Canceled)
	}
	wantHolder(t, d, user+1, route.Location{})
}

func renewLost(t *testing.T, open opener) {
	before := open(t)
	c := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	q := renewal(user, "i1", c.Epoch)
	after := open(t)
	wantRenewed(t, after, q, route.RenewRestored)
	wantHolder(t, after, user, route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"})
	wantRenewed(t, after, q, route.RenewKept)
	if next := claim(t, after, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"}); next.Epoch <= c.Epoch {
		t.Fatalf("epoch %d after %d", next.Epoch, c.Epoch)
	}
	wantRenewed(t, after, q, route.RenewLost)
}

// renewLostTwice has a session and the one that replaced it both sweep, the older one first.
func renewLostTwice(t *testing.T, open opener) {
	before := open(t)
	old := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	now := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	after := open(t)
	wantRenewed(t, after, renewal(user, "i1", old.Epoch), route.RenewRestored)
	wantRenewed(t, after, renewal(user, "i2", now.Epoch), route.RenewRestored)
	wantRenewed(t, after, renewal(user, "i1", old.Epoch), route.RenewLost)
	wantHolder(t, after, user, route.Location{Instance: "i2", Epoch: now.Epoch, Device: "phone"})
	release(t, after, user, now.Epoch)
	wantRenewed(t, after, renewal(user, "i2", now.Epoch), route.RenewLost)
	wantHolder(t, after, user, route.Location{})
}

// renewLostMany publishes users newest first, so that no order among them can be relied on.
func renewLostMany(t *testing.T, open opener) {
	before := open(t)
	const users = 300
	var asked []route.Renewal
	for i := range int64(users) {
		c := claim(t, before, route.ClaimRequest{User: user + i, Device: "phone", Instance: "i1"})
		asked = append(asked, renewal(user+i, "i1", c.Epoch))
	}
	slices.Reverse(asked)
	after := open(t)
	for i, r := range after.Renew(t.Context(), asked) {
		if r.Err != nil || r.State != route.RenewRestored {
			t.Fatalf("answer %d: %+v", i, r)
		}
		wantHolder(t, after, asked[i].User, route.Location{Instance: "i1", Epoch: asked[i].Epoch, Device: "phone"})
	}
}

func claimBeforeRenew(t *testing.T, open opener) {
	before := open(t)
	old := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	after := open(t)
	now := claim(t, after, route.ClaimRequest{User: user, Device: "tablet", Instance: "i2"})
	if now.Epoch <= old.Epoch { // within one millisecond an empty store cannot know better
		now = claim(t, after, route.ClaimRequest{User: user, Device: "tablet", Instance: "i2"})
	}
	wantRenewed(t, after, renewal(user, "i1", old.Epoch), route.RenewLost)
	wantHolder(t, after, user, route.Location{Instance: "i2", Epoch: now.Epoch, Device: "tablet"})
}

func lateReleaseAfterLoss(t *testing.T, open opener) {
	before := open(t)
	old := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	now := claim(t, before, route.ClaimRequest{User: user, Device: "phone", Instance: "i2"})
	after := open(t)
	release(t, after, user, old.Epoch)
	wantRenewed(t, after, renewal(user, "i2", now.Epoch), route.RenewRestored)
	release(t, after, user, old.Epoch)
	wantHolder(t, after, user, route.Location{Instance: "i2", Epoch: now.Epoch, Device: "phone"})
}

// heldFor restores a session that is ten minutes old, which needs no clock but the store's: of an empty store, the
// first epoch is the clock.
func heldFor(t *testing.T, d route.Directory) {
	const age = 10 * time.Minute
	clock := claim(t, d, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"}).Epoch
	wantRenewed(t, d, renewal(user+1, "i1", clock-uint64(age.Milliseconds())), route.RenewRestored)
	for _, tc := range []struct {
		id         int64
		least, top time.Duration
	}{{user, 0, age}, {user + 1, age, 2 * age}} {
		c, err := d.Claim(t.Context(), route.ClaimRequest{User: tc.id, Device: "tablet", Instance: "i2"})
		wantErr(t, "Claim", err, route.ErrHeld)
		if c.HeldFor < tc.least || c.HeldFor >= tc.top {
			t.Fatalf("held for %v, want %v to %v", c.HeldFor, tc.least, tc.top)
		}
	}
}
