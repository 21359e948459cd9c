package route_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cim/route"
)

// openingServer opens sessions like a server: a kick that comes while a login waits for its answer ends the session
// before it opens.
type openingServer struct {
	*fakePeer
	ended map[int64]uint64 // guarded by fakePeer.mu
}

func (p *openingServer) Kick(ctx context.Context, user int64, epoch uint64, why route.KickReason) (bool, error) {
	p.mu.Lock()
	p.ended[user] = max(p.ended[user], epoch)
	p.mu.Unlock()
	return p.fakePeer.Kick(ctx, user, epoch, why)
}

func (p *openingServer) open(user int64, epoch uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended[user] < epoch {
		p.holds[user] = epoch
	}
}

func (p *openingServer) has(user int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holds[user] != 0
}

// aroundClaim runs one thing before and one after each claim, as a race would have it.
type aroundClaim struct {
	route.Directory
	before, after func()
}

func (d *aroundClaim) Claim(ctx context.Context, q route.ClaimRequest) (route.Claim, error) {
	d.before()
	c, err := d.Directory.Claim(ctx, q)
	d.after()
	return c, err
}

// ends are the ways in which an account loses its sessions, with what a login is told afterwards.
var ends = map[string]struct {
	end  func(r *route.Router, ctx context.Context, user int64) error
	want error
}{
	"disabled": {func(r *route.Router, ctx context.Context, user int64) error {
		return r.SetDisabled(ctx, user, true)
	}, route.ErrDisabled},
	"secret replaced": {func(r *route.Router, ctx context.Context, user int64) error {
		_, err := r.ReplaceSecret(ctx, user)
		return err
	}, route.ErrReplacedSecret},
}

// An account that is disabled while it logs in has no session afterwards, in whichever order the store sees it.
func TestAccountEndsWhileItLogsIn(t *testing.T) {
	for name, tc := range ends {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, before the claim: %v", name, before), func(t *testing.T) {
				c := newCluster(t, route.DuplicateRefuse, "s1")
				alice, _ := c.member("alice")
				s := &openingServer{fakePeer: c.peers["s1"], ended: map[int64]uint64{}}
				peers := peersFunc(func(route.Server) (route.Peer, bool) { return s, true })
				other, _ := c.fresh(peers)
				end := func() {
					if err := tc.end(other, t.Context(), alice); err != nil {
						t.Error(err)
					}
				}
				d := &aroundClaim{c.store, end, func() {}}
				if !before {
					d.before, d.after = d.after, end
				}
				r, err := route.New(route.Config{Accounts: c.store, Directory: d, Inbox: c.store, Registry: c.registry, Peers: peers})
				if err != nil {
					t.Fatal(err)
				}
				login := route.Login{User: alice, Device: "phone", Instance: "s1", Generation: 1}
				got, err := r.Claim(t.Context(), login)
				if before {
					wantErr(t, err, tc.want)
				} else if err != nil {
					t.Fatal(err)
				}
				s.open(alice, got.Epoch)
				if s.has(alice) || c.holder(alice).Held() {
					t.Errorf("a session is left: at the server %v, in the directory %+v", s.has(alice), c.holder(alice))
				}
			})
		}
	}
}

func TestAccountEndsWhileItLogsInAtRandom(t *testing.T) {
	for name, tc := range ends {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, route.DuplicateRefuse, "s1")
			s := &openingServer{fakePeer: c.peers["s1"], ended: map[int64]uint64{}}
			peers := peersFunc(func(route.Server) (route.Peer, bool) { return s, true })
			r, _ := c.fresh(peers)
			other, _ := c.fresh(peers)
			for i := range 50 {
				id, _ := c.member(fmt.Sprintf("user-%d", i))
				var wg sync.WaitGroup
				wg.Go(func() {
					got, err := r.Claim(t.Context(), route.Login{User: id, Device: "phone", Instance: "s1", Generation: 1})
					switch {
					case err == nil:
						s.open(id, got.Epoch)
					case !errors.Is(err, tc.want):
						t.Errorf("Claim: %v", err)
					}
				})
				wg.Go(func() {
					if err := tc.end(other, t.Context(), id); err != nil {
						t.Error(err)
					}
				})
				wg.Wait()
				if s.has(id) || c.holder(id).Held() {
					t.Fatalf("a session is left: at the server %v, in the directory %+v", s.has(id), c.holder(id))
				}
			}
		})
	}
}

// slowReserve has the reservation on its way until it is let go.
type slowReserve struct {
	*fakePeer
	onWayCh chan struct{} // a reservation is on its way
	goCh    chan struct{} // closed: it arrives
}

func (p *slowReserve) Reserve(ctx context.Context, a route.Account, epoch uint64) error {
	p.onWayCh <- struct{}{}
	select {
	case <-p.goCh:
		return p.fakePeer.Reserve(ctx, a, epoch)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// twoRoutes are two routes of one cluster with one server, where the first one's reservation takes its time.
type twoRoutes struct {
	*cluster
	slow          *slowReserve
	first, second *route.Router
	user          int64
	firstErrCh    chan error

	mu  sync.Mutex
	now time.Time // guarded by mu; the store's
}

func newTwoRoutes(t *testing.T) *twoRoutes {
	r := &twoRoutes{now: time.UnixMilli(1_700_000_000_000), firstErrCh: make(chan error, 1)}
	r.cluster = newClusterAt(t, func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}, route.DuplicateRefuse, "s1")
	r.slow = &slowReserve{fakePeer: r.peers["s1"], onWayCh: make(chan struct{}), goCh: make(chan struct{})}
	r.first, _ = r.waiting(peersFunc(func(route.Server) (route.Peer, bool) { return r.slow, true }), time.Minute)
	r.second, _ = r.fresh(nil)
	r.user = r.cluster.user("zs")
	return r
}

// begin has the first route log the user in, up to the reservation's way to the server.
func (r *twoRoutes) begin() {
	go func() {
		_, err := r.first.Reserve(r.t.Context(), r.user, "zs")
		r.firstErrCh <- err
	}()
	<-r.slow.onWayCh
}

func (r *twoRoutes) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// The server cannot prove a session that it has not been told of; its user must not be let in twice meanwhile.
func TestReservationOnItsWayRefuses(t *testing.T) {
	r := newTwoRoutes(t)
	r.begin()
	_, err := r.second.Reserve(t.Context(), r.user, "zs")
	wantErr(t, err, route.ErrHeld)
	_, err = r.second.Claim(t.Context(), route.Login{User: r.user, Device: "phone", Instance: "s1"})
	wantErr(t, err, route.ErrHeld)
	r.advance(1999 * time.Millisecond)
	_, err = r.second.Reserve(t.Context(), r.user, "zs")
	wantErr(t, err, route.ErrHeld)

	close(r.slow.goCh)
	if err := <-r.firstErrCh; err != nil {
		t.Fatalf("the first login: %v", err)
	}
	r.advance(time.Minute)
	_, err = r.second.Reserve(t.Context(), r.user, "zs")
	wantErr(t, err, route.ErrHeld) // on proof
}

// A route that dies with a reservation on its way locks nobody out.
func TestReservationThatNeverArrives(t *testing.T) {
	for name, spoil := range map[string]func(r *twoRoutes){
		"for 2 s":                  func(r *twoRoutes) { r.advance(2 * time.Second) },
		"and its server fails":     func(r *twoRoutes) { r.peers["s1"].holdsErr = errors.New("broken") },
		"and its server is silent": func(r *twoRoutes) { r.peers["s1"].hangs = true },
		"and its server has left":  func(r *twoRoutes) { r.leave["s1"]() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTwoRoutes(t)
			r.begin()
			lost := r.holder(r.user)
			spoil(r)
			got, err := r.second.Claim(t.Context(), route.Login{User: r.user, Instance: "s2"})
			if err != nil || got.Epoch <= lost.Epoch {
				t.Errorf("the second login: %+v, %v", got, err)
			}
			close(r.slow.goCh)
			<-r.firstErrCh
		})
	}
}

// A session with a device is never a reservation: nothing is waited for.
func TestNoGraceForDevices(t *testing.T) {
	r := newTwoRoutes(t)
	if _, err := r.Claim(t.Context(), route.Login{User: r.user, Device: "phone", Instance: "s1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.second.Reserve(t.Context(), r.user, "zs"); err != nil {
		t.Errorf("the server says that it has no such session, yet: %v", err)
	}
}

func TestReserveOverTwoRoutesAtOnce(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	var routers []*route.Router
	for range 2 {
		r, _ := c.fresh(nil)
		routers = append(routers, r)
	}
	for i := range 50 {
		name := fmt.Sprintf("user-%d", i)
		id := c.user(name)
		var errs [8]error
		var wg sync.WaitGroup
		for n := range errs {
			wg.Go(func() { _, errs[n] = routers[n%2].Reserve(t.Context(), id, name) })
		}
		wg.Wait()
		granted := 0
		for _, err := range errs {
			if err == nil {
				granted++
			} else {
				wantErr(t, err, route.ErrHeld)
			}
		}
		if granted != 1 {
			t.Fatalf("%d of %d logins were granted", granted, len(errs))
		}
	}
}

// A caller who gives up while the reservation is on its way leaves no session behind.
func TestReserveIsUndoneForACallerWhoGaveUp(t *testing.T) {
	r := newTwoRoutes(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := r.first.Reserve(ctx, r.user, "zs")
		r.firstErrCh <- err
	}()
	<-r.slow.onWayCh
	if !r.holder(r.user).Held() {
		t.Fatal("the session is claimed before the server is told")
	}
	cancel()
	wantErr(t, <-r.firstErrCh, route.ErrNoServer)
	if at := r.holder(r.user); at.Held() {
		t.Errorf("left behind: %+v", at)
	}
}

// A server that does not answer costs its login, not the user.
func TestReserveGivesUp(t *testing.T) {
	r := newTwoRoutes(t)
	r.first, _ = r.fresh(peersFunc(func(route.Server) (route.Peer, bool) { return r.slow, true }))
	r.begin()
	wantErr(t, <-r.firstErrCh, route.ErrNoServer)
	if at := r.holder(r.user); at.Held() {
		t.Errorf("left behind: %+v", at)
	}
}
