package route_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"cim/route"
	"cim/route/routetest"
)

// countingStore notes each call: every one is a round trip to a store that is elsewhere.
type countingStore struct {
	routetest.Store
	mu      sync.Mutex
	calls   []string
	entries []route.Entry
}

func (s *countingStore) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *countingStore) ByID(ctx context.Context, ids []int64) ([]route.Account, error) {
	s.note("ByID")
	return s.Store.ByID(ctx, ids)
}

func (s *countingStore) ByName(ctx context.Context, name string) (route.Account, error) {
	s.note("ByName")
	return s.Store.ByName(ctx, name)
}

func (s *countingStore) Credentials(ctx context.Context, id int64) (route.Credentials, error) {
	s.note("Credentials")
	return s.Store.Credentials(ctx, id)
}

func (s *countingStore) Claim(ctx context.Context, q route.ClaimRequest) (route.Claim, error) {
	s.note("Claim")
	return s.Store.Claim(ctx, q)
}

func (s *countingStore) Release(ctx context.Context, user int64, epoch uint64) error {
	s.note("Release")
	return s.Store.Release(ctx, user, epoch)
}

func (s *countingStore) Lookup(ctx context.Context, users []int64) ([]route.Location, error) {
	s.note("Lookup")
	return s.Store.Lookup(ctx, users)
}

func (s *countingStore) Renew(ctx context.Context, renewals []route.Renewal) []route.Renewed {
	s.note("Renew")
	return s.Store.Renew(ctx, renewals)
}

func (s *countingStore) Append(ctx context.Context, entries []route.Entry) []route.Appended {
	s.note("Append")
	s.entries = append(s.entries, entries...)
	return s.Store.Append(ctx, entries)
}

func (s *countingStore) Position(ctx context.Context, user int64) (route.Position, error) {
	s.note("Position")
	return s.Store.Position(ctx, user)
}

// wantCalls checks the calls since the last time.
func (s *countingStore) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls of the store: %v, want %v", s.calls, want)
	}
	s.calls = nil
}

// pushCounter counts calls of Push, which are requests to the server.
type pushCounter struct {
	*fakePeer
	calls int
}

func (p *pushCounter) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	return p.fakePeer.Push(ctx, pushes)
}

// fresh is a Router that has just started, over the cluster's servers and a store that counts.
func (c *cluster) fresh(peers route.Peers) (*route.Router, *countingStore) {
	c.t.Helper()
	return c.waiting(peers, 10*time.Millisecond)
}

// waiting is fresh with the time that servers have for an answer.
func (c *cluster) waiting(peers route.Peers, proof time.Duration) (*route.Router, *countingStore) {
	c.t.Helper()
	s := &countingStore{Store: c.store}
	if peers == nil {
		peers = c
	}
	r, err := route.New(route.Config{
		Accounts: s, Directory: s, Inbox: s, Registry: c.registry, Peers: peers,
		ProofTimeout: proof, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return r, s
}

func TestLoginIsOneCallOfTheStore(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	id := c.user("zs")
	r, store := c.fresh(nil)
	login := route.Login{User: id, Name: "zs", Device: "phone", Instance: "s1", Generation: 1}
	first, err := r.Claim(t.Context(), login)
	if err != nil || first.ID != id || first.Name != "zs" || first.Epoch == 0 {
		t.Fatalf("Claim = %+v, %v", first, err)
	}
	store.wantCalls(t, "Claim")

	login.Instance = "s2"
	if _, err := r.Claim(t.Context(), login); err != nil {
		t.Fatalf("the same device at another server: %v", err)
	}
	store.wantCalls(t, "Claim")

	login.Device = "tablet"
	if _, err := r.Claim(t.Context(), login); err != nil { // s2 does not hold the session
		t.Fatalf("another device: %v", err)
	}
	store.wantCalls(t, "Claim", "Claim")

	login.Generation = 2
	_, err = r.Claim(t.Context(), login)
	wantErr(t, err, route.ErrReplacedSecret)
	store.wantCalls(t, "Claim")
}

func TestReserveIsOneCallOfTheStore(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	r, store := c.fresh(nil)
	for name, want := range map[string]error{"ls": route.ErrNameMismatch, "zs": nil} {
		_, err := r.Reserve(t.Context(), id, name)
		wantErr(t, err, want)
		store.wantCalls(t, "Claim")
	}
	_, err := r.Reserve(t.Context(), 12345, "zs")
	wantErr(t, err, route.ErrUnknownUser)
	store.wantCalls(t, "Claim")
}

func TestStoredMessageIsOneAppendAndOnePush(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.connect(id, "s1", "phone")
	counted := &pushCounter{fakePeer: c.peers["s1"]}
	r, store := c.fresh(peersFunc(func(route.Server) (route.Peer, bool) { return counted, true }))
	for i := range 2 {
		o := r.Deliver(t.Context(), []route.Send{{From: 7, To: id, QoS: route.AtLeastOnce, Body: body(t, "hi")}})[0]
		if o.Err != nil || !o.Stored || o.Reached != 1 {
			t.Fatalf("message %d: %+v", i, o)
		}
		store.wantCalls(t, "Append")
	}
	if counted.calls != 2 {
		t.Errorf("%d pushes for 2 messages", counted.calls)
	}
	if !store.entries[0].MustExist || store.entries[1].MustExist {
		t.Error("the receiver has to be looked for once, and is known then")
	}

	batch := slices.Repeat([]route.Send{{From: 7, To: id, QoS: route.AtLeastOnce, Body: body(t, "hi")}}, 10)
	r.Deliver(t.Context(), batch)
	store.wantCalls(t, "Append")
	if counted.calls != 3 {
		t.Errorf("%d pushes after a batch, want one more than 2", counted.calls)
	}
}

func TestStrangersCostOneCall(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	r, store := c.fresh(nil)
	for range 2 { // nobody is remembered as a stranger: an account may come
		o := r.Deliver(t.Context(), []route.Send{{From: 7, To: 12345, QoS: route.AtLeastOnce, Body: body(t, "hi")}})[0]
		wantErr(t, o.Err, route.ErrUnknownUser)
		store.wantCalls(t, "Append")
	}
	o := r.Deliver(t.Context(), []route.Send{{From: 7, To: 12345, Body: body(t, "hi")}})[0]
	wantErr(t, o.Err, route.ErrUnknownUser)
	store.wantCalls(t, "ByID")
	if len(c.peers["s1"].pushed) != 0 {
		t.Errorf("pushed %+v", c.peers["s1"].pushed)
	}
}

func TestUnstoredMessageLooksForItsReceiver(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.connect(id, "s1", "phone")
	r, store := c.fresh(nil)
	for _, want := range [][]string{{"ByID", "Lookup"}, {"Lookup"}} {
		if o := r.Deliver(t.Context(), []route.Send{{From: 7, To: id, Body: body(t, "hi")}})[0]; o.Reached != 1 {
			t.Fatalf("outcome %+v", o)
		}
		store.wantCalls(t, want...)
	}
}

func TestRenewIsOneCall(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	a, b := c.user("a"), c.user("b")
	old, now := c.connect(a, "s1", "phone"), c.connect(b, "s1", "phone")
	c.connect(a, "s2", "phone")
	r, store := c.fresh(nil)
	got := r.Renew(t.Context(), []route.Renewal{
		{User: a, Epoch: old.Epoch, Instance: "s1", Device: "phone"},
		{User: b, Epoch: now.Epoch, Instance: "s1", Device: "phone"},
	})
	if len(got) != 2 || got[0].State != route.RenewLost || got[1].State != route.RenewKept || got[1].Inbox != now.Inbox {
		t.Errorf("Renew = %+v", got)
	}
	store.wantCalls(t, "Renew")
}
