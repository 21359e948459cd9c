package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// outcome is what a send in another goroutine returned.
type outcome struct {
	r   Receipt
	err error
}

func sendAsync(ctx context.Context, c *Client, text string, opts ...SendOption) <-chan outcome {
	ch := make(chan outcome, 1)
	go func() {
		r, err := c.SendTo(ctx, bobID, text, opts...)
		ch <- outcome{r, err}
	}()
	return ch
}

func TestSendIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		ch := sendAsync(t.Context(), c, "hi")
		f := p.next(t, cimpb.Command_SEND)
		if f.Text != "hi" || f.GetTo().GetUser() != bobID || f.Qos != cimpb.QoS_AT_LEAST_ONCE || f.ClientMsgId == 0 ||
			f.ClientMsgId >= 1<<53 {
			t.Errorf("SEND is %v", f)
		}
		p.sent(f.ClientMsgId, cimpb.CodeStored, 42, 0)
		want := Receipt{ClientMsgID: f.ClientMsgId, Code: cimpb.CodeStored, LogEpoch: 1, Seq: 42}
		if got := receive(t, ch); got.err != nil || got.r != want || !got.r.Stored() {
			t.Errorf("SendTo = %+v, want %+v", got, want)
		}
		ch = sendAsync(t.Context(), c, "hi again")
		f = p.next(t, cimpb.Command_SEND)
		p.outCh <- frame.AppendSent(nil, &frame.Sent{
			ClientMsgID: f.ClientMsgId, Code: cimpb.CodeStored, Cursor: frame.Cursor{LogEpoch: 1, Seq: 43}, Offline: true,
		})
		if got := receive(t, ch); got.err != nil || !got.r.Offline || got.r.Seq != 43 {
			t.Errorf("SendTo = %+v, want a receiver who is offline", got)
		}
	})
}

func TestSendForms(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		for _, tt := range []struct {
			name string
			send func() (Receipt, error)
			want func(f *cimpb.Frame) bool
		}{
			{
				"payload", func() (Receipt, error) { return c.SendPayload(t.Context(), bobID, []byte{0xff, 0}) },
				func(f *cimpb.Frame) bool { return string(f.Payload) == "\xff\x00" && f.Qos == cimpb.QoS_AT_LEAST_ONCE },
			},
			{
				"everyone", func() (Receipt, error) { return c.SendAll(t.Context(), "all") },
				func(f *cimpb.Frame) bool { return f.GetTo().GetEveryone() && f.Qos == cimpb.QoS_AT_MOST_ONCE },
			},
			{
				"at most once", func() (Receipt, error) { return c.SendTo(t.Context(), bobID, "x", WithAtMostOnce()) },
				func(f *cimpb.Frame) bool { return f.GetTo().GetUser() == bobID && f.Qos == cimpb.QoS_AT_MOST_ONCE },
			},
			{
				"named", func() (Receipt, error) { return c.SendTo(t.Context(), bobID, "x", WithMessageID(99)) },
				func(f *cimpb.Frame) bool { return f.ClientMsgId == 99 },
			},
		} {
			errCh := make(chan error, 1)
			go func() {
				_, err := tt.send()
				errCh <- err
			}()
			f := p.next(t, cimpb.Command_SEND)
			if !tt.want(f) {
				t.Errorf("%s: SEND is %v", tt.name, f)
			}
			p.sent(f.ClientMsgId, cimpb.CodeWritten, 0, 0)
			if err := receive(t, errCh); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
}

func TestSendRefusedBeforeItIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		send := func(user int64, text string) error {
			_, err := c.SendTo(t.Context(), user, text)
			return err
		}
		_, empty := c.SendPayload(t.Context(), bobID, nil)
		_, all := c.SendAll(t.Context(), "")
		for _, tt := range []struct {
			name string
			err  error
			want string
		}{
			{"empty text", send(bobID, ""), "empty"},
			{"empty payload", empty, "empty"},
			{"empty to everyone", all, "empty"},
			{"not UTF-8", send(bobID, "\xff"), "use SendPayload"},
			{"nobody", send(0, "x"), "above zero"},
			{"too large", send(bobID, strings.Repeat("x", 64<<10)), "over the limit"},
		} {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q in it", tt.name, tt.err, tt.want)
			}
		}
		p.none(t)
	})
}

func TestSendRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		ch := sendAsync(t.Context(), c, "hi")
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeInboxFull, 0, 0)
		got := receive(t, ch)
		if CodeOf(got.err) != cimpb.CodeInboxFull || got.err.Error() != cimpb.CodeInboxFull.Sentence() {
			t.Errorf("SendTo: %v", got.err)
		}
		p.none(t)
	})
}

func TestSendIsRepeatedAfterABusyServer(t *testing.T) {
	for _, code := range []cimpb.Code{cimpb.CodeOverloaded, cimpb.CodeRateLimited, cimpb.CodeStoreUnavailable} {
		t.Run(code.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				c, p := s.connect(t, newRecorder())
				ch := sendAsync(t.Context(), c, "hi")
				first := p.next(t, cimpb.Command_SEND)
				p.sent(first.ClientMsgId, code, 0, 2000)
				begin := time.Now()
				second := p.next(t, cimpb.Command_SEND)
				if waited := time.Since(begin); waited < 2*time.Second || waited > 3*time.Second {
					t.Errorf("repeated after %v, want 2 s and up to half of it", waited)
				}
				if second.ClientMsgId != first.ClientMsgId {
					t.Errorf("repeated with another id: %d, %d", first.ClientMsgId, second.ClientMsgId)
				}
				p.sent(second.ClientMsgId, cimpb.CodeStored, 1, 0)
				if got := receive(t, ch); got.err != nil {
					t.Error(got.err)
				}
			})
		})
	}
}

func TestSendRetriesEndWithContext(t *testing.T) {
	for _, tt := range []struct {
		code cimpb.Code
		want error
	}{{cimpb.CodeOverloaded, ErrNotSent}, {cimpb.CodeStoreUnavailable, ErrOutcomeUnknown}} {
		t.Run(tt.code.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				c, p := s.connect(t, newRecorder())
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				ch := sendAsync(ctx, c, "hi")
				p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, tt.code, 0, 5000)
				err := receive(t, ch).err
				if !errors.Is(err, tt.want) || !errors.Is(err, context.DeadlineExceeded) || CodeOf(err) != tt.code {
					t.Errorf("SendTo: %v", err)
				}
			})
		})
	}
}

func TestRefusedSendThatIsNotRepeatedInTimeWasNotSent(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		ctx, cancel := context.WithCancel(t.Context())
		ch := sendAsync(ctx, c, "hi")
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeOverloaded, 0, 0)
		synctest.Wait()
		s.set(func() {
			s.login = func(_ int, w http.ResponseWriter) bool {
				refuseHTTP(w, 503, "busy", "Later.", "")
				return true
			}
		})
		p.Close()
		pass(time.Minute) // the repetition is due, and there is no connection
		cancel()
		if err := receive(t, ch).err; !errors.Is(err, ErrNotSent) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("SendTo: %v", err)
		}
	})
}

func TestSendAtMostOnceIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		ch := sendAsync(t.Context(), c, "hi", WithAtMostOnce())
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeRateLimited, 0, 10)
		if got := receive(t, ch); CodeOf(got.err) != cimpb.CodeRateLimited {
			t.Errorf("SendTo: %v", got.err)
		}
		ch = sendAsync(t.Context(), c, "hi", WithAtMostOnce())
		p.next(t, cimpb.Command_SEND)
		p.Close()
		if got := receive(t, ch); !errors.Is(got.err, ErrDisconnected) {
			t.Errorf("SendTo over a cut: %v", got.err)
		}
		synctest.Wait()
		if _, err := c.SendAll(t.Context(), "hi"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("SendAll while not connected: %v", err)
		}
		receive(t, s.peerCh).none(t)
	})
}

func TestSendsAreRepeatedAfterACut(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		var chs []<-chan outcome
		var ids []uint64
		for i := range 6 { // two more than the send credit
			chs = append(chs, sendAsync(t.Context(), c, fmt.Sprint(i)))
			synctest.Wait()
		}
		for i := range 4 {
			f := p.next(t, cimpb.Command_SEND)
			if f.Text != fmt.Sprint(i) {
				t.Fatalf("SEND %d is %q", i, f.Text)
			}
			ids = append(ids, f.ClientMsgId)
		}
		p.none(t)
		p.sent(ids[1], cimpb.CodeStored, 1, 0)
		p.next(t, cimpb.Command_SEND) // "4": the answer made room
		synctest.Wait()
		p.Close()

		p = receive(t, s.peerCh)
		for _, want := range []string{"0", "2", "3", "4"} {
			f := p.next(t, cimpb.Command_SEND)
			if f.Text != want {
				t.Fatalf("repeated %q, want %q", f.Text, want)
			}
			if want == "0" && f.ClientMsgId != ids[0] {
				t.Errorf("repeated with another id")
			}
			p.sent(f.ClientMsgId, cimpb.CodeStored, 2, 0)
		}
		last := p.next(t, cimpb.Command_SEND)
		p.sent(last.ClientMsgId, cimpb.CodeStored, 3, 0)
		for i, ch := range chs {
			if got := receive(t, ch); got.err != nil {
				t.Errorf("send %d: %v", i, got.err)
			}
		}
		if got := c.Stats(); got.Resent != 4 || got.Connects != 2 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestSendEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		ctx, cancel := context.WithCancel(t.Context())
		ch := sendAsync(ctx, c, "written", WithMessageID(5))
		p.next(t, cimpb.Command_SEND)
		_, dup := c.SendTo(t.Context(), bobID, "again", WithMessageID(5))
		if !errors.Is(dup, ErrDuplicateID) {
			t.Errorf("a second send of the same id: %v", dup)
		}
		var others []<-chan outcome
		for range 3 {
			others = append(others, sendAsync(t.Context(), c, "credit"))
			p.next(t, cimpb.Command_SEND)
		}
		waiting := sendAsync(ctx, c, "waiting")
		p.none(t)
		cancel()
		if got := receive(t, ch); !errors.Is(got.err, ErrOutcomeUnknown) || !errors.Is(got.err, context.Canceled) {
			t.Errorf("a written send: %v", got.err)
		}
		if got := receive(t, waiting); !errors.Is(got.err, ErrNotSent) {
			t.Errorf("a send that waited for credit: %v", got.err)
		}
		// The abandoned send holds its credit until it is answered; the next one of its id takes it over.
		again := sendAsync(t.Context(), c, "written", WithMessageID(5))
		p.none(t)
		p.sent(5, cimpb.CodeStored, 9, 0)
		if got := receive(t, again); got.err != nil || got.r.Seq != 9 {
			t.Errorf("the send that took over: %+v", got)
		}
		p.Close()
		p = receive(t, s.peerCh)
		for _, ch := range others {
			p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeStored, 1, 0)
			_ = ch
		}
		for _, ch := range others {
			if got := receive(t, ch); got.err != nil {
				t.Error(got.err)
			}
		}
		p.none(t)
	})
}

func TestManySenders(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		const senders, each = 100, 5
		var wg sync.WaitGroup
		errCh := make(chan error, senders*each)
		for range senders {
			wg.Go(func() {
				for range each {
					_, err := c.SendTo(t.Context(), bobID, "x")
					errCh <- err
				}
			})
		}
		seen := map[uint64]bool{}
		for range senders * each {
			f := p.next(t, cimpb.Command_SEND)
			seen[f.ClientMsgId] = true
			if n := len(p.frameCh); n > 3 {
				t.Fatalf("%d sends wait behind an unanswered one, the credit is 4", n)
			}
			p.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
		}
		wg.Wait()
		close(errCh)
		for err := range errCh {
			if err != nil {
				t.Error(err)
			}
		}
		if len(seen) != senders*each {
			t.Errorf("%d ids for %d sends", len(seen), senders*each)
		}
	})
}
