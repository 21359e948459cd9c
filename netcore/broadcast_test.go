package netcore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	cimpb "cim/proto"
)

func everyone(text string) Broadcast { return Broadcast{Body: body(text)} }

func broadcast(t testing.TB, s *Server, b Broadcast, reached int) {
	t.Helper()
	if n, err := s.Broadcast(b); err != nil || n != reached {
		t.Errorf("reached %d, %v; want %d", n, err, reached)
	}
}

func TestBroadcastGoesToWhomItIsFor(t *testing.T) {
	s := start(t, newFakeBackend(), allowCIM, func(c *Config) { c.Loops = 2 })
	alice, bob := join(t, s, 1), join(t, s, 2)
	lamp, _ := joinAs(t, s, 3, &cimpb.Hello{Version: 1, Device: thing})
	old := joinCIM(t, s, 4)
	broadcast(t, s, everyone("all"), 4)
	broadcast(t, s, Broadcast{Body: body("people"), PeopleOnly: true}, 3)
	broadcast(t, s, Broadcast{Body: body("not alice"), Except: 1, PeopleOnly: true}, 2)
	broadcast(t, s, Broadcast{Body: body("not a stranger"), Except: 99}, 4)
	alice.expectTexts("all", "people", "not a stranger")
	bob.expectTexts("all", "people", "not alice", "not a stranger")
	lamp.expectTexts("all", "not a stranger")
	old.expectTexts("all", "people", "not alice", "not a stranger")
	for _, c := range []*client{alice, bob, lamp} {
		c.sync()
	}
	_ = s.Stop(t.Context())
	if _, err := s.Broadcast(everyone("late")); !errors.Is(err, ErrStopping) {
		t.Errorf("after Stop: %v", err)
	}
}

func TestBroadcastDoesNotReachThoseWhoComeLater(t *testing.T) {
	s := start(t, newFakeBackend())
	broadcast(t, s, everyone("to nobody"), 0)
	if n := s.Stats().Loops[0].Queued; n != 0 {
		t.Errorf("a loop without connections keeps %d messages", n)
	}
	c := dial(t, s)
	c.send(plainHello(1))
	c.expect(cimpb.Command_WELCOME)
	c.sync()
	broadcast(t, s, everyone("first"), 1)
	c.expectTexts("first")
}

// holdClaims has claims wait until answer is called. It comes before the server's start.
func holdClaims(b *fakeBackend) (answer func()) {
	goCh := make(chan struct{})
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		<-goCh
		return b.grant(c)
	}
	return func() { close(goCh) }
}

// Whoever has sent LOGIN gets what comes meanwhile: a client that moves here has ended its old session by that LOGIN.
func TestBroadcastWaitsForALogin(t *testing.T) {
	for name, tc := range map[string]struct {
		device string
		want   []string
	}{
		"person": {"phone", []string{"all", "people", "after"}},
		"thing":  {thing, []string{"all", "from 1", "after"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBackend()
			answer := holdClaims(b)
			s := start(t, b)
			c := dial(t, s)
			broadcast(t, s, everyone("before"), 0)
			c.send(hello(1, &cimpb.Hello{Version: 1, Device: tc.device}))
			receive(t, b.claimedCh, "the claim")
			broadcast(t, s, everyone("all"), 0)
			broadcast(t, s, Broadcast{Body: body("people"), PeopleOnly: true}, 0)
			if tc.device == thing {
				broadcast(t, s, everyone("from 1"), 0)
			} else {
				broadcast(t, s, Broadcast{Body: body("from 1"), Except: 1}, 0)
			}
			answer()
			c.expect(cimpb.Command_WELCOME)
			eventually(t, "the session", func() bool { return s.Sessions() == 1 })
			broadcast(t, s, everyone("after"), 1)
			c.expectTexts(tc.want...)
			c.sync()
			if n := s.loops[0].counters.awaited.Load(); n != 0 {
				t.Errorf("%d logins are waited for", n)
			}
		})
	}
}

// A login that takes long must not fill the log for those who are there.
func TestBroadcastsWaitForALoginOnlySoLong(t *testing.T) {
	const messages = 2 * awaitedBytes / 1000
	r := newRig(t, newFakeBackend())
	there := r.join(plainHello(1))
	s := r.join(plainHello(2)).session()
	s.state, s.broadcasts = stateClaiming, r.casts.head()
	r.counters.awaited.Add(1)
	for n := range messages {
		(&broadcastTask{Broadcast: everyone(fmt.Sprintf("%0950d", n))}).run(r.loop)
		r.round()
		if got := there.texts(t); len(got) != 1 {
			t.Fatalf("message %d: heard %d", n, len(got))
		}
		if kept := len(r.casts.bytes); kept > awaitedBytes+1000 {
			t.Fatalf("%d bytes are kept", kept)
		}
	}
	s.state = stateOpen
	r.sayMissed(s)
	r.answered(&claimWork{Claim: Claim{Hello: true}})
	r.flushAll()
	got := s.conn.(*stubConn).texts(t)
	if len(got) == 0 || len(got) >= messages {
		t.Fatalf("heard %d of %d", len(got), messages)
	}
	if n := r.counters.dropped[dropBroadcastFull].Load(); n != uint64(messages-len(got)) {
		t.Errorf("%d are counted as dropped, and %d of %d came", n, len(got), messages)
	}
	for i, text := range got {
		if want := fmt.Sprintf("%0950d", messages-len(got)+i); text != want {
			t.Fatalf("place %d holds %s", i, text[940:])
		}
	}
	if len(r.casts.casts) != 0 {
		t.Errorf("%d messages are kept for nobody", len(r.casts.casts))
	}
}

// TestBroadcastsWhileSessionsComeAndGo has the walk meet slots that are freed and used again: those who stay
// get all, once and in order, and those who come get all from some message on.
func TestBroadcastsWhileSessionsComeAndGo(t *testing.T) {
	const messages = 400
	s := start(t, newFakeBackend(), func(c *Config) { c.Loops = 2 })
	var stay []*client
	for n := range int64(10) {
		stay = append(stay, join(t, s, n+1))
	}
	doneCh := make(chan struct{})
	var wg sync.WaitGroup
	for w := range int64(3) {
		wg.Go(func() { comeAndGo(t, s, 100+w, doneCh) })
	}
	for n := range messages {
		if _, err := s.Broadcast(everyone(fmt.Sprint(n))); err != nil {
			t.Error(err)
		}
	}
	for _, c := range stay {
		for n := range messages {
			c.expectTexts(fmt.Sprint(n))
		}
		c.sync()
	}
	close(doneCh)
	wg.Wait()
	if n := s.Stats().Dropped; n["broadcast_slow"]+n["broadcast_full"]+n["door_full"] != 0 {
		t.Errorf("dropped %v", n)
	}
}

// comeAndGo checks that what a session gets has no hole, and leaves after a few messages.
func comeAndGo(t *testing.T, s *Server, user int64, doneCh <-chan struct{}) {
	for {
		select {
		case <-doneCh:
			return
		default:
		}
		c := dial(t, s)
		c.send(plainHello(user))
		if _, err := c.next(); err != nil {
			t.Error(err)
			return
		}
		c.send(stream()[:3]) // a PONG ends the visit when no message does
		for next, got := "", 0; got < 5; got++ {
			f, err := c.next()
			if err != nil || f.GetCmd() == cimpb.Command_PING {
				break
			}
			if next != "" && f.GetText() != next {
				t.Errorf("got %s, want %s", f.GetText(), next)
			}
			var n int
			_, _ = fmt.Sscan(f.GetText(), &n)
			next = fmt.Sprint(n + 1)
		}
		c.conn.Close()
	}
}

func TestManyBroadcastsShareWrites(t *testing.T) {
	r := newRig(t, newFakeBackend())
	peers := []*stubConn{r.join(plainHello(1)), r.join(plainHello(2)), r.join(plainHello(3))}
	before := r.counters.writes.Load()
	for n := range 100 {
		m, reached := everyone(fmt.Sprint(n)), 3
		if n%50 == 0 {
			m.Except, reached = 3, 2
		}
		broadcast(t, r.srv, m, reached)
	}
	for r.round(); len(r.moreCh) > 0; r.round() {
		<-r.moreCh
	}
	for i, c := range peers {
		want := 100
		if i == 2 {
			want = 98
		}
		if got := len(c.texts(t)); got != want {
			t.Errorf("user %d got %d messages, want %d", i+1, got, want)
		}
	}
	if n := r.counters.writes.Load() - before; n != 3 {
		t.Errorf("%d writes for 298 messages to three sessions", n)
	}
	if r.counters.messagesOut.Load() != 298 {
		t.Errorf("%d messages are counted", r.counters.messagesOut.Load())
	}
}

func TestBroadcastLogRefusesWhenFull(t *testing.T) {
	r := newRig(t, newFakeBackend())
	c := r.join(plainHello(1))
	big := strings.Repeat("x", 300<<10)
	for range 6 {
		broadcast(t, r.srv, everyone(big), 1)
	}
	r.round()
	if n := r.counters.dropped[dropBroadcastFull].Load(); n != 2 {
		t.Errorf("%d drops are counted, want 2", n)
	}
	if got := c.texts(t); len(got) != 4 {
		t.Errorf("%d messages arrived, want 4", len(got))
	}
	broadcast(t, r.srv, everyone("next"), 1)
	r.round()
	if got := c.texts(t); !slices.Equal(got, []string{"next"}) || cap(r.casts.bytes) > outboxKeep {
		t.Errorf("then got %d messages; the log keeps %d bytes", len(got), cap(r.casts.bytes))
	}
}

func TestWalkIsSpreadOverRounds(t *testing.T) {
	r := newRig(t, newFakeBackend(), func(c *Config) { c.MaxConns = 4 * walkBudget })
	var peers []*stubConn
	for n := range int64(2*walkBudget + 10) {
		peers = append(peers, r.join(plainHello(n+1)))
	}
	broadcast(t, r.srv, everyone("a"), len(peers))
	r.round()
	written := func() (n int) {
		for _, c := range peers {
			n += c.writes
		}
		return n
	}
	if n := written(); n != walkBudget || len(r.moreCh) != 1 {
		t.Fatalf("%d writes in the first round", n)
	}
	broadcast(t, r.srv, everyone("b"), len(peers)) // in the middle of the walk
	for len(r.moreCh) > 0 {
		<-r.moreCh
		r.round()
	}
	for i, c := range peers {
		if got := c.texts(t); !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("user %d got %v", i+1, got)
		}
	}
	if n := written(); n != len(peers)+walkBudget {
		t.Errorf("%d writes: those not yet visited get both in one", n)
	}
}

// TestBroadcastNumbersWrapAround starts just before the largest number.
func TestBroadcastNumbersWrapAround(t *testing.T) {
	r := newRig(t, newFakeBackend())
	r.casts.base = math.MaxUint32 - 4
	c := r.join(plainHello(1))
	var want []string
	for n := range 10 {
		broadcast(t, r.srv, everyone(fmt.Sprint(n)), 1)
		want = append(want, fmt.Sprint(n))
		if n%3 == 2 {
			r.round()
		}
	}
	r.round()
	if got := c.texts(t); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if r.casts.base != 5 || c.session().broadcasts != 5 {
		t.Errorf("the log goes on at %d, the session at %d", r.casts.base, c.session().broadcasts)
	}
}

func TestBroadcastKeepsItsPlaceAmongOtherMessages(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	give1 := func(text string) {
		r.door.postAnswer(&pushTask{Push: Push{User: 1, Cursor: b.store(1, text), Body: body(text)}, slot: c.session().slot})
	}
	give1("stored")
	broadcast(t, r.srv, everyone("everyone"), 1)
	r.round()
	if got := c.texts(t); !slices.Equal(got, []string{"stored", "everyone"}) || c.writes != 1 {
		t.Errorf("got %v in %d writes", got, c.writes)
	}
}

// Whoever was logged in when a message was accepted gets it, although the table grows during the walk.
func TestBroadcastWhileTheTableGrows(t *testing.T) {
	r := newRig(t, newFakeBackend(), func(c *Config) { c.MaxConns = 10_000 })
	var conns []*stubConn
	for i := range 2 * walkBudget {
		conns = append(conns, r.join(plainHello(int64(i+1))))
	}
	say := func(text string) {
		t.Helper()
		if _, err := r.srv.Broadcast(everyone(text)); err != nil {
			t.Fatal(err)
		}
	}
	finish := func() {
		for r.round(); r.casts.left > 0; r.round() {
		}
	}
	say("one") // leaves the walk at the end of the table
	finish()
	for i := range walkBudget {
		conns = append(conns, r.join(plainHello(int64(i+10_001))))
	}
	for _, c := range conns {
		c.out = nil
	}
	say("two")
	r.round()
	for range 50 {
		r.open()
	}
	finish()
	for i, c := range conns {
		if got := c.texts(t); !slices.Equal(got, []string{"two"}) {
			t.Fatalf("session %d heard %q", i, got)
		}
	}
}

// A private message that shares a round with an earlier message to everyone comes after it, stored or not.
func TestPushComesAfterAnEarlierBroadcast(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "once": false} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBackend()
			r := newRig(t, b)
			c := r.join(plainHello(5))
			(&broadcastTask{Broadcast: everyone("all")}).run(r.loop)
			p := &pushTask{Push: Push{User: 5, Body: body("you")}, slot: c.session().slot, wait: &pushWait{doneCh: make(chan struct{})}}
			p.wait.left.Store(1)
			if stored {
				p.Cursor, p.wait = b.store(5, "you"), nil
			}
			p.run(r.loop)
			r.round()
			if got := c.texts(t); !slices.Equal(got, []string{"all", "you"}) {
				t.Errorf("heard %q", got)
			}
		})
	}
}
