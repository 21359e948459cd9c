package peer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"

	"cim/route"
	"cim/route/embedded"
)

// newRouter makes a Router whose servers are reached through the cluster's client.
func newRouter(t *testing.T, c *cluster) (*route.Router, *embedded.Store) {
	t.Helper()
	store, err := embedded.Open(embedded.Config{Dir: embedded.Memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r, err := route.New(route.Config{
		Accounts: store, Directory: store, Inbox: store, Registry: c.registry, Peers: c, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, store
}

// connect gives a new user a session at an instance.
func (c *cluster) connect(r *route.Router, name, instance string) int64 {
	c.t.Helper()
	a, _, err := r.Register(context.Background(), name, route.User, route.SecretHash{})
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := r.Claim(context.Background(), route.Login{User: a.ID, Device: "d", Instance: instance})
	if err != nil {
		c.t.Fatal(err)
	}
	c.servers[instance].set(func(f *fakeServer) {
		f.holds[a.ID] = s.Epoch
		f.online = append(f.online, a.ID)
	})
	return a.ID
}

// asked is the number of requests that each server has got since the last call of it.
func (c *cluster) asked(last map[string]uint64) map[string]uint64 {
	since := map[string]uint64{}
	for instance := range c.ingress {
		n := c.requests(instance)
		if n != last[instance] {
			since[instance] = n - last[instance]
		}
		last[instance] = n
	}
	return since
}

// TestWhatAMessageCosts, counted where the requests arrive: one for a private message, one per server for a
// message to everyone.
func TestWhatAMessageCosts(t *testing.T) {
	c := newCluster(t, nil, "a", "b", "c")
	r, _ := newRouter(t, c)
	alice, bob := c.connect(r, "alice", "a"), c.connect(r, "bob", "b")
	body, err := route.EncodeBody(route.Message{From: alice, FromName: "alice", Text: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]uint64{}
	c.asked(last)
	for _, s := range []struct {
		name string
		send route.Send
		want map[string]uint64
	}{
		{"a stored message", route.Send{From: alice, To: bob, QoS: route.AtLeastOnce, Body: body}, map[string]uint64{"b": 1}},
		{"one that is not stored", route.Send{From: alice, To: bob, Body: body}, map[string]uint64{"b": 1}},
		{"a message to everyone", route.Send{From: alice, Everyone: true, Body: body}, map[string]uint64{"a": 1, "b": 1, "c": 1}},
	} {
		out := r.Deliver(t.Context(), []route.Send{s.send})
		if out[0].Err != nil || out[0].Reached == 0 {
			t.Errorf("%s: %+v", s.name, out[0])
		}
		if got := c.asked(last); fmt.Sprint(got) != fmt.Sprint(s.want) {
			t.Errorf("%s cost the requests %v, want %v", s.name, got, s.want)
		}
	}
	if n := len(c.servers["b"].seen()); n != 2 {
		t.Errorf("%d messages arrived, want 2", n)
	}
}

// TestSecondLoginAsksForProofOverTheNetwork, and a server that is gone cannot give it.
func TestSecondLoginAsksForProofOverTheNetwork(t *testing.T) {
	c := newCluster(t, nil, "a", "b")
	r, _ := newRouter(t, c)
	alice := c.connect(r, "alice", "a")
	second := route.Login{User: alice, Device: "other", Instance: "b"}
	_, err := r.Claim(t.Context(), second)
	wantErr(t, err, route.ErrHeld)
	c.net.listen(c.address("a"), nil)
	c.net.cut(c.address("a"))
	if _, err := r.Claim(t.Context(), second); err != nil {
		t.Fatalf("with a dead server in the way: %v", err)
	}
}

// TestOverTCP has many callers and a fasthttp server on a real port: nothing is lost, doubled or out of order.
func TestOverTCP(t *testing.T) {
	const callers, messages = 20, 200
	server := newFakeServer()
	p, stats := overTCP(t, server)
	var wg sync.WaitGroup
	for user := range int64(callers) {
		wg.Go(func() {
			for seq := range uint64(messages) {
				results, err := p.Push(t.Context(), []route.Push{stored(user, seq+1)})
				if err != nil || results[0] != route.PushWritten {
					t.Errorf("user %d, seq %d: %v, %v", user, seq+1, results, err)
					return
				}
			}
		})
	}
	wg.Wait()
	last := map[int64]uint64{}
	for _, m := range server.seen() {
		if m.Seq != last[m.User]+1 || string(m.Body) != fmt.Sprintf("%d/%d", m.User, m.Seq) {
			t.Fatalf("user %d: seq %d after %d: %q", m.User, m.Seq, last[m.User], m.Body)
		}
		last[m.User] = m.Seq
	}
	for user := range int64(callers) {
		if last[user] != messages {
			t.Errorf("user %d got %d messages, want %d", user, last[user], messages)
		}
	}
	if s := stats(); s.Requests >= callers*messages || s.Pushes != callers*messages {
		t.Errorf("%d requests for %d messages of callers at the same time, want fewer", s.Requests, s.Pushes)
	}
}

// overTCP is a server on a port of this machine.
func overTCP(t testing.TB, server route.Peer) (p route.Peer, stats func() Stats) {
	t.Helper()
	g, err := NewIngress(IngressConfig{Local: server, Instance: "a", Secrets: secrets(t, testSecret)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &fasthttp.Server{Handler: g.Handle, MaxRequestBodySize: MaxBatchBytes}
	var wg sync.WaitGroup
	wg.Go(func() { _ = web.Serve(ln) })
	registry := embedded.NewRegistry()
	at := route.Server{Instance: "a", Host: "127.0.0.1", HTTPPort: ln.Addr().(*net.TCPAddr).Port}
	c, err := New(Config{Instance: "asker", Secrets: secrets(t, testSecret), Servers: registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = web.Shutdown()
		wg.Wait()
	})
	p, _ = c.Peer(at)
	return p, c.Stats
}

// discard is a server that takes everything.
type discard struct{ *fakeServer }

func (discard) Push(_ context.Context, pushes []route.Push) ([]route.PushResult, error) {
	results := make([]route.PushResult, len(pushes))
	for i := range results {
		results[i] = route.PushWritten
	}
	return results, nil
}

// BenchmarkPush is closed loop: each caller waits for its answer before it sends again. An operation is one message;
// callers send them one or 32 at a time, as a server does under load.
func BenchmarkPush(b *testing.B) {
	for _, c := range []struct{ callers, each int }{{1, 1}, {64, 1}, {512, 1}, {8, 32}, {64, 32}} {
		b.Run(fmt.Sprintf("callers=%d/each=%d", c.callers, c.each), func(b *testing.B) {
			p, stats := overTCP(b, discard{newFakeServer()})
			calls := b.N / c.each
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for caller := range c.callers {
				wg.Go(func() { pushMany(b, p, int64(caller), c.each, (calls+caller)/c.callers) })
			}
			wg.Wait()
			b.ReportMetric(float64(stats().Pushes)/float64(max(stats().Requests, 1)), "messages/request")
		})
	}
}

// pushMany makes calls of messages to as many users each.
func pushMany(b *testing.B, p route.Peer, caller int64, each, calls int) {
	pushes := make([]route.Push, each)
	for i := range pushes {
		pushes[i] = route.Push{User: caller*100 + int64(i), Cursor: route.Cursor{LogEpoch: 1_700_000_000_000, Seq: 1000}, Body: make([]byte, 100)}
	}
	for range calls {
		if _, err := p.Push(b.Context(), pushes); err != nil {
			b.Error(err)
			return
		}
	}
}
