package route_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cim/route"
)

func TestClaimNeedsTheAccount(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	_, err := c.Claim(t.Context(), route.Login{User: 5, Instance: "s1"})
	wantErr(t, err, route.ErrUnknownUser)
	_, err = c.Claim(t.Context(), route.Login{User: id, Name: "ls", Instance: "s1"})
	wantErr(t, err, route.ErrNameMismatch)
	s, err := c.Claim(t.Context(), route.Login{User: id, Name: "zs", Instance: "s1"})
	if err != nil || s.Name != "zs" || s.Epoch == 0 {
		t.Fatalf("claim: %+v, %v", s, err)
	}
}

// A session is in the way of another device only when its server proves that it lives.
func TestClaimRefusesOnlyOnProof(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(c *cluster, user int64)
		refused bool
	}{
		"the session lives":            {func(*cluster, int64) {}, true},
		"its server no longer has it":  {func(c *cluster, user int64) { delete(c.peers["s1"].holds, user) }, false},
		"its server holds a newer one": {func(c *cluster, user int64) { c.peers["s1"].holds[user]++ }, false},
		"its server fails":             {func(c *cluster, _ int64) { c.peers["s1"].err = errors.New("broken") }, false},
		"its server is silent":         {func(c *cluster, _ int64) { c.peers["s1"].hangs = true }, false},
		"its server has left the list": {func(c *cluster, _ int64) { c.leave["s1"]() }, false},
		"nobody can reach its server":  {func(c *cluster, _ int64) { delete(c.peers, "s1") }, false},
		"it has been released meanwhile": {func(c *cluster, user int64) {
			_ = c.Release(c.t.Context(), user, c.holder(user).Epoch)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
			id := c.user("zs")
			first := c.connect(id, "s1", "phone")
			tc.prepare(c, id)
			second, err := c.Claim(t.Context(), route.Login{User: id, Device: "tablet", Instance: "s2"})
			if tc.refused {
				wantErr(t, err, route.ErrHeld)
				if at := c.holder(id); at.Instance != "s1" || at.Epoch != first.Epoch {
					t.Errorf("a refused login changed the directory: %+v", at)
				}
				return
			}
			if err != nil || second.Epoch <= first.Epoch {
				t.Fatalf("second login: %+v, %v", second, err)
			}
			if at := c.holder(id); at.Instance != "s2" {
				t.Errorf("the user is at %+v, want s2", at)
			}
		})
	}
}

// Of two claims at the same moment the store grants one, and the other may ask its server before that has heard of it.
func TestClaimWaitsForAnAnswerOnItsWay(t *testing.T) {
	for name, tc := range map[string]struct {
		onHolds func(c *cluster, first route.Session) // with the third question
		refused bool
		asked   int
	}{
		"it comes": {func(c *cluster, first route.Session) { c.peers["s1"].holds[first.ID] = first.Epoch }, true, 3},
		"the session ends meanwhile": {func(c *cluster, first route.Session) {
			_ = c.Release(c.t.Context(), first.ID, first.Epoch)
		}, false, 3},
		"its server fails meanwhile": {func(c *cluster, _ route.Session) { c.peers["s1"].holdsErr = errors.New("broken") }, false, 3},
		"it was lost":                {nil, false, 50},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
			id := c.user("zs")
			first, err := c.Claim(t.Context(), route.Login{User: id, Device: "phone", Instance: "s1"})
			if err != nil {
				t.Fatal(err)
			}
			c.peers["s1"].onHolds = func(asked int) {
				if asked == 3 && tc.onHolds != nil {
					tc.onHolds(c, first)
				}
			}
			_, err = c.Claim(t.Context(), route.Login{User: id, Device: "tablet", Instance: "s2"})
			if tc.refused {
				wantErr(t, err, route.ErrHeld)
			} else if err != nil {
				t.Error(err)
			}
			if got := c.peers["s1"].asked; got < 3 || got > tc.asked {
				t.Errorf("asked %d times, want %d", got, tc.asked)
			}
		})
	}
}

func TestClaimThatWaitsEndsWithItsContext(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	id := c.user("zs")
	if _, err := c.Claim(t.Context(), route.Login{User: id, Device: "phone", Instance: "s1"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.peers["s1"].onHolds = func(int) { cancel() }
	_, err := c.Claim(ctx, route.Login{User: id, Device: "tablet", Instance: "s2"})
	wantErr(t, err, context.Canceled)
	if at := c.holder(id); at.Instance != "s1" {
		t.Errorf("the user is at %+v, want s1", at)
	}
}

func TestSameDeviceTakesOver(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	id := c.user("zs")
	c.connect(id, "s1", "phone")
	c.connect(id, "s2", "phone")
	if got := c.peers["s1"].kicked; len(got) != 1 || got[0] != id {
		t.Errorf("the old session was not ended: %v", got)
	}
}

func TestKickPolicy(t *testing.T) {
	c := newCluster(t, route.DuplicateKick, "s1", "s2")
	id := c.user("zs")
	c.connect(id, "s1", "phone")
	c.connect(id, "s2", "tablet")
	if got := c.peers["s1"].kicked; len(got) != 1 || got[0] != id {
		t.Errorf("the old session was not ended: %v", got)
	}
}

// A late goodbye of an old session must not erase the new one: CIM's stale /offLine does.
func TestStaleReleaseLeavesTheNewSession(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	id := c.user("zs")
	old := c.connect(id, "s1", "phone")
	now := c.connect(id, "s2", "phone")
	if err := c.Release(t.Context(), id, old.Epoch); err != nil {
		t.Fatal(err)
	}
	if at := c.holder(id); at.Epoch != now.Epoch {
		t.Errorf("the user is at %+v, want epoch %d", at, now.Epoch)
	}
}

func TestLogoutEndsTheCurrentSession(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.connect(id, "s1", "phone")
	if err := c.Logout(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if c.holder(id).Held() || len(c.peers["s1"].kicked) != 1 {
		t.Errorf("still at %+v, kicked %v", c.holder(id), c.peers["s1"].kicked)
	}
	if err := c.Logout(t.Context(), 99); err != nil {
		t.Errorf("logout of nobody: %v", err)
	}
}

// A failed login leaves nothing behind that locks the user out.
func TestReserveUndoesAFailedLogin(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.peers["s1"].reserveErr = errors.New("full")
	_, err := c.Reserve(t.Context(), id, "zs")
	wantErr(t, err, route.ErrNoServer)
	if c.holder(id).Held() {
		t.Fatalf("a failed login left %+v", c.holder(id))
	}
	c.peers["s1"].reserveErr = nil
	if _, err := c.Reserve(t.Context(), id, "zs"); err != nil {
		t.Errorf("the next login: %v", err)
	}
	_, err = c.Reserve(t.Context(), id, "zs")
	wantErr(t, err, route.ErrHeld)
}

func TestReservedSessionIsFulfilled(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	if _, err := c.Reserve(t.Context(), id, "zs"); err != nil {
		t.Fatal(err)
	}
	reserved := c.holder(id).Epoch
	s, err := c.Claim(t.Context(), route.Login{User: id, Instance: "s1", Reserved: reserved})
	if err != nil || s.Epoch <= reserved {
		t.Errorf("LOGIN for the reservation: %+v, %v", s, err)
	}
}

// CIM answers 500 when a server of its list is dead; here it is passed over.
func TestPlacePassesOverServersWithoutRoom(t *testing.T) {
	for name, spoil := range map[string]func(c *cluster){
		"unreachable": func(c *cluster) { delete(c.peers, "s1") },
		"failing":     func(c *cluster) { c.peers["s1"].err = errors.New("broken") },
		"full":        func(c *cluster) { c.peers["s1"].load.Conns = c.peers["s1"].load.Capacity },
		"silent":      func(c *cluster) { c.peers["s1"].hangs = true },
		"busy":        func(c *cluster) { c.peers["s1"].comeIn = time.Hour },
		"draining":    func(c *cluster) { c.peers["s1"].load.Draining = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
			spoil(c)
			s, a, err := c.Place(t.Context(), 1)
			if err != nil || s.Instance != "s2" || !a.NotBefore.IsZero() {
				t.Errorf("placed at %+v, %v", s, err)
			}
			c.leave["s2"]()
			_, _, err = c.Place(t.Context(), 1)
			wantErr(t, err, route.ErrNoServer)
		})
	}
}

// A client of CIM cannot be asked to wait, so a server that would ask for it is passed over.
func TestAdmissionOfTheTwoKindsOfClient(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.peers["s1"].comeIn = 30 * time.Second
	before := time.Now()
	if s, a, err := c.Place(t.Context(), id); err != nil || s.Instance != "s1" || a.NotBefore.Before(before.Add(30*time.Second)) {
		t.Errorf("placed at %+v, %+v, %v", s, a, err)
	}
	_, err := c.Reserve(t.Context(), id, "zs")
	wantErr(t, err, route.ErrNoServer)
	if c.holder(id).Held() {
		t.Error("a refused login has a session")
	}
	c.peers["s1"].comeIn = time.Second
	if _, err := c.Reserve(t.Context(), id, "zs"); err != nil {
		t.Errorf("with a second to wait: %v", err)
	}
	if n := len(c.peers["s1"].expected); n != 3 {
		t.Errorf("the server was asked %d times", n)
	}
}

// A login does not wait for the server of the session that it replaces: as long as it is not answered, another device
// could be told that nobody is there.
func TestClaimDoesNotWaitForASlowServer(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "slow", "s2")
	id := c.user("zs")
	before := c.connect(id, "slow", "phone")
	c.peers["slow"].hangs = true
	now := c.connect(id, "s2", "phone") // would not end
	if at := c.holder(id); at.Instance != "s2" || at.Epoch != now.Epoch || now.Epoch <= before.Epoch {
		t.Errorf("the session is at %+v; was %d, is %d", at, before.Epoch, now.Epoch)
	}
}
