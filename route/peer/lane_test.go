package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

// after lets the bubble's clock go on.
func after(d time.Duration) { <-time.After(d) }

// later runs calls at the same time and gives their errors when they have all ended.
type later struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (l *later) run(call func() error) {
	l.wg.Go(func() {
		err := call()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs = append(l.errs, err)
	})
	synctest.Wait() // so that calls queue up in the order of the test
}

func (l *later) wait() []error {
	l.wg.Wait()
	return l.errs
}

func (l *later) push(p route.Peer, pushes ...route.Push) {
	l.run(func() error {
		_, err := p.Push(context.Background(), pushes)
		return err
	})
}

// TestWhatWaitsIsTheNextBatch: one batch of a lane is under way; all that comes meanwhile goes together, in order.
func TestWhatWaitsIsTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		var calls later
		for seq := range uint64(20) {
			calls.push(c.peer("a"), stored(42, seq+1))
		}
		c.servers["a"].set(func(s *fakeServer) { s.gateCh = nil })
		close(gate)
		for _, err := range calls.wait() {
			if err != nil {
				t.Error(err)
			}
		}
		if got := c.servers["a"].calls; !slices.Equal(got, []int{1, 19}) {
			t.Errorf("batches of %v, want one message and then the rest", got)
		}
		for i, p := range c.servers["a"].seen() {
			if p.Seq != uint64(i+1) {
				t.Fatalf("seq %d arrived at place %d", p.Seq, i+1)
			}
		}
	})
}

// TestQuestionsDoNotWaitForMessages that are before them in the queue; only for what is under way.
func TestQuestionsDoNotWaitForMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh, c.servers["a"].holds[42] = gate, 7
		var calls later
		calls.push(c.peer("a"), once(1))
		for i := range int64(30) { // three batches
			pushes := make([]route.Push, 15)
			for k := range pushes {
				pushes[k] = route.Push{User: i, Body: make([]byte, 16<<10)}
			}
			calls.push(c.peer("a"), pushes...)
			if c.Stats().Queued > queuedPushes/2 {
				break
			}
		}
		asked := false
		calls.run(func() error {
			holds, err := c.peer("a").Holds(context.Background(), 42, 7)
			asked = holds
			return err
		})
		gate <- struct{}{} // ends the first batch
		synctest.Wait()
		if asked {
			t.Fatal("answered before the batch that it is in")
		}
		gate <- struct{}{}
		synctest.Wait()
		if !asked {
			t.Fatal("the question was not in the second batch")
		}
		if c.Stats().Queued == 0 {
			t.Fatal("no message waits any more: the test shows nothing")
		}
		close(gate)
		calls.wait()
	})
}

// TestQuestionsLeaveMessagesTheirHalf of a batch.
func TestQuestionsLeaveMessagesTheirHalf(t *testing.T) {
	ctx := t.Context()
	tg := &target{client: &Client{cfg: Config{Timeout: time.Minute, Instance: "asker"}}, instance: "a"}
	l := &lane{t: tg}
	for range 2 * maxBatchItems {
		l.asks.items = append(l.asks.items, newItem(ctx, addNothing, itemBytes, 1))
		l.messages.items = append(l.messages.items, newItem(ctx, addNothing, itemBytes, 1))
	}
	for len(l.messages.items) > 0 {
		left := len(l.messages.items)
		if n := len(l.next().items); n != maxBatchItems {
			t.Fatalf("a batch of %d, want %d", n, maxBatchItems)
		}
		if took := left - len(l.messages.items); took != maxBatchItems/2 {
			t.Fatalf("%d messages in it, want half", took)
		}
	}
}

// TestHungServer: 1 s for those who asked, nothing for 5 s for anybody, and again when it is back.
func TestHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a", "b")
		c.pushOne("a", once(1))
		c.net.setDeaf(c.address("a"), true)
		p := c.peer("a")
		var err error
		ask := func() { _, err = p.Holds(t.Context(), 42, 7) }
		if d := took(ask); d != time.Second {
			t.Errorf("the first caller waited %v, want 1s", d)
		}
		wantErr(t, err, ErrUnanswered)
		if s := c.Stats(); s.Down != 1 || s.Servers != 1 {
			t.Errorf("stats %+v, want one server, down", s)
		}
		before := c.Stats().Requests
		for range 100 {
			if d := took(ask); d != 0 {
				t.Fatalf("a later caller waited %v, want none", d)
			}
			wantErr(t, err, ErrUnanswered)
		}
		if d := took(func() { c.pushOne("b", once(1)) }); d != 0 {
			t.Errorf("another server's push waited %v", d)
		}
		if n := c.Stats().Requests - before; n != 1 {
			t.Errorf("%d requests while it is down, want the one to the other server", n)
		}
		c.net.setDeaf(c.address("a"), false)
		after(4900 * time.Millisecond)
		if took(ask); err == nil {
			t.Error("asked again before 5 s were over")
		}
		after(200 * time.Millisecond)
		synctest.Wait()
		if took(ask); err != nil {
			t.Errorf("5 s later, when the server is back: %v", err)
		}
	})
}

// TestNobodyWaitsForAServerThatStaysAway: probes find out, not callers.
func TestNobodyWaitsForAServerThatStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		c.net.setDeaf(c.address("a"), true)
		p := c.peer("a")
		_, err := p.Holds(t.Context(), 42, 7)
		wantErr(t, err, ErrUnanswered)
		for range 600 {
			after(100 * time.Millisecond)
			if d := took(func() { _, err = p.Holds(t.Context(), 42, 7) }); d != 0 || err == nil {
				t.Fatalf("a caller waited %v: %v", d, err)
			}
		}
		// 60 s, a probe each 5 s and a second of waiting for it.
		if n := c.Stats().Requests; n < 10 || n > 12 {
			t.Errorf("%d requests in a minute, want one each 6 s", n)
		}
	})
}

// TestDeadServerDelaysNobody: nobody listens there any more.
func TestDeadServerDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a", "b")
		c.net.listen(c.address("a"), nil)
		_, err := c.peer("a").Push(t.Context(), []route.Push{stored(1, 1)})
		wantErr(t, err, errNoRoute)
		wantErr(t, err, ErrUnanswered)
		c.pushOne("b", stored(1, 1))
	})
}

// TestSlowServerFillsItsOwnQueueOnly, and the queue is bounded.
func TestSlowServerFillsItsOwnQueueOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a", "b")
		gate := make(chan struct{})
		c.servers["a"].gateCh, c.servers["a"].holds[42] = gate, 7
		var calls later
		calls.push(c.peer("a"), once(1))
		big := make([]byte, 60<<10)
		for range 200 {
			calls.push(c.peer("a"), route.Push{User: 1, Body: big})
		}
		s := c.Stats()
		if s.Overloaded == 0 || s.Queued > queuedPushes+MaxBatchBytes {
			t.Errorf("stats %+v: 12 MB were queued", s)
		}
		_, err := c.peer("a").Push(t.Context(), []route.Push{{User: 2, Body: big}})
		wantErr(t, err, route.ErrOverloaded)
		_, err = c.peer("a").Broadcast(t.Context(), route.Broadcast{Body: big})
		wantErr(t, err, route.ErrOverloaded)
		c.pushOne("b", route.Push{User: 1, Body: big})
		var holds bool
		calls.run(func() (err error) {
			holds, err = c.peer("a").Holds(context.Background(), 42, 7)
			return err
		})
		c.servers["a"].set(func(s *fakeServer) { s.gateCh = nil })
		close(gate)
		calls.wait()
		if !holds {
			t.Error("a full queue of messages kept a question out")
		}
		if q := c.Stats().Queued; q != 0 {
			t.Errorf("%d bytes count as queued when nothing is", q)
		}
	})
}

func TestQueueOfAllServersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.QueueBytes = 100 << 10 }, "a", "b")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		var calls later
		calls.push(c.peer("a"), route.Push{User: 1, Body: make([]byte, 60<<10)})
		_, err := c.peer("b").Push(t.Context(), []route.Push{{User: 1, Body: make([]byte, 60<<10)}})
		wantErr(t, err, route.ErrOverloaded)
		close(gate)
		calls.wait()
		c.pushOne("b", route.Push{User: 1, Body: make([]byte, 60<<10)})
	})
}

// TestPartOfACallFails: what failed is answered slow, not lost from the answer.
func TestPartOfACallFails(t *testing.T) {
	c := newCluster(t, nil, "a")
	pushes := []route.Push{stored(1, 1), {User: 2, Body: make([]byte, MaxBatchBytes)}, stored(3, 1)}
	got, err := c.peer("a").Push(t.Context(), pushes)
	if err != nil || !slices.Equal(got, []route.PushResult{route.PushWritten, route.PushSlow, route.PushWritten}) {
		t.Fatalf("%v, %v", got, err)
	}
	_, err = c.peer("a").Push(t.Context(), pushes[1:2])
	wantErr(t, err, ErrTooLarge)
	_, err = c.peer("a").Broadcast(t.Context(), route.Broadcast{Body: make([]byte, MaxBatchBytes)})
	wantErr(t, err, ErrTooLarge)
}

// TestLargestBatchPasses: what the client takes, the server takes.
func TestLargestBatchPasses(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].online = []int64{1}
	body := make([]byte, MaxBatchBytes-2*itemBytes-len("asker")-len("a"))
	if n, err := c.peer("a").Broadcast(t.Context(), route.Broadcast{Body: body, Except: route.MaxID, PeopleOnly: true}); err != nil || n != 1 {
		t.Fatalf("reached %d, %v", n, err)
	}
}

// TestLateMessagesAreNotSent: one that has waited for over a second has failed for its caller's purposes.
func TestLateMessagesAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1; cfg.Timeout = 3 * time.Second }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var calls later
		calls.push(c.peer("a"), once(1))
		calls.run(func() error {
			_, err := c.peer("a").Push(ctx, []route.Push{once(2)})
			return err
		})
		calls.push(c.peer("a"), once(3))
		<-ctx.Done()
		close(gate)
		errs := calls.wait()
		if !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }) {
			t.Errorf("errors %v", errs)
		}
		synctest.Wait()
		for _, p := range c.servers["a"].seen() {
			if p.User == 2 {
				t.Error("a message was sent whose caller had given up")
			}
		}
		if q := c.Stats().Queued; q != 0 {
			t.Errorf("%d bytes are left", q)
		}
	})
}

// TestSlowServerThatAnswers is not down, but what has waited for its turn for over a second is not sent any more.
func TestSlowServerThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		var calls later
		calls.push(c.peer("a"), once(1))
		for range 20 { // more than the second batch holds
			calls.push(c.peer("a"), route.Push{User: 2, Body: make([]byte, 60<<10)})
		}
		calls.push(c.peer("a"), once(3))
		for range 2 {
			after(600 * time.Millisecond)
			gate <- struct{}{}
			synctest.Wait()
		}
		late := 0
		for _, err := range calls.wait() {
			if errors.Is(err, ErrUnanswered) {
				late++
			}
		}
		if seen := len(c.servers["a"].seen()); late == 0 || late+seen != 22 {
			t.Errorf("%d messages were sent and %d not, of 22", seen, late)
		}
		for _, p := range c.servers["a"].seen() {
			if p.User == 3 {
				t.Error("the last message was sent after 1.2 s")
			}
		}
		if s := c.Stats(); s.Down != 0 || s.Requests != 2 || s.Queued != 0 {
			t.Errorf("stats %+v, want two requests and nothing left", s)
		}
	})
}

func TestKeptConnection(t *testing.T) {
	for name, c := range map[string]struct {
		call     func(*cluster) error
		want     error
		requests uint64 // that arrive after the cut
	}{
		"a message that is not stored is not repeated": {func(c *cluster) error {
			_, err := c.peer("a").Push(c.t.Context(), []route.Push{once(1)})
			return err
		}, errStale, 0},
		"nor is one to everyone": {func(c *cluster) error {
			_, err := c.peer("a").Broadcast(c.t.Context(), route.Broadcast{Body: []byte("x")})
			return err
		}, errStale, 0},
		"a stored one is": {func(c *cluster) error {
			_, err := c.peer("a").Push(c.t.Context(), []route.Push{stored(1, 2)})
			return err
		}, nil, 1},
		"a question is": {func(c *cluster) error {
			_, err := c.peer("a").Holds(c.t.Context(), 1, 2)
			return err
		}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
				n.pushOne("a", once(1))
				n.net.cut(n.address("a"))
				synctest.Wait()
				before := n.requests("a")
				if err := c.call(n); c.want == nil && err != nil {
					t.Error(err)
				} else {
					wantErr(t, err, c.want)
				}
				if got := n.requests("a") - before; got != c.requests {
					t.Errorf("%d requests arrived, want %d", got, c.requests)
				}
				if n.Stats().Down != 0 {
					t.Error("the server counts as down")
				}
				n.pushOne("a", once(1))
			})
		})
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		for user := range int64(10) {
			c.pushOne("a", once(user))
		}
		if n := c.net.dials.Load(); n != 2 {
			t.Fatalf("%d connections for two shards", n)
		}
		after(9 * time.Second)
		synctest.Wait()
		if n := c.net.open.Load(); n != 2 {
			t.Fatalf("%d connections are open after 9 s", n)
		}
		after(2 * time.Second)
		synctest.Wait()
		if n := c.net.open.Load(); n != 0 {
			t.Fatalf("%d connections are open after 11 s", n)
		}
		c.pushOne("a", once(1))
	})
}

// TestServersThatLeftAreForgotten with their connections and what waits for them.
func TestServersThatLeftAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Idle = time.Hour }, "a", "b")
		c.pushOne("a", once(1))
		c.pushOne("b", once(1))
		p := c.peer("a")
		c.leave["a"]()
		after(15 * time.Second)
		synctest.Wait()
		if s := c.Stats(); s.Servers != 2 {
			t.Fatalf("%d servers are known after the first look, want both", s.Servers)
		}
		after(10 * time.Second)
		synctest.Wait()
		if s, open := c.Stats(), c.net.open.Load(); s.Servers != 1 || open != 1 {
			t.Fatalf("%d servers are known and %d connections open, want those of the one that stayed", s.Servers, open)
		}
		_, err := p.Holds(t.Context(), 1, 2)
		wantErr(t, err, ErrClosed)
		if _, ok := c.Load("a"); ok {
			t.Error("its load is still known")
		}
		c.pushOne("b", once(1))
	})
}

func TestServerThatIsMissingAtOneLookIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		c.pushOne("a", once(1))
		s, _ := c.registry.Server("a")
		for range 5 {
			c.leave["a"]()
			after(11 * time.Second)
			c.leave["a"], _ = c.registry.Join(t.Context(), s)
			after(11 * time.Second)
		}
		synctest.Wait()
		if _, ok := c.Load("a"); !ok {
			t.Error("the server was forgotten though it was listed at every second look")
		}
	})
}

func TestServerAtANewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		c.pushOne("a", once(1))
		s, _ := c.registry.Server("a")
		old := s.PeerAddr()
		s.PeerHost = "10.9.9.9"
		c.net.listen(s.PeerAddr(), c.ingress["a"].Handle)
		c.net.listen(old, nil)
		c.leave["a"], _ = c.registry.Join(t.Context(), s)
		c.pushOne("a", once(2))
		synctest.Wait()
		if n := c.net.open.Load(); n != 1 || c.Stats().Servers != 1 {
			t.Errorf("%d connections, %d servers, want one of each", n, c.Stats().Servers)
		}
	})
}

func TestKeepLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.KeepLoads = true }, "a", "b")
		c.servers["b"].set(func(s *fakeServer) { s.load = route.Load{Conns: 17} })
		after(10*time.Second + time.Millisecond)
		synctest.Wait()
		if l, ok := c.Load("b"); !ok || l.Conns != 17 {
			t.Fatalf("load %+v, %v though nobody asked it anything", l, ok)
		}
		after(time.Minute)
		synctest.Wait()
		if n := c.requests("a"); n != 7 {
			t.Errorf("%d requests in 70 s, want one at each look", n)
		}
	})
}

func TestCloseFailsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		c.net.setDeaf(c.address("a"), true)
		p := c.peer("a")
		var calls later
		for range 5 {
			calls.push(p, once(1))
		}
		if d := took(c.Close); d != 0 {
			t.Errorf("Close took %v", d)
		}
		errs := calls.wait()
		if len(errs) != 5 {
			t.Fatalf("%d calls ended", len(errs))
		}
		for _, err := range errs {
			if err == nil {
				t.Error("a call succeeded")
			}
		}
		_, err := p.Holds(t.Context(), 1, 2)
		wantErr(t, err, ErrClosed)
		s, _ := c.registry.Server("a")
		if _, ok := c.Peer(s); ok {
			t.Error("a peer after Close")
		}
		if q := c.Stats().Queued; q != 0 {
			t.Errorf("%d bytes are left", q)
		}
	})
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{Instance: "a", Secrets: secrets(t, testSecret), Servers: newCluster(t, nil).registry}
	}
	for name, spoil := range map[string]func(*Config){
		"no instance":    func(c *Config) { c.Instance = "" },
		"no secrets":     func(c *Config) { c.Secrets = nil },
		"no servers":     func(c *Config) { c.Servers = nil },
		"negative time":  func(c *Config) { c.FailFast = -1 },
		"negative count": func(c *Config) { c.Shards = -1 },
		"negative queue": func(c *Config) { c.QueueBytes = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			spoil(&cfg)
			_, err := New(cfg)
			wantErr(t, err, ErrConfig)
		})
	}
	cfg := good()
	if err := cfg.complete(); err != nil || cfg.Timeout != time.Second || cfg.FailFast != 5*time.Second || cfg.Idle != 10*time.Second {
		t.Fatalf("%v, defaults %+v", err, fmt.Sprint(cfg.Timeout, cfg.FailFast, cfg.Idle))
	}
}
