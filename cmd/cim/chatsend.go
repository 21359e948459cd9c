package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/text/unicode/norm"

	"cim/client"
	cimpb "cim/proto"
)

// sendWindow is how many private messages may be without their answer. More than the server's send credit
// would only wait, and stand in the wrong order when one before them is refused.
const sendWindow = 32

// outgoing is one text on its way out.
type outgoing struct {
	to, text string // to: name or id; empty: everyone
}

// sdkSends is what the sender needs of a Client.
type sdkSends interface {
	Lookup(ctx context.Context, name string) (client.Account, error)
	Start(user int64, text string) (sending, error)
	SendTo(ctx context.Context, user int64, text string, opts ...client.SendOption) (client.Receipt, error)
	SendAll(ctx context.Context, text string) (client.Receipt, error)
}

// sending is a message that waits for its answer.
type sending interface {
	ID() uint64
	Wait(ctx context.Context) (client.Receipt, error)
}

// sdk is a Client as the sender sees it.
type sdk struct{ *client.Client }

func (s sdk) Start(user int64, text string) (sending, error) { return s.Client.Start(user, text) }

// sender sends lines in their order. Private messages are pipelined: the server writes many of them to disk
// at once. A message to everyone waits for those before it, because the two do not keep order by themselves.
type sender struct {
	// immutable after newSender
	sdk     sdkSends
	printer *printer
	onSent  func(outgoing, client.Receipt) // of what was acknowledged; set before run, nil: nobody asks
	queueCh chan outgoing
	doneCh  chan struct{} // closed when run has returned

	// run
	ids        map[string]int64 // of names that were looked up
	flying     []flight         // oldest first
	pace       pace
	unanswered int // nobody knows what became of them; read after doneCh
	unsent     int // the end came before they were sent; read after doneCh

	// atomic
	refused atomic.Int64 // lines that were not sent
	waiting atomic.Int64 // that were queued, and whose end nobody knows yet
}

// flight is a message without its answer.
type flight struct {
	outgoing
	user int64
	sending
}

func newSender(s sdkSends, p *printer) *sender {
	return &sender{
		sdk: s, printer: p, queueCh: make(chan outgoing, queuedLines), doneCh: make(chan struct{}), ids: map[string]int64{},
	}
}

// queue hands over a line, and waits while too many wait.
func (s *sender) queue(ctx context.Context, o outgoing) {
	s.waiting.Add(1)
	select {
	case s.queueCh <- o:
	case <-ctx.Done():
		s.waiting.Add(-1)
		s.refused.Add(1)
	}
}

// finish says that nothing will be queued any more. doneCh is closed when everything is answered, or the
// context of run has ended.
func (s *sender) finish() { close(s.queueCh) }

// run sends until finish. ctx ends the waiting for answers.
func (s *sender) run(ctx context.Context) {
	defer close(s.doneCh)
	for {
		o, ok := s.next(ctx)
		if !ok {
			break
		}
		s.send(ctx, o)
	}
	s.settleAll(ctx)
}

// next is the next line; while there is none, it waits for answers.
func (s *sender) next(ctx context.Context) (outgoing, bool) {
	for len(s.flying) > 0 {
		select {
		case o, ok := <-s.queueCh:
			return o, ok
		default:
			s.settle(ctx)
		}
	}
	o, ok := <-s.queueCh
	return o, ok
}

func (s *sender) send(ctx context.Context, o outgoing) {
	if ctx.Err() != nil {
		s.report(ctx, o, client.Receipt{}, context.Cause(ctx))
		return
	}
	if o.to == "" {
		s.settleAll(ctx)
		r, err := s.everyone(ctx, o.text)
		s.report(ctx, o, r, err)
		return
	}
	user, err := s.resolve(ctx, o.to)
	if err != nil {
		s.report(ctx, o, client.Receipt{}, err)
		return
	}
	if len(s.flying) == sendWindow {
		s.settle(ctx)
	}
	f, err := s.start(ctx, user, o.text)
	if err != nil {
		s.report(ctx, o, client.Receipt{}, err)
		return
	}
	s.flying = append(s.flying, flight{o, user, f})
}

func (s *sender) start(ctx context.Context, user int64, text string) (sending, error) {
	if err := s.keepPace(ctx); err != nil {
		return nil, err
	}
	return s.sdk.Start(user, text)
}

// resolve finds the user. Digits alone are an id: no name is like that.
func (s *sender) resolve(ctx context.Context, to string) (int64, error) {
	if id, err := strconv.ParseInt(to, 10, 64); err == nil {
		return id, nil
	}
	name := norm.NFC.String(to)
	if id, ok := s.ids[name]; ok {
		return id, nil
	}
	a, err := s.lookUp(ctx, name)
	if err != nil {
		return 0, err
	}
	s.ids[name] = a.ID
	return a.ID, nil
}

// lookUp waits for a route that is away, as the sends to known users do.
func (s *sender) lookUp(ctx context.Context, name string) (client.Account, error) {
	for {
		a, err := s.sdk.Lookup(ctx, name)
		if !errors.Is(err, client.ErrUnreachable) || !pause(ctx, leastPause) {
			return a, err
		}
	}
}

// everyone sends to all who are online, and again when that was refused for the moment: then nobody got it.
func (s *sender) everyone(ctx context.Context, text string) (client.Receipt, error) {
	for {
		if err := s.keepPace(ctx); err != nil {
			return client.Receipt{}, err
		}
		r, err := s.sdk.SendAll(ctx, text)
		code := client.CodeOf(err)
		if code != cimpb.CodeRateLimited && code != cimpb.CodeOverloaded || !pause(ctx, comeAgainIn(err)) {
			return r, err
		}
	}
}

// settle waits for the oldest answer.
func (s *sender) settle(ctx context.Context) {
	f := s.flying[0]
	s.flying = s.flying[1:]
	r, err := f.Wait(ctx)
	if isRetryable(err) {
		s.again(ctx, f, err)
		return
	}
	s.report(ctx, f.outgoing, r, err)
}

func (s *sender) settleAll(ctx context.Context) {
	for len(s.flying) > 0 {
		s.settle(ctx)
	}
}

// again repeats a message that was refused for the moment, and those behind it that were refused too: one
// after the other, so that they keep their order.
func (s *sender) again(ctx context.Context, first flight, why error) {
	refused := []flight{first}
	for _, f := range s.flying {
		r, err := f.Wait(ctx)
		if isRetryable(err) {
			refused = append(refused, f)
			continue
		}
		s.report(ctx, f.outgoing, r, err)
	}
	s.flying = nil
	pause(ctx, comeAgainIn(why))
	for _, f := range refused {
		var r client.Receipt
		err := s.keepPace(ctx)
		if err == nil {
			r, err = s.sdk.SendTo(ctx, f.user, f.text, client.WithMessageID(f.ID()))
		}
		s.report(ctx, f.outgoing, r, err)
	}
}

// report counts and tells what was not sent. What is unanswered because the conversation was ended is
// summed up at its end.
func (s *sender) report(ctx context.Context, o outgoing, r client.Receipt, err error) {
	s.waiting.Add(-1)
	switch {
	case err == nil:
		if s.onSent != nil {
			s.onSent(o, r)
		}
	case errors.Is(err, client.ErrOutcomeUnknown):
		s.unanswered++
	case ctx.Err() != nil || errors.Is(err, client.ErrClosed):
		s.unsent++
	default:
		s.refused.Add(1)
		to := o.to
		if to == "" {
			to = "everyone"
		}
		s.printer.note(fmt.Sprintf("not sent to %s: %s", to, whyNotSent(o.to, err)))
	}
}

// keepPace waits until one more send is welcome.
func (s *sender) keepPace(ctx context.Context) error {
	if !pause(ctx, s.pace.wait(time.Now())) {
		return context.Cause(ctx)
	}
	s.pace.sent(time.Now())
	return nil
}

func isRetryable(err error) bool {
	refused, ok := errors.AsType[*client.StatusError](err)
	return ok && refused.Retryable()
}

// leastPause is for those who do not say when to come again.
const leastPause = 500 * time.Millisecond

func comeAgainIn(err error) time.Duration {
	if refused, ok := errors.AsType[*client.StatusError](err); ok {
		return max(refused.RetryAfter, leastPause)
	}
	return leastPause
}

// pause reports whether the time went by; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
