package peer

import (
	"context"
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

// TestPartOfACallFails: what failed is answered unknown, not lost from the answer.
func TestPartOfACallFails(t *testing.T) {
	c := newCluster(t, nil, "a")
	pushes := []route.Push{stored(1, 1), {User: 2, Body: make([]byte, MaxBatchBytes)}, stored(3, 1)}
	got, err := c.peer("a").Push(t.Context(), pushes)
	if err != nil || !slices.Equal(got, []route.PushResult{route.PushWritten, route.PushUnknown, route.PushWritten}) {
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
