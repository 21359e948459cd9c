package routes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// watch bounds the time of one attempt, and sees whether its request left this machine.
type watch struct {
	// Immutable after newWatch.
	ctx     context.Context // of the request
	cancel  context.CancelCauseFunc
	until   time.Time // when the answer is due; zero: the caller's context alone counts
	patient bool      // once there is a connection, the answer has all the time that the caller gives

	mu    sync.Mutex
	timer *time.Timer // nil: not bounded
	asked bool        // for a connection, of a transport that tells
	got   bool        // a connection, since it was last asked for
}

// newWatch is for an attempt after which left others can be made.
func newWatch(ctx context.Context, left int, patient bool) *watch {
	w := &watch{patient: patient}
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.asks() },
		GotConn: func(httptrace.GotConnInfo) { w.gets() },
	})
	if left == 0 {
		return w
	}
	share := answerWithin
	if deadline, ok := ctx.Deadline(); ok {
		share = min(share, time.Until(deadline)/time.Duration(left+1))
	}
	w.until = time.Now().Add(share)
	if !patient {
		w.bound(share, "no answer")
	}
	return w
}

// asks notes that the transport wants a connection, again where an idle one turned out to be dead.
func (w *watch) asks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.got = true, false
	if !w.until.IsZero() {
		w.bound(min(connectWithin, time.Until(w.until)), "no connection")
	}
}

func (w *watch) gets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = true
	switch {
	case w.until.IsZero():
	case w.patient:
		w.timer.Stop()
	default:
		w.bound(time.Until(w.until), "no answer")
	}
}

// bound ends the attempt after d. Must be called with mu held, or before anybody else knows w.
func (w *watch) bound(d time.Duration, what string) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(d, func() { w.cancel(fmt.Errorf("%s within %s", what, d.Round(time.Millisecond))) })
}

// sent reports whether the request of an attempt that ended with err may have arrived.
func (w *watch) sent(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked {
		return w.got
	}
	e, ok := errors.AsType[*net.OpError](err)
	return !ok || e.Op != "dial"
}

// end lets go of the attempt.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}
