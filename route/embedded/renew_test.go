package embedded

import (
	"errors"
	"testing"
	"time"

	"cim/route"
)

// kept counts what the directory has in memory.
func (d *directory) kept() (held, ended int) {
	for i := range d.shards {
		sh := &d.shards[i]
		sh.mu.RLock()
		held, ended = held+len(sh.byUser), ended+len(sh.ended)
		sh.mu.RUnlock()
	}
	return held, ended
}

// TestDirectoryKeepsOneEntryAUser logs users in and out many times.
func TestDirectoryKeepsOneEntryAUser(t *testing.T) {
	s := inMemory(t)
	const users = 100
	want := func(held, ended int) {
		t.Helper()
		if h, e := s.directory.kept(); h != held || e != ended {
			t.Fatalf("%d held and %d ended, want %d and %d", h, e, held, ended)
		}
	}
	for range 3 {
		var epochs [users]uint64
		for i := range int64(users) {
			c, err := s.Claim(t.Context(), route.ClaimRequest{User: i + 1, Instance: "i1"})
			if err != nil {
				t.Fatal(err)
			}
			epochs[i] = c.Epoch
		}
		want(users, 0)
		for i := range int64(users) {
			for range 2 {
				if err := s.Release(t.Context(), i+1, epochs[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		want(0, users)
	}
}

// TestRenewCostsNoWrite counts what a sweep over sessions that are still there costs the disk.
func TestRenewCostsNoWrite(t *testing.T) {
	s := inMemory(t)
	const users = 3*renewEntries + 1
	renewals := make([]route.Renewal, users)
	for i := range renewals {
		c, err := s.Claim(t.Context(), route.ClaimRequest{User: int64(i + 1), Instance: "i1"})
		if err != nil {
			t.Fatal(err)
		}
		renewals[i] = route.Renewal{User: int64(i + 1), Epoch: c.Epoch, Instance: "i1"}
	}
	before, _ := s.Syncs()
	for i, r := range s.Renew(t.Context(), renewals) {
		if r.Err != nil || r.State != route.RenewKept {
			t.Fatalf("answer %d: %+v", i, r)
		}
	}
	if after, _ := s.Syncs(); after != before {
		t.Errorf("%d commits for a sweep that changed nothing", after-before)
	}
}

// TestHeldForFollowsTheClock has the clock go on and go back.
func TestHeldForFollowsTheClock(t *testing.T) {
	c := newClock()
	s := open(t, Config{Dir: Memory, Now: c.Now})
	if _, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i1"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ add, want time.Duration }{
		{0, 0}, {time.Millisecond, time.Millisecond}, {time.Minute, time.Minute + time.Millisecond}, {-time.Hour, 0},
	} {
		c.add(step.add)
		got, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i2"})
		if !errors.Is(err, route.ErrHeld) || got.HeldFor != step.want {
			t.Errorf("after %v more: held for %v, %v; want %v", step.add, got.HeldFor, err, step.want)
		}
	}
}

// TestRenewAfterTheEnd asks a store that was closed.
func TestRenewAfterTheEnd(t *testing.T) {
	s := inMemory(t)
	closeStore(t, s)
	got := s.Renew(t.Context(), []route.Renewal{{User: 1, Epoch: 1, Instance: "i1"}, {User: 2, Epoch: 1, Instance: "i1"}})
	if len(got) != 2 || !errors.Is(got[0].Err, route.ErrStoreUnavailable) || !errors.Is(got[1].Err, route.ErrStoreUnavailable) {
		t.Errorf("Renew = %+v", got)
	}
}
