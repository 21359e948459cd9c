package client

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	cimpb "cim/proto"
)

func TestCloseWaitsForTheHandlerAndAcknowledges(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		rec.fail = func(ctx context.Context, m Message) error {
			r, err := FromContext(ctx).SendTo(ctx, m.From, "echo")
			if r.Seq != 5 {
				t.Errorf("the echo: %+v, %v", r, err)
			}
			return err
		}
		c, p := s.connect(t, rec)
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		echo := p.next(t, cimpb.Command_SEND)
		closeCh := make(chan error, 1)
		go func() { closeCh <- c.Close(t.Context()) }()
		synctest.Wait()
		p.sent(echo.ClientMsgId, cimpb.CodeStored, 5, 0)
		if err := receive(t, closeCh); err != nil {
			t.Errorf("Close: %v", err)
		}
		if f := p.next(t, cimpb.Command_ACK); f.Seq != 1 {
			t.Errorf("ACK is %v", f)
		}
		receive(t, p.goneCh)
		p.none(t)
		rec.texts(t, "1")
		if len(rec.msgCh) != 0 {
			t.Error("a message was handed over after Close")
		}
		rec.state(t, StateConnected)
		if got := rec.state(t, StateClosed); !errors.Is(got.Err, ErrClosed) || !errors.Is(c.Err(), ErrClosed) {
			t.Errorf("told %v, Err() = %v", got.Err, c.Err())
		}
	})
}

func TestCloseAnswersOutstandingSends(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		written := sendAsync(t.Context(), c, "written")
		busy := sendAsync(t.Context(), c, "busy")
		first, second := p.next(t, cimpb.Command_SEND), p.next(t, cimpb.Command_SEND)
		if first.Text == "busy" {
			first, second = second, first
		}
		p.sent(second.ClientMsgId, cimpb.CodeOverloaded, 0, 60_000)
		synctest.Wait()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := receive(t, written).err; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the written send: %v", err)
		}
		if err := receive(t, busy).err; !errors.Is(err, ErrClosed) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the refused send: %v", err)
		}
		if _, err := c.SendTo(t.Context(), bobID, "late"); !errors.Is(err, ErrClosed) {
			t.Errorf("a later send: %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func TestCloseWhileNotConnected(t *testing.T) {
	for _, tt := range []struct {
		name string
		wait time.Duration
	}{{"before the next attempt", 0}, {"during an attempt", time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				c, p := s.connect(t, newRecorder())
				waiting := sendAsync(t.Context(), c, "hi")
				p.next(t, cimpb.Command_SEND)
				heldCh := make(chan struct{})
				s.set(func() {
					s.login = func(_ int, w http.ResponseWriter) bool { <-heldCh; return false }
				})
				p.Close()
				pass(tt.wait)
				closeCh := make(chan error, 1)
				go func() { closeCh <- c.Close(t.Context()) }()
				synctest.Wait()
				close(heldCh)
				if err := receive(t, closeCh); err != nil {
					t.Error(err)
				}
				if err := receive(t, waiting).err; !errors.Is(err, ErrClosed) {
					t.Errorf("the outstanding send: %v", err)
				}
			})
		})
	}
}

func TestCloseInHaste(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		rec.fail = func(ctx context.Context, _ Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		c, p := s.connect(t, rec)
		p.message(1, 1, "1")
		rec.texts(t, "1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		receive(t, c.Done())
		p.none(t) // the message was not handled, and is not acknowledged
	})
}

func TestCloseDuringAFailingHandler(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		rec.fail = func(context.Context, Message) error { return errors.New("never") }
		c, p := s.connect(t, rec)
		p.message(1, 1, "1")
		pass(time.Hour)
		begin := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(begin) > 0 {
			t.Errorf("Close: %v after %v", err, time.Since(begin))
		}
		p.none(t)
	})
}

func TestCloseOfAStalledConnection(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		p.stall()
		sendAsync(t.Context(), c, "hi")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		receive(t, c.Done())
	})
}

func TestHandlerIsAskedToGiveUpWhenReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		rec.fail = func(ctx context.Context, _ Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		c, p := s.connect(t, rec)
		p.message(1, 1, "1")
		rec.texts(t, "1")
		p.send(&cimpb.Frame{Cmd: cimpb.Command_KICK, Seq: 7, Status: cimpb.CodeReplaced.Status(0)})
		receive(t, c.Done())
		if CodeOf(c.Err()) != cimpb.CodeReplaced {
			t.Errorf("Err() = %v", c.Err())
		}
	})
}
