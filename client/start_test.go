package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	cimpb "cim/proto"
)

func start(t *testing.T, c *Client, text string, opts ...SendOption) *Sending {
	t.Helper()
	s, err := c.Start(bobID, text, opts...)
	if err != nil {
		t.Fatalf("Start(%q): %v", text, err)
	}
	return s
}

func TestStartKeepsOrderOverACut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		var under []*Sending
		for i := range 6 { // two more than the send credit
			under = append(under, start(t, c, fmt.Sprint(i)))
		}
		for i := range 4 {
			if f := p.next(t, cimpb.Command_SEND); f.Text != fmt.Sprint(i) || f.ClientMsgId != under[i].ID() {
				t.Fatalf("SEND %d is %v", i, f)
			}
		}
		p.none(t)
		p.Close()
		p = receive(t, s.peerCh)
		for i := range 6 {
			f := p.next(t, cimpb.Command_SEND)
			if f.Text != fmt.Sprint(i) {
				t.Fatalf("SEND %d after the cut is %q", i, f.Text)
			}
			p.sent(f.ClientMsgId, cimpb.CodeStored, uint64(i+1), 0)
		}
		for i, u := range under {
			if r, err := u.Wait(t.Context()); err != nil || r.Seq != uint64(i+1) {
				t.Errorf("Wait %d = %+v, %v", i, r, err)
			}
		}
	})
}

func TestStartDoesNotRepeatARefusal(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		u := start(t, c, "hi")
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeRateLimited, 0, 1000)
		_, err := u.Wait(t.Context())
		if e, ok := errors.AsType[*StatusError](err); !ok || !e.Retryable() {
			t.Errorf("Wait: %v, want a refusal for the moment", err)
		}
		p.none(t)
		again := start(t, c, "hi", WithMessageID(u.ID()))
		f := p.next(t, cimpb.Command_SEND)
		if f.ClientMsgId != u.ID() {
			t.Errorf("sent again as %d, want %d", f.ClientMsgId, u.ID())
		}
		p.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
		if _, err := again.Wait(t.Context()); err != nil {
			t.Errorf("Wait for the repetition: %v", err)
		}
	})
}

func TestStartIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		u := start(t, c, "hi")
		p.next(t, cimpb.Command_SEND)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := u.Wait(ctx); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("Wait: %v, want ErrOutcomeUnknown", err)
		}
	})
}

func TestStartRefusesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		for _, tt := range []struct {
			name, text string
			user       int64
		}{{"empty", "", bobID}, {"not UTF-8", "\xff", bobID}, {"nobody", "x", 0}} {
			if _, err := c.Start(tt.user, tt.text); err == nil {
				t.Errorf("%s: no error", tt.name)
			}
		}
		p.none(t)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Start(bobID, "x"); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestUnreachableRoute(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		o := s.options(newRecorder())
		o.HTTP = nil
		refused := errors.New("connection refused")
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
		_, err := Connect(t.Context(), o)
		if !errors.Is(err, ErrUnreachable) || !errors.Is(err, refused) {
			t.Errorf("Connect: %v, want ErrUnreachable and its cause", err)
		}
	})
}
