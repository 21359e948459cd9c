package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cim/netcore"
	cimpb "cim/proto"
	"cim/route"
)

// fakeSessions is a Directory and a server's table for one user.
type fakeSessions struct {
	at       route.Location
	away     error
	holds    uint64 // epoch that the server has
	knows    bool
	released []uint64
}

func (f *fakeSessions) Holders(_ context.Context, users []int64) ([]route.Location, error) {
	return slices.Repeat([]route.Location{f.at}, len(users)), f.away
}

func (f *fakeSessions) Release(_ context.Context, _ int64, epoch uint64) error {
	f.released = append(f.released, epoch)
	return f.away
}

func (f *fakeSessions) Holds(_ int64, epoch uint64) bool { return f.holds == epoch }
func (f *fakeSessions) Knows(int64) bool                 { return f.knows || f.holds != 0 }

func TestStrays(t *testing.T) {
	here := func(epoch uint64) route.Location { return route.Location{Instance: "here", Epoch: epoch} }
	away := errors.New("no answer")
	for name, tc := range map[string]struct {
		looks    []fakeSessions // two seconds apart
		released []uint64
		left     int // users who are looked at again
	}{
		"nobody has it":                {[]fakeSessions{{at: here(7)}, {at: here(7)}, {}}, []uint64{7}, 0},
		"nobody is there":              {[]fakeSessions{{}, {}}, nil, 0},
		"seen once only":               {[]fakeSessions{{at: here(7)}}, nil, 1},
		"the claim was made late":      {[]fakeSessions{{}, {at: here(7)}, {at: here(7)}}, []uint64{7}, 0},
		"it is elsewhere":              {[]fakeSessions{{at: here(7)}, {at: route.Location{Instance: "there", Epoch: 7}}}, nil, 0},
		"the user came":                {[]fakeSessions{{at: here(7)}, {at: here(8), holds: 8}}, nil, 0},
		"the user is coming":           {[]fakeSessions{{at: here(7)}, {at: here(7), knows: true}}, nil, 1},
		"the user did not come":        {[]fakeSessions{{at: here(7)}, {at: here(7), knows: true}, {at: here(7)}}, []uint64{7}, 0},
		"another one each time":        {[]fakeSessions{{at: here(7)}, {at: here(8)}}, nil, 1},
		"an older one lives here":      {[]fakeSessions{{at: here(7), holds: 6}, {at: here(7), holds: 6}}, nil, 1},
		"and ends":                     {[]fakeSessions{{at: here(7), holds: 6}, {at: here(7)}}, []uint64{7}, 0},
		"the Directory is away":        {[]fakeSessions{{away: away}, {away: away}}, nil, 1},
		"it is away between the looks": {[]fakeSessions{{at: here(7)}, {away: away}, {at: here(7)}}, []uint64{7}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStrays("here")
			s.add(1)
			var released []uint64
			now := time.Now()
			for _, f := range tc.looks {
				s.look(t.Context(), &f, &f, now)
				released = append(released, f.released...)
				early := f
				if s.look(t.Context(), &early, &early, now.Add(straySure-1)); !slices.Equal(early.released, f.released) {
					t.Error("a session was released too early")
				}
				now = now.Add(straySure)
			}
			if !slices.Equal(released, tc.released) || len(s.users) != tc.left {
				t.Errorf("released %v, want %v; %d users are left, want %d", released, tc.released, len(s.users), tc.left)
			}
		})
	}
}

// A release that fails is made again, and what comes during a look is looked at afterwards.
func TestStraysAreKeptUntilTheyAreReleased(t *testing.T) {
	s := newStrays("here")
	s.add(1)
	now := time.Now()
	f := &fakeSessions{at: route.Location{Instance: "here", Epoch: 7}}
	s.look(t.Context(), f, f, now)
	failing := &failingRelease{f}
	if n := s.look(t.Context(), failing, f, now.Add(straySure)); n != 0 || len(s.users) != 1 {
		t.Fatalf("%d were released, %d are left", n, len(s.users))
	}
	if n := s.look(t.Context(), f, f, now.Add(straySure)); n != 1 || len(s.users) != 0 {
		t.Errorf("%d were released, %d are left", n, len(s.users))
	}
	s.add(1)
	due := s.due(now)
	s.add(1)
	if s.forget(due[0]); len(s.users) != 1 {
		t.Error("a claim that was lost during the look is forgotten")
	}
}

type failingRelease struct{ *fakeSessions }

func (failingRelease) Release(context.Context, int64, uint64) error { return errors.New("no answer") }

func TestStraysAreBounded(t *testing.T) {
	s := newStrays("here")
	for user := range int64(straysMax + 100) {
		s.add(user)
	}
	now := time.Now()
	for range straysMax / strayBatch {
		if n := len(s.due(now)); n != strayBatch {
			t.Fatalf("%d users in one look", n)
		}
		f := &fakeSessions{}
		s.look(t.Context(), f, f, now)
	}
	if n := len(s.due(now)); n != 0 || len(s.users) != straysMax {
		t.Errorf("%d of %d users were not looked at", n, len(s.users))
	}
}

// lossy is a Directory that makes claims and releases, and whose answers to claims are lost while lose is set.
type lossy struct {
	route.Directory
	lose atomic.Bool
}

func (d *lossy) Claim(ctx context.Context, r route.ClaimRequest) (route.Claim, error) {
	c, err := d.Directory.Claim(ctx, r)
	if err == nil && d.lose.Load() {
		return route.Claim{}, fmt.Errorf("%w: Redis closed the connection", route.ErrStoreUnavailable)
	}
	return c, err
}

func (d *lossy) Release(ctx context.Context, user int64, epoch uint64) error {
	if d.lose.Load() {
		return route.ErrStoreUnavailable
	}
	return d.Directory.Release(ctx, user, epoch)
}

// lossyBackend is that of a node, with a Directory that loses answers.
func lossyBackend(t *testing.T, n *node) (*backend, *lossy) {
	t.Helper()
	d := &lossy{Directory: n.store}
	cfg := n.routerConfig(testConfig(), &localPeers{n.server})
	cfg.Directory = d
	router, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &backend{router: router, instance: n.instance, log: n.log, refused: newLoginsRefused(), strays: newStrays(n.instance)}, d
}

// What a claim without an answer leaves behind is released, and so is a session whose release failed.
func TestStraysOfABackend(t *testing.T) {
	n := newTestNode(t)
	user := cimHTTP{t, "http://" + n.httpAddr.String()}.register("zs")
	for name, leave := range map[string]func(*backend, *lossy){
		"a claim without an answer": func(b *backend, d *lossy) {
			d.lose.Store(true)
			if r := b.Claim(t.Context(), []netcore.Claim{{User: user, Device: "phone"}}); r[0].Code != cimpb.CodeStoreDown {
				t.Fatalf("answered %+v", r)
			}
		},
		"a release that failed": func(b *backend, d *lossy) {
			r := b.Claim(t.Context(), []netcore.Claim{{User: user, Device: "phone"}})
			d.lose.Store(true)
			b.Release(t.Context(), []netcore.SessionRef{{User: user, Epoch: r[0].Epoch}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, d := lossyBackend(t, n)
			leave(b, d)
			if at := holderOf(t, n, user); at.Instance != n.instance {
				t.Fatalf("nothing was left behind: %+v", at)
			}
			d.lose.Store(false)
			now := time.Now()
			b.strays.look(t.Context(), b.router, n.server, now)
			if released := b.strays.look(t.Context(), b.router, n.server, now.Add(straySure)); released != 1 {
				t.Errorf("%d sessions were released", released)
			}
			if at := holderOf(t, n, user); at.Held() {
				t.Errorf("left behind: %+v", at)
			}
		})
	}
}

// Logins that are refused for another reason leave nothing behind.
func TestRefusedLoginsAreNoStrays(t *testing.T) {
	n := newTestNode(t)
	b, _ := lossyBackend(t, n)
	b.Claim(t.Context(), []netcore.Claim{{User: 12345, Device: "phone"}})
	for _, err := range []error{route.ErrHeld, route.ErrDisabled, route.ErrReplacedSecret, route.ErrNameMismatch} {
		if claimLost(fmt.Errorf("claim user 1: %w", err)) {
			t.Errorf("%v counts as no answer", err)
		}
	}
	if len(b.strays.users) != 0 {
		t.Error("a user without an account is looked up")
	}
}

// While the same users log in and out, no session of somebody who is connected is released: a session that the Directory
// has and the table does not know yet is the one that a login is about to be told of.
func TestStraysSpareLogins(t *testing.T) {
	n := newTestNode(t)
	var users []int64
	for i := range 4 {
		users = append(users, cimHTTP{t, "http://" + n.httpAddr.String()}.register(fmt.Sprint("u", i)))
	}
	b, _ := lossyBackend(t, n)
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for now := time.Now(); ctx.Err() == nil; now = now.Add(straySure) { // as if each look came two seconds later
			for _, user := range users {
				b.strays.add(user)
				b.strays.look(ctx, b.router, n.server, now)
			}
		}
	})
	var logins sync.WaitGroup
	for _, user := range users {
		logins.Go(func() {
			for range 50 {
				w, welcome := helloWire(t, n, user, "phone")
				epoch := welcome.GetWelcome().GetSessionEpoch()
				wantAlive(t, w)
				if at := holderOf(t, n, user); epoch == 0 || at.Epoch != epoch || at.Instance != n.instance {
					t.Errorf("answered %v; the Directory has %+v", welcome, at)
				}
				_ = w.conn.Close()
			}
		})
	}
	logins.Wait()
	stop()
	looking.Wait()
}

// holderOf is where the Directory says that a user is.
func holderOf(t *testing.T, n *node, user int64) route.Location {
	t.Helper()
	at, err := n.router.Holders(t.Context(), []int64{user})
	if err != nil {
		t.Fatal(err)
	}
	return at[0]
}

// loginAtOnce has so many users log in at the first server at the same moment.
func loginAtOnce(c *testCluster, n int) {
	c.t.Helper()
	var wires []*wire
	var frames []*cimpb.Frame
	for i := range n {
		m := c.member(c.t, fmt.Sprint("one of many ", i))
		frames = append(frames, m.loginFrame("phone", m.placeAt(c.servers[0], "phone")))
		wires = append(wires, dialWire(c.t, c.servers[0].im))
	}
	for i, w := range wires {
		w.writeFrame(frames[i])
	}
	for _, w := range wires {
		w.frame()
	}
}

// Redis hangs when a user logs in, and makes the claim when nobody waits for it any more.
func TestClusterClaimWithoutAnswer(t *testing.T) {
	c := startCluster(t, 1, 1)
	alice := c.member(t, "alice")
	loginAtOnce(c, 16) // so that there are connections to Redis that the claim can take
	p := alice.place("phone")
	c.redis.Pause(t)
	w := dialWire(t, c.servers[0].im)
	w.writeFrame(alice.loginFrame("phone", p))
	wantCode(t, w.frame(), cimpb.Command_ERROR, cimpb.CodeStoreDown)
	w.ended()
	c.redis.Resume(t)
	eventually(t, "the claim is made", func() bool { return c.holder(alice.id) == c.servers[0].instance })
	eventually(t, "its session is released", func() bool { return c.holder(alice.id) == "" })
	wantAlive(t, alice.enter(c.servers[0], "tablet"))
	if holder := c.holder(alice.id); holder != c.servers[0].instance {
		t.Errorf("afterwards %q holds the session", holder)
	}
}
