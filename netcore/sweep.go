package netcore

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// RenewRef names a session that the server holds.
type RenewRef struct {
	User    int64
	Epoch   uint64
	Device  string
	Written Cursor // how far it has been written to; an inbox with less has lost its tail
}

// RenewState is what the Backend knows of a session.
type RenewState uint8

const (
	RenewKept     RenewState = iota // it is this server's
	RenewRestored                   // it had been forgotten, and is known again
	RenewLost                       // it has ended: the client is to log in again
	RenewReplaced                   // a newer session of the user took over
	renewFailed                     // the Backend could not say
	renewCount
)

var renewNames = [renewCount]string{"kept", "restored", "lost", "replaced", "failed"}

// String is the name that metrics use.
func (r RenewState) String() string { return renewNames[r] }

// RenewResult answers a RenewRef.
type RenewResult struct {
	State RenewState
	Inbox Inbox // of a session that was kept or restored
	Err   error // the Backend could not say; it is asked again
}

// sweeper has the Backend look at the sessions of one loop, again and again: a lost release, a store that came
// back empty, a session that another server took over, and a push that never arrived, all come right by it. It
// keeps nothing of a session: it walks the loop's table, some slots at a time, with one batch under way.
type sweeper struct {
	// immutable after New
	loop  *loop
	nowCh chan struct{} // holds a token: a whole turn is wanted at once

	// touched by monitorSweep only
	next   int  // slot
	slots  int  // of the table, when it was last looked at
	rush   int  // slots to look at without a pause
	failed bool // the last batch, or part of it

	// atomic
	turns   atomic.Uint64
	renewed [renewCount]atomic.Uint64
}

func newSweeper(l *loop) *sweeper { return &sweeper{loop: l, nowCh: make(chan struct{}, 1)} }

// SweepNow has all sessions looked at as fast as the Backend answers. It is for when something may have been
// missed: the registry forgot this server, or the store was away. It does not wait.
func (s *Server) SweepNow() {
	for _, l := range s.loops {
		select {
		case l.sweeper.nowCh <- struct{}{}:
		default:
		}
	}
}

// monitorSweep runs until ctx ends.
func (w *sweeper) monitorSweep(ctx context.Context) {
	for w.wait(ctx) {
		w.step(ctx)
	}
}

// wait returns false when ctx has ended.
func (w *sweeper) wait(ctx context.Context) bool {
	t := time.NewTimer(w.pause())
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.nowCh:
		w.rush = math.MaxInt
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// pause spreads a turn over Config.SweepTurn. A Backend that fails is given time, however much there is to do.
func (w *sweeper) pause() time.Duration {
	switch {
	case w.failed:
		return sweepRetry
	case w.rush > 0:
		return 0
	}
	batches := max(1, (w.slots+sweepSlots-1)/sweepSlots)
	return w.loop.srv.cfg.SweepTurn / time.Duration(batches)
}

// step looks at the next slots of the table.
func (w *sweeper) step(ctx context.Context) {
	b := &sweepBatch{from: w.next, doneCh: make(chan struct{}, 1)}
	if !w.visit(ctx, b) {
		return
	}
	var failed int
	if len(b.refs) > 0 {
		failed = w.renew(ctx, b)
		if !w.visit(ctx, b) {
			return
		}
	}
	w.advance(b, failed)
}

// visit brings the batch to the loop and waits. It returns false when ctx has ended.
func (w *sweeper) visit(ctx context.Context, b *sweepBatch) bool {
	w.loop.door.postAnswer(b)
	select {
	case <-b.doneCh:
		return true
	case <-ctx.Done():
		return false
	}
}

// renew asks the Backend and returns how many sessions it could not tell about.
func (w *sweeper) renew(ctx context.Context, b *sweepBatch) (failed int) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	results := w.loop.srv.cfg.Backend.Renew(ctx, b.refs)
	b.results = make([]RenewResult, len(b.refs))
	for i := range b.refs {
		r := answerAt(results, i, RenewResult{Err: errNoAnswer})
		if r.Err != nil || r.State >= renewFailed {
			r = RenewResult{State: renewFailed}
			failed++
		}
		w.renewed[r.State].Add(1)
		b.results[i] = r
	}
	return failed
}

// advance goes on, unless nothing could be said of any session: then the same ones come again. Those of whom
// nothing could be said while others got an answer are looked at in a turn that follows at once.
func (w *sweeper) advance(b *sweepBatch, failed int) {
	w.slots, w.failed = b.slots, failed > 0
	w.rush = min(w.rush, b.slots)
	if failed > 0 {
		w.rush = b.slots
	}
	if failed > 0 && failed == len(b.refs) {
		return
	}
	w.rush = max(0, w.rush-sweepSlots)
	w.next += sweepSlots
	if w.next >= b.slots {
		w.next = 0
		w.turns.Add(1)
	}
}

// sweepBatch is some slots of a loop's table: on its first visit to the loop it takes down who is there, on its
// second it brings what the Backend said.
type sweepBatch struct {
	from    int
	slots   int // of the whole table
	refs    []RenewRef
	slot    []uint32 // of each
	results []RenewResult
	doneCh  chan struct{}
}

func (b *sweepBatch) run(l *loop) {
	if b.results == nil {
		b.takeDown(l)
	} else {
		for i, r := range b.results {
			l.renewed(b.refs[i], b.slot[i], r)
		}
	}
	b.doneCh <- struct{}{}
}

func (b *sweepBatch) takeDown(l *loop) {
	b.slots = len(l.sessions)
	for slot := b.from; slot < min(b.slots, b.from+sweepSlots); slot++ {
		if s := l.sessions[slot]; s != nil && s.state == stateOpen {
			b.refs = append(b.refs, RenewRef{User: s.user, Epoch: s.epoch, Device: s.device, Written: Cursor{s.logEpoch, s.pushed}})
			b.slot = append(b.slot, uint32(slot))
		}
	}
}

// renewed does what follows from the Backend's word.
func (l *loop) renewed(ref RenewRef, slot uint32, r RenewResult) {
	s := l.at(slot, ref.User)
	if s == nil || s.epoch != ref.Epoch {
		if r.State == RenewRestored {
			l.srv.release(SessionRef{ref.User, ref.Epoch}) // it ended meanwhile; its release came before and found nothing
		}
		return
	}
	switch r.State {
	case RenewLost:
		l.end(s, reasonSessionLost)
	case RenewReplaced:
		l.end(s, reasonReplaced)
	case RenewKept, RenewRestored:
		// What was written and is not there has begun a new log, which the session finds.
		if in := r.Inbox; !s.behind && (in.LogEpoch != s.logEpoch || in.Last > s.pushed) {
			l.fallBehind(s)
		}
	}
}
