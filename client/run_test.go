package client

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	cimpb "cim/proto"
)

func TestReconnectsAfterACut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		p.Close()
		got := rec.state(t, StateDisconnected)
		if got.Err == nil || got.RetryIn > 500*time.Millisecond {
			t.Errorf("told %+v, want an error and a first wait of at most 500 ms", got)
		}
		if c.Session().Connected {
			t.Error("Session says connected")
		}
		s.set(func() { s.welcome.SessionEpoch = 8 })
		begin := time.Now()
		next := rec.state(t, StateConnected)
		if waited := time.Since(begin); waited != got.RetryIn || next.Session.Epoch != 8 || s.count(&s.logins) != 2 {
			t.Errorf("connected after %v with %+v and %d log-ins", waited, next.Session, s.logins)
		}
	})
}

func TestReconnectWaits(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name     string
		f        *cimpb.Frame // that ends the connection
		min, max time.Duration
	}{
		{"later, with a time", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeStopping.Status(60_000)}, minute, 3 * minute / 2},
		{"later, without a time", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeSlowReader.Status(0)}, 0, 500 * time.Millisecond},
		{"elsewhere", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeSessionLost.Status(0)}, 0, elsewhereWithin},
		{"moved", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeMoved.Status(0)}, 0, elsewhereWithin},
		{"moved, with a time", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeMoved.Status(2000)}, 2 * time.Second, 3 * time.Second},
		{"kicked, but not for good", &cimpb.Frame{Cmd: cimpb.Command_KICK, Seq: 7, Status: cimpb.CodeSessionLost.Status(0)}, 0, elsewhereWithin},
		{"code alone", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: &cimpb.Status{Code: 200}}, 0, elsewhereWithin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				rec := newRecorder()
				_, p := s.connect(t, rec)
				rec.state(t, StateConnected)
				p.send(tt.f)
				got := rec.state(t, StateDisconnected)
				if got.RetryIn < tt.min || got.RetryIn > tt.max {
					t.Errorf("waits %v, want %v to %v", got.RetryIn, tt.min, tt.max)
				}
				if CodeOf(got.Err) == 0 {
					t.Errorf("cut by %v, want the server's status", got.Err)
				}
				receive(t, p.goneCh)
				pass(tt.max)
				rec.state(t, StateConnected)
			})
		})
	}
}

func TestReconnectGoesOnForEver(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		s.set(func() {
			s.login = func(n int, w http.ResponseWriter) bool {
				switch {
				case n == 1:
					refuseHTTP(w, 503, "busy", "Later.", "120")
				case n < 60:
					http.Error(w, "broken", http.StatusInternalServerError)
				}
				return n < 60
			}
		})
		p.Close()
		rec.state(t, StateDisconnected)
		if got := rec.state(t, StateDisconnected); got.RetryIn < 2*time.Minute || CodeOf(got.Err) != cimpb.CodeBusy {
			t.Errorf("told %+v, want to wait for the route's Retry-After", got)
		}
		pass(time.Hour)
		var longest time.Duration
		last := StateChange{}
		for len(rec.stateCh) > 0 {
			last = <-rec.stateCh
			longest = max(longest, last.RetryIn)
		}
		if last.State != StateConnected || longest > 30*time.Second || longest < 15*time.Second {
			t.Errorf("ended as %v, longest wait %v, want connected, up to 30 s", last.State, longest)
		}
	})
}

func TestBackoffIsResetByAConnectionThatLasts(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		for range 8 { // a server that takes everybody and cuts at once
			p.Close()
			p = receive(t, s.peerCh)
			synctest.Wait() // WELCOME has arrived
		}
		for len(rec.stateCh) > 0 {
			<-rec.stateCh
		}
		pass(stableAfter)
		p.Close()
		synctest.Wait()
		for len(rec.stateCh) > 0 {
			if got := <-rec.stateCh; got.State == StateDisconnected && got.RetryIn > 500*time.Millisecond {
				t.Errorf("waits %v after a connection that lasted", got.RetryIn)
			}
		}
		receive(t, s.peerCh)
		synctest.Wait()
		if got := c.Stats().Connects; got != 10 {
			t.Errorf("%d sessions", got)
		}
	})
}

func TestClosedForGood(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    *cimpb.Frame
		code cimpb.Code
	}{
		{"replaced", &cimpb.Frame{Cmd: cimpb.Command_KICK, Seq: 7, Status: cimpb.CodeReplaced.Status(0)}, cimpb.CodeReplaced},
		{"disabled", &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeAccountDisabled.Status(0)}, cimpb.CodeAccountDisabled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				rec := newRecorder()
				c, p := s.connect(t, rec)
				rec.state(t, StateConnected)
				ch := sendAsync(t.Context(), c, "hi")
				p.next(t, cimpb.Command_SEND)
				p.send(tt.f)
				got := rec.state(t, StateClosed)
				receive(t, c.Done())
				if CodeOf(got.Err) != tt.code || CodeOf(c.Err()) != tt.code || !errors.Is(c.Err(), ErrClosed) {
					t.Errorf("told %v, Err() = %v", got.Err, c.Err())
				}
				if err := receive(t, ch).err; CodeOf(err) != tt.code || !errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("the outstanding send: %v", err)
				}
				if _, err := c.SendTo(t.Context(), bobID, "late"); CodeOf(err) != tt.code {
					t.Errorf("a later send: %v", err)
				}
				if s.count(&s.logins) != 1 {
					t.Errorf("%d log-ins", s.logins)
				}
			})
		})
	}
}

func TestClosedForGoodByTheRoute(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		s.set(func() {
			s.login = func(_ int, w http.ResponseWriter) bool {
				refuseHTTP(w, 403, "account_disabled", "Ask the operator.", "")
				return true
			}
		})
		p.Close()
		receive(t, c.Done())
		if CodeOf(c.Err()) != cimpb.CodeAccountDisabled {
			t.Errorf("Err() = %v", c.Err())
		}
	})
}

func TestKickOfAnEarlierSessionIsIgnored(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		p.send(&cimpb.Frame{Cmd: cimpb.Command_KICK, Seq: 6, Status: cimpb.CodeReplaced.Status(0)})
		p.message(1, 1, "still here")
		rec.texts(t, "still here")
		if !c.Session().Connected {
			t.Error("not connected")
		}
	})
}

func TestMoveAcknowledgesBeforeItLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		p.message(1, 1, "1")
		p.next(t, cimpb.Command_ACK)
		p.message(1, 2, "2") // its ACK waits for 20 ms
		rec.texts(t, "1", "2")
		synctest.Wait()
		p.send(&cimpb.Frame{Cmd: cimpb.Command_MOVE})
		if f := p.next(t, cimpb.Command_ACK); f.Seq != 2 {
			t.Errorf("ACK is %v", f)
		}
		receive(t, s.peerCh)
	})
}
