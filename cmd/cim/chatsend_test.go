package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cim/client"
	"cim/netcore/frame"
	cimpb "cim/proto"
)

// fakeSDK answers sends as a test says, and remembers what happened in which order.
type fakeSDK struct {
	// immutable
	hold    chan struct{} // started messages are answered once it is closed; nil: at once
	refuse  func(text string, attempt int) error
	unknown string // a name that nobody has
	away    int    // look-ups that find no route

	mu       sync.Mutex
	events   []string
	attempts map[string]int
	flying   int
	most     int // that were flying at one time
}

func (f *fakeSDK) event(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, fmt.Sprintf(format, args...))
}

// verdict counts the attempts of a text.
func (f *fakeSDK) verdict(text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempts == nil {
		f.attempts = map[string]int{}
	}
	f.attempts[text]++
	if f.refuse == nil {
		return nil
	}
	return f.refuse(text, f.attempts[text])
}

func (f *fakeSDK) Lookup(_ context.Context, name string) (client.Account, error) {
	f.event("look up %s", name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away > 0 {
		f.away--
		return client.Account{}, fmt.Errorf("look up: %w", client.ErrUnreachable)
	}
	if name == f.unknown {
		return client.Account{}, &client.StatusError{Code: cimpb.CodeUnknownUser, Text: "No such user."}
	}
	return client.Account{ID: int64(len(name)), Name: name}, nil
}

func (f *fakeSDK) Start(user int64, text string) (sending, error) {
	f.event("start %d %s", user, text)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying++
	f.most = max(f.most, f.flying)
	return &fakeSending{f, text}, nil
}

type fakeSending struct {
	f    *fakeSDK
	text string
}

// ID is that of its text.
func (s *fakeSending) ID() uint64 { return uint64(len(s.text)) + 1000 }

func (s *fakeSending) Wait(ctx context.Context) (client.Receipt, error) {
	if s.f.hold != nil {
		select {
		case <-s.f.hold:
		case <-ctx.Done():
			return client.Receipt{}, client.ErrOutcomeUnknown
		}
	}
	s.f.mu.Lock()
	s.f.flying--
	s.f.mu.Unlock()
	return client.Receipt{}, s.f.verdict(s.text)
}

func (f *fakeSDK) SendTo(_ context.Context, user int64, text string, opts ...client.SendOption) (client.Receipt, error) {
	var s frame.Send
	for _, o := range opts {
		o(&s)
	}
	f.event("send %d %s as %d", user, text, s.ClientMsgID)
	return client.Receipt{}, f.verdict(text)
}

func (f *fakeSDK) SendAll(_ context.Context, text string) (client.Receipt, error) {
	f.mu.Lock()
	flying := f.flying
	f.mu.Unlock()
	f.event("everyone %s, %d flying", text, flying)
	return client.Receipt{}, f.verdict(text)
}

// sends runs a sender over lines and returns it when everything is settled, with what it told.
func (f *fakeSDK) sends(ctx context.Context, lines ...outgoing) (*sender, string) {
	var told lockedBuffer
	s := newSender(f, newPrinter(nil, &told, false))
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx) })
	for _, l := range lines {
		s.queue(ctx, l)
	}
	s.finish()
	<-s.doneCh
	wg.Wait()
	return s, told.String()
}

func (f *fakeSDK) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(f.events, want) {
		t.Errorf("it did\n  %s\nwant\n  %s", strings.Join(f.events, "\n  "), strings.Join(want, "\n  "))
	}
}

func retryIn(code cimpb.Code, d time.Duration) error {
	return &client.StatusError{Code: code, Text: code.Sentence(), RetryAfter: d}
}

func TestSenderLooksUpANameOnce(t *testing.T) {
	var f fakeSDK
	s, told := f.sends(t.Context(), outgoing{"bob", "1"}, outgoing{"42", "2"}, outgoing{"bob", "3"})
	f.expect(t, "look up bob", "start 3 1", "start 42 2", "start 3 3")
	if s.refused.Load() != 0 || told != "" {
		t.Errorf("refused %d, told %q", s.refused.Load(), told)
	}
}

func TestSenderWaitsForTheRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeSDK{away: 2}
		s, told := f.sends(t.Context(), outgoing{"bob", "1"}, outgoing{"7", "2"})
		f.expect(t, "look up bob", "look up bob", "look up bob", "start 3 1", "start 7 2")
		if s.refused.Load() != 0 || told != "" {
			t.Errorf("refused %d, told %q", s.refused.Load(), told)
		}
	})
}

func TestSenderTellsWhatWasNotSent(t *testing.T) {
	f := fakeSDK{unknown: "zed", refuse: func(text string, _ int) error {
		if text == "full" {
			return &client.StatusError{Code: cimpb.CodeInboxFull, Text: "The inbox is full."}
		}
		if text == "lost" {
			return client.ErrDisconnected
		}
		return nil
	}}
	s, told := f.sends(t.Context(), outgoing{"zed", "1"}, outgoing{"7", "full"}, outgoing{"", "lost"}, outgoing{"7", "ok"})
	want := "-- not sent to zed: nobody is called zed; :pu finds names\n-- not sent to 7: The inbox is full\n" +
		"-- not sent to everyone: there is no connection, and such a message reaches who is online at its moment" + "\n"
	if told != want || s.refused.Load() != 3 {
		t.Errorf("told %q, refused %d; want %q, 3", told, s.refused.Load(), want)
	}
}

func TestSenderPipelinesAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeSDK{hold: make(chan struct{})}
		var lines []outgoing
		var want []string
		for i := range 200 {
			lines = append(lines, outgoing{"7", fmt.Sprint(i)})
			want = append(want, fmt.Sprintf("start 7 %d", i))
		}
		var wg sync.WaitGroup
		wg.Go(func() { f.sends(t.Context(), lines...) })
		synctest.Wait()
		if n := len(f.events); n > sendWindow || n == 0 {
			t.Errorf("%d messages are under way without an answer, want 1 to %d", n, sendWindow)
		}
		close(f.hold)
		wg.Wait()
		f.expect(t, want...)
		if f.most > sendWindow {
			t.Errorf("%d messages were under way at one time, want at most %d", f.most, sendWindow)
		}
	})
}

// What was refused for the moment is sent again in its order, under its id, before anything new.
func TestSenderKeepsOrderAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeSDK{hold: make(chan struct{}), refuse: func(text string, attempt int) error {
			if attempt == 1 && (text == "22" || text == "333") {
				return retryIn(cimpb.CodeRateLimited, time.Minute)
			}
			return nil
		}}
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			var lines []outgoing
			for _, text := range []string{"1", "22", "333"} {
				lines = append(lines, outgoing{"7", text})
			}
			s, told := f.sends(t.Context(), append(lines, outgoing{"", "4444"}, outgoing{"7", "55555"})...)
			if s.refused.Load() != 0 || told != "" {
				t.Errorf("refused %d, told %q", s.refused.Load(), told)
			}
		})
		synctest.Wait() // all three are under way
		close(f.hold)
		wg.Wait()
		f.expect(t, "start 7 1", "start 7 22", "start 7 333", "send 7 22 as 1002", "send 7 333 as 1003",
			"everyone 4444, 0 flying", "start 7 55555")
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("it was sent again after %v, want what the server asked for", took)
		}
	})
}

func TestSenderRepeatsToEveryone(t *testing.T) {
	for _, tt := range []struct {
		code   cimpb.Code
		again  bool
		reason string
	}{
		{cimpb.CodeRateLimited, true, "nobody got it"},
		{cimpb.CodeOverloaded, true, "nobody got it"},
		{cimpb.CodeStoreUnavailable, false, "some may have got it"},
		{cimpb.CodeNotAllowed, false, "it would be refused again"},
	} {
		t.Run(tt.code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fakeSDK{refuse: func(_ string, attempt int) error {
					if attempt == 1 {
						return retryIn(tt.code, time.Second)
					}
					return nil
				}}
				begin := time.Now()
				s, _ := f.sends(t.Context(), outgoing{"", "hi"})
				if again := len(f.events) == 2; again != tt.again || (s.refused.Load() == 0) != tt.again {
					t.Errorf("sent %d times, refused %d; again should be %v: %s", len(f.events), s.refused.Load(), tt.again, tt.reason)
				}
				if took := time.Since(begin); tt.again && took != time.Second {
					t.Errorf("sent again after %v, want 1s", took)
				}
			})
		})
	}
}

func TestSenderEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := fakeSDK{hold: make(chan struct{})}
		var s *sender
		var told string
		var wg sync.WaitGroup
		wg.Go(func() {
			s, told = f.sends(ctx, outgoing{"7", "1"}, outgoing{"7", "2"}, outgoing{"", "3"}, outgoing{"7", "4"})
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		// Whether the second one was started depends on who ran first; nothing behind them may be.
		if n := len(f.events); n < 1 || n > 2 || f.events[0] != "start 7 1" || n == 2 && f.events[1] != "start 7 2" {
			t.Errorf("it did %q", f.events)
		}
		if s.unanswered != len(f.events) || s.unanswered+s.unsent != 4 || s.refused.Load() != 0 || told != "" {
			t.Errorf("unanswered %d, not sent %d, refused %d, told %q; want all four summed up", s.unanswered, s.unsent, s.refused.Load(), told)
		}
	})
}

func TestSenderOfAClosedClient(t *testing.T) {
	f := fakeSDK{refuse: func(string, int) error { return fmt.Errorf("%w: gone", client.ErrClosed) }}
	s, told := f.sends(t.Context(), outgoing{"7", "1"}, outgoing{"", "2"})
	if s.unsent != 2 || s.unanswered != 0 || s.waiting.Load() != 0 || told != "" {
		t.Errorf("not sent %d, unanswered %d, waiting %d, told %q", s.unsent, s.unanswered, s.waiting.Load(), told)
	}
}

func TestPause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if !pause(ctx, 0) || !pause(ctx, time.Nanosecond) {
		t.Error("pause was cut short")
	}
	cancel()
	if pause(ctx, 0) || pause(ctx, time.Hour) {
		t.Error("pause went on after the end of its context")
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error(ctx.Err())
	}
}
