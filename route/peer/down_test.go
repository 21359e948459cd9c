package peer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

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
