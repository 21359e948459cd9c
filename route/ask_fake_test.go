package route_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"cim/route"
	"cim/route/routetest"
)

// awayStore is a store that does not answer for a while: it refuses at once, or lets its callers wait.
type awayStore struct {
	routetest.Store
	err   atomic.Pointer[error] // not nil: it refuses
	only  int64                 // not 0: it does so for this user, as a store whose parts are on several machines
	hangs atomic.Bool
	asked atomic.Int64 // calls while it was away
}

func (s *awayStore) refuse(err error) { s.err.Store(&err) }

func (s *awayStore) back() {
	s.err.Store(nil)
	s.hangs.Store(false)
}

func (s *awayStore) there(ctx context.Context, users ...int64) error {
	if s.hangs.Load() {
		s.asked.Add(1)
		<-ctx.Done()
		return ctx.Err()
	}
	if err := s.err.Load(); err != nil && (s.only == 0 || slices.Contains(users, s.only)) {
		s.asked.Add(1)
		return *err
	}
	return nil
}

func (s *awayStore) ByID(ctx context.Context, ids []int64) ([]route.Account, error) {
	if err := s.there(ctx, ids...); err != nil {
		return nil, err
	}
	return s.Store.ByID(ctx, ids)
}

func (s *awayStore) Lookup(ctx context.Context, users []int64) ([]route.Location, error) {
	if err := s.there(ctx, users...); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, users)
}

func (s *awayStore) Append(ctx context.Context, entries []route.Entry) []route.Appended {
	if err := s.there(ctx); err != nil {
		return slices.Repeat([]route.Appended{{Err: fmt.Errorf("%w: %w", route.ErrStoreUnavailable, err)}}, len(entries))
	}
	return s.Store.Append(ctx, entries)
}

// knowingPeer has the sessions that it holds, whatever epoch it is asked for.
type knowingPeer struct {
	*fakePeer
	onPush func() // called with each Push
}

func (p knowingPeer) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	p.onPush()
	results, err := p.fakePeer.Push(ctx, pushes)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range results {
		if p.holds[pushes[i].User] == 0 {
			results[i] = route.PushAbsent
		}
	}
	return results, err
}

// outage is a cluster whose store can be away.
type outage struct {
	*cluster
	*route.Router // in place of the cluster's
	store         *awayStore
	onPush        func()
}

// newOutage makes one of servers s1, s2 and so on; the router runs beside local.
func newOutage(t *testing.T, servers int, local string) *outage {
	t.Helper()
	var names []string
	for i := range servers {
		names = append(names, fmt.Sprint("s", i+1))
	}
	c := newCluster(t, route.DuplicateRefuse, names...)
	o := &outage{cluster: c, store: &awayStore{Store: c.store}, onPush: func() {}}
	var err error
	o.Router, err = route.New(route.Config{
		Accounts: o.store, Directory: o.store, Inbox: o.store, Registry: c.registry, Local: local,
		Peers: peersFunc(func(s route.Server) (route.Peer, bool) {
			p, ok := c.peers[s.Instance]
			return knowingPeer{p, o.onPush}, ok
		}),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// at has a user connected to a server.
func (o *outage) at(name, instance string) int64 {
	o.t.Helper()
	id := o.user(name)
	o.connect(id, instance, "phone")
	return id
}

// say sends one message that is not stored.
func (o *outage) say(to int64) route.Outcome {
	o.t.Helper()
	return o.Deliver(o.t.Context(), []route.Send{{From: 7, To: to, Body: body(o.t, "hi")}})[0]
}

// wantPushes checks how many pushes each server got since the last time, in their order.
func (o *outage) wantPushes(want ...int) {
	o.t.Helper()
	got := make([]int, len(want))
	for i := range want {
		p := o.peers[fmt.Sprint("s", i+1)]
		p.mu.Lock()
		got[i] = len(p.pushed)
		p.pushed = nil
		p.mu.Unlock()
	}
	if !slices.Equal(got, want) {
		o.t.Errorf("pushes to each server: %v, want %v", got, want)
	}
}

func (o *outage) wantWritten(to int64) {
	o.t.Helper()
	if got := o.say(to); got.Err != nil || got.Reached != 1 || !got.Online {
		o.t.Errorf("outcome %+v, want written to one session", got)
	}
}

var errAway = fmt.Errorf("%w: connection refused", route.ErrStoreUnavailable)

// after waits, in the time of a bubble.
func after(d time.Duration) { <-time.After(d) }
