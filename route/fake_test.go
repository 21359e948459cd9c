package route_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"cim/route"
	"cim/route/embedded"
)

// fakePeer is a server that does as it is told.
type fakePeer struct {
	mu         sync.Mutex
	holds      map[int64]uint64
	online     []int64
	pushed     []route.Push
	broadcasts []route.Broadcast
	waited     []bool // of each Broadcast while hangs is set: its caller had time
	kicked     []int64
	kicks      []route.KickReason
	result     route.PushResult
	err        error
	reserveErr error
	holdsErr   error
	hangs      bool            // Holds, Push, Broadcast and Kick wait for their context
	onCast     func()          // called by Broadcast
	onHolds    func(asked int) // called by Holds before it looks, with how often it was asked
	asked      int
	load       route.Load
	expected   []int64
	comeIn     time.Duration // what Expect asks for; it waits for its context when hangs is set
}

func newFakePeer() *fakePeer {
	return &fakePeer{holds: map[int64]uint64{}, result: route.PushWritten, load: route.Load{Capacity: 100}}
}

func (p *fakePeer) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, pushes...)
	if p.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return slices.Repeat([]route.PushResult{p.result}, len(pushes)), p.err
}

func (p *fakePeer) Broadcast(ctx context.Context, b route.Broadcast) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broadcasts = append(p.broadcasts, b)
	if p.onCast != nil {
		p.onCast()
	}
	if p.hangs {
		p.waited = append(p.waited, ctx.Err() == nil)
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return len(p.online), p.err
}

func (p *fakePeer) Holds(ctx context.Context, user int64, epoch uint64) (bool, error) {
	if p.hangs {
		<-ctx.Done()
		return false, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked++; p.onHolds != nil {
		p.onHolds(p.asked)
	}
	return p.holds[user] == epoch, errors.Join(p.err, p.holdsErr)
}

// Expect refuses for the same reasons as a server does.
func (p *fakePeer) Expect(ctx context.Context, user int64, within time.Duration) (route.Admission, error) {
	if p.hangs {
		<-ctx.Done()
		return route.Admission{}, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, user)
	if p.load.Draining || p.load.Conns >= p.load.Capacity || p.comeIn > within {
		return route.Admission{}, route.ErrNoServer
	}
	if p.comeIn == 0 {
		return route.Admission{}, p.err
	}
	return route.Admission{NotBefore: time.Now().Add(p.comeIn)}, p.err
}

func (p *fakePeer) Reserve(_ context.Context, a route.Account, epoch uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reserveErr == nil {
		p.holds[a.ID] = epoch
	}
	return p.reserveErr
}

func (p *fakePeer) Kick(ctx context.Context, user int64, epoch uint64, why route.KickReason) (bool, error) {
	if p.hangs {
		<-ctx.Done()
		return false, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds[user] != epoch {
		return false, p.err
	}
	delete(p.holds, user)
	p.kicked, p.kicks = append(p.kicked, user), append(p.kicks, why)
	return true, p.err
}

func (p *fakePeer) CatchUp(_ context.Context, user int64) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holds[user] != 0, p.err
}

func (p *fakePeer) Online(_ context.Context, after int64, limit int) ([]int64, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := 0
	if after != 0 {
		from = slices.Index(p.online, after) + 1
	}
	end := min(len(p.online), from+limit)
	if end == len(p.online) {
		return p.online[from:end], 0, p.err
	}
	return p.online[from:end], p.online[end-1], p.err
}

func (p *fakePeer) Load(context.Context) (route.Load, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.load, p.err
}

func (p *fakePeer) Draining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.load.Draining
}

// cluster is a Router over a real store in memory and servers that do as they are told.
type cluster struct {
	*route.Router
	t        *testing.T
	store    *embedded.Store
	registry *embedded.Registry
	peers    map[string]*fakePeer
	leave    map[string]func()
}

// Peer implements route.Peers.
func (c *cluster) Peer(s route.Server) (route.Peer, bool) {
	p, ok := c.peers[s.Instance]
	return p, ok
}

func newCluster(t *testing.T, duplicate route.Duplicate, instances ...string) *cluster {
	t.Helper()
	return newClusterAt(t, time.Now, duplicate, instances...)
}

// newClusterAt is newCluster with a clock for the store.
func newClusterAt(t *testing.T, now func() time.Time, duplicate route.Duplicate, instances ...string) *cluster {
	t.Helper()
	store, err := embedded.Open(embedded.Config{Dir: embedded.Memory, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	c := &cluster{
		t: t, store: store, registry: embedded.NewRegistry(),
		peers: map[string]*fakePeer{}, leave: map[string]func(){},
	}
	c.Router, err = route.New(route.Config{
		Accounts: store, Directory: store, Inbox: store, Registry: c.registry, Peers: c, Duplicate: duplicate,
		ProofTimeout: 10 * time.Millisecond, PushPatience: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range instances {
		c.peers[name] = newFakePeer()
		c.leave[name], err = c.registry.Join(t.Context(), route.Server{Instance: name, Host: "127.0.0.1", Port: 1000 + i})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// user makes an account.
func (c *cluster) user(name string) int64 {
	c.t.Helper()
	a, _, err := c.Register(c.t.Context(), name, route.User, route.SecretHash{})
	if err != nil {
		c.t.Fatal(err)
	}
	return a.ID
}

// connect claims a session and has the server hold it.
func (c *cluster) connect(user int64, instance, device string) route.Session {
	c.t.Helper()
	s, err := c.Claim(c.t.Context(), route.Login{User: user, Device: device, Instance: instance})
	if err != nil {
		c.t.Fatalf("connect %d at %s: %v", user, instance, err)
	}
	c.peers[instance].mu.Lock()
	defer c.peers[instance].mu.Unlock()
	c.peers[instance].holds[user] = s.Epoch
	return s
}

// holder is where the directory says that a user is.
func (c *cluster) holder(user int64) route.Location {
	c.t.Helper()
	at, err := c.store.Lookup(c.t.Context(), []int64{user})
	if err != nil {
		c.t.Fatal(err)
	}
	return at[0]
}

func body(t *testing.T, text string) []byte {
	t.Helper()
	b, err := route.EncodeBody(route.Message{From: 1, FromName: "x", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// deliver sends one message.
func (c *cluster) deliver(s route.Send) route.Outcome {
	c.t.Helper()
	if s.Body == nil {
		s.Body = body(c.t, "hi")
	}
	return c.Deliver(c.t.Context(), []route.Send{s})[0]
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// movingPeer says that the user is gone, having moved.
type movingPeer struct {
	*fakePeer
	move func()
}

func (p *movingPeer) Push(_ context.Context, pushes []route.Push) ([]route.PushResult, error) {
	p.move()
	return make([]route.PushResult, len(pushes)), nil
}
