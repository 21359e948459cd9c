package redisstore

import (
	"context"
	"net"
	"sync"
	"testing"

	"cim/internal/redistest"
	"cim/route"
)

// turns counts how often something was written after something was read, on all connections: round trips.
type turns struct {
	mu    sync.Mutex
	count int // guarded by mu
}

func (c *turns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &countedConn{Conn: conn, turns: c}, err
}

type countedConn struct {
	net.Conn
	turns   *turns
	writing bool // guarded by turns.mu
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.turns.mu.Lock()
	if !c.writing {
		c.writing = true
		c.turns.count++
	}
	c.turns.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	c.writing = false
	return n, err
}

func (c *turns) of(f func()) int {
	c.mu.Lock()
	c.count = 0
	c.mu.Unlock()
	f()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

func TestRoundTrips(t *testing.T) {
	server := redistest.Start(t)
	counted := &turns{}
	s := open(t, urlOf(server), func(c *Config) { c.dial = counted.dial })
	a, _, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]route.Entry, 300)
	for i := range batch {
		batch[i] = entry(int64(i%100+1), uint64(i+1))
	}
	fail := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, tc := range []struct {
		name string
		run  func()
		want int
	}{
		{"claim with its account and cursor", func() {
			_, err := s.Claim(t.Context(), route.ClaimRequest{
				User: a.ID, Device: "d", Instance: "i", Check: &route.AccountCheck{Name: "alice"}, Cursor: route.Cursor{LogEpoch: 1, Seq: 1},
			})
			fail(err)
		}, 1},
		{"append of one, with its account", func() {
			e := entry(a.ID, 1)
			e.MustExist = true
			fail(s.Append(t.Context(), []route.Entry{e})[0].Err)
		}, 1},
		{"append of 300 to 100 receivers", func() {
			for _, got := range s.Append(t.Context(), batch) {
				fail(got.Err)
			}
		}, 1},
		{"acknowledgements of 100", func() {
			acks := make([]route.Ack, 100)
			for i := range acks {
				acks[i].User = int64(i + 1)
			}
			fail(s.Ack(t.Context(), acks))
		}, 1},
		{"renewal of 100", func() {
			for _, got := range s.Renew(t.Context(), make([]route.Renewal, 100)) {
				fail(got.Err)
			}
		}, 1},
		{"lookup of 100", func() { _, err := s.Lookup(t.Context(), make([]int64, 100)); fail(err) }, 1},
		{"release", func() { fail(s.Release(t.Context(), a.ID, 1)) }, 1},
		{"read", func() { _, err := s.Read(t.Context(), a.ID, route.Cursor{}, 100, 1000); fail(err) }, 1},
		{"create of a name that exists", func() { _, _, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{}); fail(err) }, 2},
		{"create", func() { _, _, err := s.Create(t.Context(), "bob", route.User, route.SecretHash{}); fail(err) }, 3},
	} {
		tc.run() // loads the functions; a second account is not made twice, hence the name below
		if tc.name == "create" {
			tc.run = func() { _, _, err := s.Create(t.Context(), "carol", route.User, route.SecretHash{}); fail(err) }
		}
		if got := counted.of(tc.run); got != tc.want {
			t.Errorf("%s: %d round trips, want %d", tc.name, got, tc.want)
		}
	}
}

// TestRoundTripWithReplicas: WAIT travels in the same pipeline.
func TestRoundTripWithReplicas(t *testing.T) {
	c := redistest.StartSentinel(t)
	counted := &turns{}
	s := open(t, urlOf(c.Master), waitFor(1), func(c *Config) { c.dial = counted.dial })
	appendOne(t, s, entry(1, 1))
	got := counted.of(func() {
		for _, a := range s.Append(t.Context(), []route.Entry{entry(1, 2), entry(2, 3), entry(3, 4)}) {
			if a.Err != nil {
				t.Error(a.Err)
			}
		}
	})
	if got != 1 {
		t.Errorf("%d round trips, want 1", got)
	}
	c.Replica.Pause(t)
	defer c.Replica.Resume(t)
	hasty := open(t, urlOf(c.Master), waitFor(1), func(cfg *Config) {
		cfg.Prefix, cfg.WaitTimeout = s.cfg.Prefix, 1_000_000
	})
	for range 2 { // a duplicate is not confirmed by what other connections wrote
		if got := hasty.Append(t.Context(), []route.Entry{entry(1, 5)})[0]; got.Err == nil {
			t.Fatalf("a message was acknowledged without its replica: %+v", got)
		}
	}
}
