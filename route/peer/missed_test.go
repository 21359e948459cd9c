package peer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

// caught is who was told to read on, in order of their ids.
func (s *fakeServer) caught() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.caughtUp))
}

// TestMissedMessagesAreCaughtUp: a server that was away is told whose stored messages it was not pushed.
func TestMissedMessagesAreCaughtUp(t *testing.T) {
	for name, shards := range map[string]int{"one lane": 1, "two lanes": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, func(cfg *Config) { cfg.Shards = shards }, "a")
				c.pushOne("a", stored(1, 1))
				c.net.setDeaf(c.address("a"), true)
				p := c.peer("a")
				for user := range int64(8) { // the first is under way, the others meet a server that is down
					if _, err := p.Push(t.Context(), []route.Push{stored(user+1, 2), once(user + 100)}); err == nil {
						t.Fatal("a push to a deaf server succeeded")
					}
				}
				if got := c.servers["a"].caught(); len(got) != 0 {
					t.Fatalf("asked already: %v", got)
				}
				c.net.setDeaf(c.address("a"), false)
				after(6 * time.Second)
				synctest.Wait()
				if got := c.servers["a"].caught(); !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6, 7, 8}) {
					t.Errorf("told to read on: %v, want the receivers of what is stored, once each", got)
				}
				after(time.Minute)
				if got := c.servers["a"].caught(); len(got) != 8 {
					t.Errorf("told again: %v", got)
				}
			})
		})
	}
}

// TestLateMessageIsCaughtUp: a server that is slow, and not down, is told soon.
func TestLateMessageIsCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		var calls later
		calls.push(c.peer("a"), once(1))
		big := make([]byte, 60<<10)
		for range 20 { // more than the second batch holds
			calls.push(c.peer("a"), route.Push{User: 2, Body: big})
		}
		calls.push(c.peer("a"), stored(3, 1))
		for range 2 {
			after(600 * time.Millisecond)
			gate <- struct{}{}
			synctest.Wait()
		}
		close(gate)
		calls.wait()
		synctest.Wait()
		if got := c.servers["a"].caught(); !slices.Equal(got, []int64{3}) {
			t.Errorf("told to read on: %v, want the one whose message was late", got)
		}
		if s := c.Stats(); s.Queued != 0 || s.Down != 0 {
			t.Errorf("stats %+v, want nothing left and nobody down", s)
		}
	})
}

// TestStoredMessageOutlivesItsCaller, and so does the end of a session: who does not wait for a slow server has taken nothing back.
func TestStoredMessageOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		gate := make(chan struct{})
		c.servers["a"].gateCh = gate
		var calls later
		calls.push(c.peer("a"), once(1))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		p := c.peer("a")
		for name, call := range map[string]func() error{
			"stored":   func() error { _, err := p.Push(ctx, []route.Push{stored(2, 1)}); return err },
			"everyone": func() error { _, err := p.Broadcast(ctx, route.Broadcast{Body: []byte("x")}); return err },
			"kick":     func() error { _, err := p.Kick(ctx, 4, 7, route.KickReplaced); return err },
			"holds":    func() error { _, err := p.Holds(ctx, 4, 7); return err },
			"once":     func() error { _, err := p.Push(ctx, []route.Push{once(3)}); return err },
		} {
			calls.run(func() error {
				if err := call(); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, want the caller's deadline", name, err)
				}
				return nil
			})
		}
		<-ctx.Done()
		c.servers["a"].set(func(s *fakeServer) { s.gateCh = nil })
		close(gate)
		calls.wait()
		synctest.Wait()
		var users []int64
		for _, p := range c.servers["a"].seen() {
			users = append(users, p.User)
		}
		if !slices.Equal(users, []int64{1, 2}) || len(c.servers["a"].broadcasts) != 1 {
			t.Errorf("pushed to %v, %d messages to everyone; want what is stored, and what everyone gets", users, len(c.servers["a"].broadcasts))
		}
		if n := len(c.servers["a"].kicks); n != 1 {
			t.Errorf("%d sessions were ended, want the one that was asked for", n)
		}
	})
}

// kicked are the sessions that were to be ended, in order of their users and epochs.
func (s *fakeServer) kicked() []kick {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(slices.Values(s.ended), func(a, b kick) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.epoch, b.epoch))
	})
}

// TestMissedKicksAreRepeated: a server that was away is told of the sessions that were to end there, each once.
func TestMissedKicksAreRepeated(t *testing.T) {
	for name, shards := range map[string]int{"one lane": 1, "two lanes": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, func(cfg *Config) { cfg.Shards = shards }, "a")
				c.pushOne("a", stored(1, 1))
				c.net.setDeaf(c.address("a"), true)
				p := c.peer("a")
				for _, k := range []kick{ // the first is under way, the others meet a server that is down
					{1, 7, route.KickReplaced},
					{2, 7, route.KickDisabled},
					{3, 7, route.KickLoggedOut},
					{4, 7, route.KickReplaced},
					{4, 9, route.KickDisabled},
					{5, 9, route.KickLoggedOut},
					{5, 7, route.KickReplaced},
				} {
					if _, err := p.Kick(t.Context(), k.user, k.epoch, k.why); !errors.Is(err, ErrUnanswered) {
						t.Fatalf("a deaf server: %v", err)
					}
				}
				c.net.setDeaf(c.address("a"), false)
				after(time.Minute)
				want := []kick{
					{1, 7, route.KickReplaced},
					{2, 7, route.KickDisabled},
					{3, 7, route.KickLoggedOut},
					{4, 7, route.KickReplaced},
					{4, 9, route.KickDisabled},
					{5, 7, route.KickReplaced},
					{5, 9, route.KickLoggedOut},
				}
				if got := c.servers["a"].kicked(); !slices.Equal(got, want) {
					t.Errorf("told to end %v, want %v", got, want)
				}
			})
		})
	}
}

// TestKickOfACallerWhoLeftIsRepeated: it was waiting for its turn when the server failed, and nobody waits for it any more.
func TestKickOfACallerWhoLeftIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		c.net.setDeaf(c.address("a"), true)
		var calls later
		calls.push(c.peer("a"), once(1))
		synctest.Wait() // it is under way
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.peer("a").Kick(ctx, 4, 7, route.KickReplaced); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller was told %v", err)
		}
		calls.wait()
		c.net.setDeaf(c.address("a"), false)
		after(time.Minute)
		if got := c.servers["a"].kicked(); !slices.Equal(got, []kick{{4, 7, route.KickReplaced}}) {
			t.Errorf("told to end %v", got)
		}
		if s := c.Stats(); s.Queued != 0 || s.Down != 0 {
			t.Errorf("stats %+v, want nothing left and nobody down", s)
		}
	})
}

// TestMissedKicksEndWithTheirServer: a server that has left is told nothing, and nothing is kept for it.
func TestMissedKicksEndWithTheirServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		address := c.address("a")
		c.net.setDeaf(address, true)
		if _, err := c.peer("a").Kick(t.Context(), 4, 7, route.KickReplaced); !errors.Is(err, ErrUnanswered) {
			t.Fatal(err)
		}
		c.leave["a"]()
		after(30 * time.Second)
		c.net.setDeaf(address, false)
		after(time.Minute)
		if got := c.servers["a"].kicked(); len(got) != 0 || c.Stats().Servers != 0 {
			t.Errorf("told to end %v; %d servers are known", got, c.Stats().Servers)
		}
	})
}

// TestMissedAreBounded, and a batch takes no more than it has room for. Sessions to end go first.
func TestMissedAreBounded(t *testing.T) {
	var m missed
	left := 0
	for user := range int64(maxMissed + 100) {
		left += m.add([]kick{{user, 7, route.KickReplaced}}, []int64{user})
	}
	if left += m.add([]kick{{0, 8, route.KickDisabled}}, nil); left != 101 { // another session of that user
		t.Errorf("%d sessions to end found no room, want 101", left)
	}
	kicked, seen := map[kick]bool{}, map[int64]bool{}
	for m.any() {
		kicks, users := m.take(1000)
		if n := len(kicks) + len(users); n == 0 || n > 1000 || len(users) > 0 && len(kicked)+len(kicks) < maxMissed {
			t.Fatalf("%d sessions and %d users at once, after %d sessions", len(kicks), len(users), len(kicked))
		}
		for _, k := range kicks {
			kicked[k] = true
		}
		for _, u := range users {
			seen[u] = true
		}
	}
	if len(seen) != maxMissed || len(kicked) != maxMissed {
		t.Errorf("%d users and %d sessions were kept, want %d of each", len(seen), len(kicked), maxMissed)
	}
}
