package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	cimpb "cim/proto"
)

// move asks the client to go elsewhere within a second.
func (p *peer) move() {
	p.send(&cimpb.Frame{Cmd: cimpb.Command_MOVE, Seq: 7, Status: cimpb.CodeMoved.Status(1000)})
}

// replace ends the session as a server does whose user logged in elsewhere.
func (p *peer) replace() {
	p.send(&cimpb.Frame{Cmd: cimpb.Command_KICK, Seq: 7, Status: cimpb.CodeReplaced.Status(0)})
}

// moving connects, and has the next session be epoch 8 of another instance.
func moving(t *testing.T, s *fake) (*Client, *peer, *recorder) {
	rec := newRecorder()
	c, p := s.connect(t, rec)
	rec.state(t, StateConnected)
	s.set(func() { s.welcome.SessionEpoch, s.welcome.Instance, s.welcome.Inbox.Seq = 8, "i2", 10 })
	return c, p, rec
}

// noState asserts that the application was told nothing more.
func (r *recorder) noState(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case s := <-r.stateCh:
		t.Errorf("told %v (%v)", s.State, s.Err)
	default:
	}
}

// The client has its new home before it leaves the old one, and misses nothing in between.
func TestMoveHasNoGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, rec := moving(t, s)
		begin := time.Now()
		p.message(1, 1, "before")
		p.move()
		p.message(1, 2, "while it looks for another")
		rec.texts(t, "before", "while it looks for another")
		next := receive(t, s.peerCh)
		if d := time.Since(begin); d > time.Second {
			t.Errorf("it took %v, and the server allows a second", d)
		}
		p.message(1, 3, "written before the server knew")
		p.replace()
		next.message(1, 3, "written before the server knew")
		next.message(1, 4, "at the new one")
		rec.texts(t, "written before the server knew", "at the new one")
		if got := rec.state(t, StateConnected); got.Session.Epoch != 8 || got.Session.Instance != "i2" {
			t.Errorf("connected with %+v", got.Session)
		}
		receive(t, p.goneCh)
		rec.noState(t)
		if st := c.Stats(); st.Connects != 2 || c.Session().Epoch != 8 || s.count(&s.logins) != 2 {
			t.Errorf("%+v, %+v, %d log-ins", st, c.Session(), s.count(&s.logins))
		}
	})
}

// What is for everyone comes from both servers while the client moves, and once to the application; what was sent twice
// comes twice.
func TestMoveHearsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p, rec := moving(t, s)
		p.message(0, 0, "before")
		p.move()
		for _, text := range []string{"early", "both", "same", "same"} {
			p.message(0, 0, text)
		}
		rec.texts(t, "before", "early", "both", "same", "same")
		next := receive(t, s.peerCh)
		p.message(0, 0, "late")
		p.replace()
		for _, text := range []string{"both", "same", "same", "same", "late", "new", "late"} {
			next.message(0, 0, text)
		}
		rec.texts(t, "late", "same", "new", "late")
	})
}

func TestHeardIsBounded(t *testing.T) {
	var h heard
	for n := range 3 * heardMax {
		h.note(fmt.Append(nil, n))
		if len(h) > heardMax {
			t.Fatalf("%d are kept", len(h))
		}
	}
	last := fmt.Append(nil, 3*heardMax-1)
	if !h.forget(last) || h.forget(last) {
		t.Error("the last one was heard once")
	}
	if h.forget([]byte("never")) {
		t.Error("heard what never came")
	}
}

// A server that says nothing is left all the same.
func TestMoveWithoutKick(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p, rec := moving(t, s)
		p.move()
		p.move() // says nothing new
		receive(t, s.peerCh)
		receive(t, p.goneCh)
		rec.state(t, StateConnected)
		rec.noState(t)
		if n := s.count(&s.dials); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// What the old server was sent it answers, before LOGIN at the new one ends the session.
func TestMoveWaitsForAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, _ := moving(t, s)
		first := sendAsync(t.Context(), c, "first")
		f := p.next(t, cimpb.Command_SEND)
		p.move()
		pass(1001 * time.Millisecond) // the server's time is over, and not that for the answer
		if n := s.count(&s.hellos); n != 1 {
			t.Fatalf("LOGIN was sent before the answer had come")
		}
		second := sendAsync(t.Context(), c, "second")
		p.none(t)
		third := sendAsync(t.Context(), c, "third", WithAtMostOnce())
		p.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
		if got := receive(t, first); got.err != nil || got.r.Seq != 1 {
			t.Errorf("the first: %+v", got)
		}
		next := receive(t, s.peerCh)
		p.replace()
		for range 2 {
			f := next.next(t, cimpb.Command_SEND)
			p.none(t)
			next.sent(f.ClientMsgId, cimpb.CodeWritten, 0, 0)
		}
		if got := receive(t, second); got.err != nil {
			t.Errorf("the second: %+v", got)
		}
		if got := receive(t, third); got.err != nil {
			t.Errorf("the third: %+v", got)
		}
		if n := c.Stats().Resent; n != 0 {
			t.Errorf("%d were sent twice", n)
		}
	})
}

// A server that does not answer in time is left. What is stored is sent again, what is not is in doubt.
func TestMoveSendsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, _ := moving(t, s)
		stored := sendAsync(t.Context(), c, "stored")
		f := p.next(t, cimpb.Command_SEND)
		once := sendAsync(t.Context(), c, "once", WithAtMostOnce())
		p.next(t, cimpb.Command_SEND)
		p.move()
		next := receive(t, s.peerCh)
		p.replace()
		if again := next.next(t, cimpb.Command_SEND); again.ClientMsgId != f.ClientMsgId {
			t.Errorf("sent %v, want %v again", again, f)
		}
		next.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
		if got := receive(t, stored); got.err != nil {
			t.Errorf("the stored one: %+v", got)
		}
		if got := receive(t, once); !errors.Is(got.err, ErrDisconnected) {
			t.Errorf("the one that is not stored: %+v", got)
		}
	})
}

// While no other server takes the client, it stays where it is.
func TestMoveTriesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, rec := moving(t, s)
		s.set(func() {
			s.login = func(n int, w http.ResponseWriter) bool {
				if n < 3 {
					refuseHTTP(w, http.StatusServiceUnavailable, "no_server", "None.", "2")
				}
				return n < 3
			}
			s.refuse = func(n int) *cimpb.Frame {
				if n == 1 {
					return &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeBusy.Status(1000)}
				}
				return nil
			}
		})
		p.move()
		pass(3 * time.Second)
		p.message(1, 1, "still here")
		rec.texts(t, "still here")
		p.next(t, cimpb.Command_ACK)
		sent := sendAsync(t.Context(), c, "me too")
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeStored, 1, 0)
		if got := receive(t, sent); got.err != nil {
			t.Errorf("a send meanwhile: %v", got.err)
		}
		receive(t, s.peerCh)
		p.replace()
		rec.state(t, StateConnected)
		rec.noState(t)
	})
}

// Whoever is replaced by somebody else has not moved.
func TestMoveIsNoExcuse(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, rec := moving(t, s)
		s.set(func() { s.login = func(int, http.ResponseWriter) bool { return false } })
		p.move()
		p.replace()
		rec.state(t, StateClosed)
		if <-c.Done(); CodeOf(c.Err()) != cimpb.CodeReplaced {
			t.Errorf("ended with %v", c.Err())
		}
		if n := s.count(&s.hellos); n != 1 {
			t.Errorf("%d LOGINs", n)
		}
	})
}

// A server that ends before the move has begun leaves its clients cut off like any other.
func TestMoveAndCut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p, rec := moving(t, s)
		p.move()
		_ = p.Close()
		rec.state(t, StateDisconnected)
		receive(t, s.peerCh)
		if got := rec.state(t, StateConnected); got.Session.Epoch != 8 {
			t.Errorf("connected with %+v", got.Session)
		}
	})
}

// A LOGIN that took the session over and then failed must not look like somebody else's.
func TestMoveWhoseLoginFails(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p, rec := moving(t, s)
		s.set(func() {
			s.refuse = func(n int) *cimpb.Frame {
				if n == 1 {
					p.replace()
					return &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeStoreDown.Status(100)}
				}
				return nil
			}
		})
		p.move()
		if got := rec.state(t, StateDisconnected); CodeOf(got.Err) != cimpb.CodeStoreDown {
			t.Errorf("disconnected by %v", got.Err)
		}
		receive(t, s.peerCh)
		rec.state(t, StateConnected)
	})
}

func TestCloseDuringMove(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p, rec := moving(t, s)
		p.move()
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		receive(t, p.goneCh)
		rec.state(t, StateClosed)
		if n := s.count(&s.hellos); n != 1 {
			t.Errorf("%d LOGINs", n)
		}
	})
}

// A message that came on the old connection after LOGIN may be newer than what WELCOME says of the inbox.
func TestWelcomedWhileMoving(t *testing.T) {
	w := &cimpb.Welcome{Inbox: &cimpb.Cursor{LogEpoch: 1, Seq: 2}}
	for name, tc := range map[string]struct {
		shown Cursor
		reset bool
	}{
		"received since":  {Cursor{LogEpoch: 1, Seq: 2}, false},
		"received before": {Cursor{LogEpoch: 1, Seq: 3}, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := &inbox{}
			in.restart(Cursor{LogEpoch: 1, Seq: 3})
			if reset := in.welcomed(w, Cursor{}, tc.shown).note != nil; reset != tc.reset {
				t.Errorf("reset %v, want %v", reset, tc.reset)
			}
		})
	}
}

// The server says when the client may come, to spread a storm of them.
func TestNotBefore(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.login = func(_ int, w http.ResponseWriter) bool {
			answerJSON(w, http.StatusOK, map[string]any{
				"user_id": aliceID, "name": "alice", "ticket": "t", "not_before_ms": 40_000,
				"server": map[string]any{"host": "10.0.0.1", "port": 11211, "instance": "i1"},
			})
			return true
		}
		begin := time.Now()
		s.connect(t, newRecorder(), func(o *Options) { o.ConnectTimeout = 5 * time.Second })
		if d := time.Since(begin); d != 40*time.Second {
			t.Errorf("connected after %v", d)
		}
	})
}

func TestCloseWhileWaitingForTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		s.set(func() {
			s.login = func(_ int, w http.ResponseWriter) bool {
				answerJSON(w, http.StatusOK, map[string]any{"user_id": aliceID, "not_before_ms": 60_000})
				return true
			}
		})
		_ = p.Close()
		pass(5 * time.Second)
		begin := time.Now()
		if err := c.Close(context.Background()); err != nil || time.Since(begin) > time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(begin))
		}
	})
}
