package route_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// Without the Directory, whoever has the receiver is found, and asked alone from then on; with it, all is as before.
func TestUnstoredGoesOnWithoutTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "")
		zs := o.at("zs", "s2")
		o.wantWritten(zs)
		o.wantPushes(0, 1, 0)

		o.store.refuse(errAway)
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1)
		o.wantWritten(zs)
		o.wantPushes(0, 1, 0)
		if s := o.AskStats(); !s.Away || s.Outages != 1 || s.Pushes != 3 || s.Outcomes["written"] != 2 {
			t.Errorf("stats %+v", s)
		}

		o.store.back()
		after(time.Second)
		o.wantWritten(zs) // which also asks whether the Directory is back
		o.wantPushes(0, 1, 0)
		if o.AskStats().Away {
			t.Error("it is not noticed that the Directory is back")
		}
		ls := o.at("ls", "s3")
		o.wantWritten(ls)
		o.wantPushes(0, 0, 1)
	})
}

// Only the first message waits for a Directory that hangs, and only for so long; the look whether it is back delays
// nobody's message.
func TestUnstoredWaitsOnceForTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 500 * time.Millisecond // the default of PushPatience
		o := newOutage(t, 3, "")
		zs := o.at("zs", "s3")
		o.wantWritten(zs)
		o.store.hangs.Store(true)
		wantTook := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			o.wantWritten(zs)
			if took := time.Since(began); took != want {
				t.Errorf("a message took %v, want %v", took, want)
			}
		}
		wantTook(patience)
		for range 100 {
			wantTook(0)
		}
		if n := o.store.asked.Load(); n != 1 {
			t.Errorf("the store was asked %d times", n)
		}
		after(time.Second)
		writtenCh := make(chan route.Outcome)
		go func() { writtenCh <- o.say(zs) }() // ends with what the test reads
		synctest.Wait()
		if n := o.store.asked.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want once more a second later", n)
		}
		o.wantPushes(1, 1, 103)
		if got := <-writtenCh; got.Reached != 1 {
			t.Errorf("outcome %+v", got)
		}
		wantTook(0)
	})
}

// An account that was never seen is not looked up for ever either.
func TestUnstoredToStrangersWithoutTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s2")
		o.store.hangs.Store(true)
		began := time.Now()
		o.wantWritten(zs)
		wantErr(t, o.say(12345).Err, route.ErrOffline)
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("two messages took %v, want the time of one look-up", took)
		}
	})
}

func TestAskOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(o *outage, user int64)
		want    error
		reached int
		counted string
	}{
		"nobody has them": {func(*outage, int64) {}, route.ErrOffline, 0, "offline"},
		"one has them":    {func(o *outage, u int64) { o.connect(u, "s2", "d") }, nil, 1, "written"},
		"the connection is full": {func(o *outage, u int64) {
			o.connect(u, "s2", "d")
			o.peers["s2"].result = route.PushSlow
		}, route.ErrSlow, 0, "slow"},
		"one does not answer": {
			func(o *outage, _ int64) { o.peers["s3"].err = errors.New("broken") },
			route.ErrStoreUnavailable, 0, "unknown",
		},
		"one takes its time": {
			func(o *outage, _ int64) { o.peers["s3"].hangs = true },
			route.ErrStoreUnavailable, 0, "unknown",
		},
		"one cannot say": {func(o *outage, u int64) {
			o.connect(u, "s3", "d")
			o.peers["s3"].result = route.PushUnknown
		}, route.ErrStoreUnavailable, 0, "unknown"},
		"one does not answer, another has them": {func(o *outage, u int64) {
			o.connect(u, "s2", "d")
			o.peers["s3"].err = errors.New("broken")
		}, nil, 1, "written"},
		"there are no servers": {func(o *outage, _ int64) {
			for _, leave := range o.leave {
				leave()
			}
		}, route.ErrStoreUnavailable, 0, "unknown"},
		"two have them, of which one does not know better": {func(o *outage, u int64) {
			o.connect(u, "s1", "d")
			o.connect(u, "s2", "d")
			o.peers["s1"].holds[u] = 1
		}, nil, 2, "written"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t, 3, "")
				id := o.user("zs")
				tc.prepare(o, id)
				o.store.refuse(errAway)
				got := o.say(id)
				if !errors.Is(got.Err, tc.want) || got.Reached != tc.reached {
					t.Errorf("outcome %+v, want %v and %d sessions", got, tc.want, tc.reached)
				}
				if s := o.AskStats(); s.Outcomes[tc.counted] != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// The server of this process costs nothing to ask, so the others are asked for what it has not.
func TestAskBeginsAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "s1")
		here, there := o.at("here", "s1"), o.at("there", "s2")
		o.store.refuse(errAway)
		o.wantWritten(here)
		o.wantPushes(1, 0, 0)
		o.wantWritten(there)
		o.wantPushes(1, 1, 1)
	})
}

// Whoever was found is looked for again when they are no longer there, and whoever was nowhere after a second.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "")
		zs, ls := o.at("zs", "s2"), o.user("ls")
		o.store.refuse(errAway)
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1)
		delete(o.peers["s2"].holds, zs)
		o.peers["s3"].holds[zs] = 5
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1) // s2 first, and then the two others
		o.wantWritten(zs)
		o.wantPushes(0, 0, 1)
		o.leave["s3"]()
		wantErr(t, o.say(zs).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)

		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)
		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(0, 0, 0)
		after(time.Second)
		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)
	})
}

// Messages of one call keep their order and go to each server in one push of many, and what is stored is refused.
func TestAskKeepsOrderAndStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "s1")
		zs, ls := o.at("zs", "s1"), o.at("ls", "s2")
		o.wantWritten(zs)
		o.wantPushes(1, 0)
		o.store.refuse(errAway)
		var sends []route.Send
		for i := range 10 {
			sends = append(sends, route.Send{From: 7, To: []int64{zs, ls}[i%2], Body: body(t, fmt.Sprint(i))})
		}
		sends = append(sends, route.Send{From: 7, To: zs, QoS: route.AtLeastOnce, Body: body(t, "stored")})
		out := o.Deliver(t.Context(), sends)
		for i, got := range out[:10] {
			if got.Err != nil || got.Reached != 1 {
				t.Errorf("message %d: %+v", i, got)
			}
		}
		wantErr(t, out[10].Err, route.ErrStoreUnavailable)
		pushed := o.peers["s2"].pushed
		if len(pushed) != 5 {
			t.Fatalf("s2 got %d pushes", len(pushed))
		}
		for i, p := range pushed {
			if p.User != ls || p.SessionEpoch != 0 || p.Seq != 0 || string(p.Body) != string(sends[2*i+1].Body) {
				t.Errorf("push %d is %+v", i, p)
			}
		}
	})
}

// A user who moved is asked for when the Directory is gone at the second look-up.
func TestAskForWhoMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s1")
		o.onPush = func() {
			delete(o.peers["s1"].holds, zs)
			o.peers["s2"].holds[zs] = 5
			o.store.refuse(errAway)
			o.onPush = func() {}
		}
		o.wantWritten(zs)
		o.wantPushes(2, 1)
	})
}

// Whether the Directory is back is asked for those who are sent something: it may be back for others.
func TestPartOfTheDirectoryIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs, ls := o.at("zs", "s1"), o.at("ls", "s2")
		o.store.only = zs
		o.store.refuse(errAway)
		for range 3 {
			o.wantWritten(zs)
			if !o.AskStats().Away {
				t.Error("the directory is said to answer")
			}
			after(time.Second)
		}
		o.wantWritten(ls)
		if s := o.AskStats(); s.Away || s.Outages != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// What servers are asked for is bounded, and what is over that is told to come again. The one that had the receiver
// before is always asked.
func TestAsksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, rate = 50, 50_000
		o := newOutage(t, servers, "")
		zs := o.at("zs", "s7")
		o.store.refuse(errAway)
		o.wantWritten(zs)
		send := make([]route.Send, 2*rate/servers)
		for i := range send {
			send[i] = route.Send{From: 7, To: int64(1000 + i), Body: []byte("x")}
		}
		count := func() (offline, overloaded int) {
			for _, got := range o.Deliver(t.Context(), send) {
				switch {
				case errors.Is(got.Err, route.ErrOffline):
					offline++
				case errors.Is(got.Err, route.ErrOverloaded):
					overloaded++
				}
			}
			return offline, overloaded
		}
		if offline, overloaded := count(); offline != rate/servers-1 || overloaded != rate/servers+1 {
			t.Errorf("%d were looked for and %d refused", offline, overloaded)
		}
		o.wantWritten(zs)
		after(500 * time.Millisecond)
		if offline, overloaded := count(); offline != rate/servers-1+rate/servers/2 || overloaded != rate/servers/2+1 {
			t.Errorf("half a second later, %d were looked for or known to be away and %d refused", offline, overloaded)
		}
		if s := o.AskStats(); s.Pushes > rate*3/2 || s.Outcomes["overloaded"] == 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A caller who gives up says nothing about the Directory.
func TestCallerWhoGivesUpIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s1")
		o.wantWritten(zs)
		o.store.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got := o.Deliver(ctx, []route.Send{{From: 7, To: zs, Body: body(t, "hi")}})[0]
		wantErr(t, got.Err, context.DeadlineExceeded)
		if s := o.AskStats(); s.Away || s.Outages != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
