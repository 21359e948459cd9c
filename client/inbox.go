package client

import (
	"sync"
	"time"

	cimpb "cim/proto"
)

// verdict is what the inbox says of a stored message that arrived.
type verdict uint8

const (
	inTurn    verdict = iota // the next one
	newEpoch                 // the first of another log epoch
	duplicate                // taken before
	ahead                    // something before it is missing
)

// inbox knows how far the stored messages of this user have been taken off the wire. It is the last guard of
// "once and in order": whatever the server writes, only the next message passes.
type inbox struct {
	mu       sync.Mutex
	known    bool      // received says something; a log epoch may be 0
	received Cursor    // everything up to here was queued for the Handler
	behind   bool      // something was left out because the queue was full; asked for when it has drained
	asked    time.Time // when the open gap was asked for; zero: no gap is open
}

// offer judges a message at c. It changes nothing: a message that is in turn has to be accepted after.
func (in *inbox) offer(c Cursor) verdict {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case !in.known:
		return inTurn
	case c.LogEpoch != in.received.LogEpoch:
		return newEpoch
	case c.Seq <= in.received.Seq:
		return duplicate
	case c.Seq == in.received.Seq+1:
		return inTurn
	}
	return ahead
}

// accept notes that the message at c was queued.
func (in *inbox) accept(c Cursor) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.restart(c)
}

// leaveOut notes that a message in its turn found no room.
func (in *inbox) leaveOut() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.behind = true
}

// askNow says where to ask from when a message came ahead of its turn, and false when that was asked
// already or will be when the queue has drained.
func (in *inbox) askNow(now time.Time) (Cursor, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.behind || !in.asked.IsZero() && now.Sub(in.asked) < syncAgain {
		return Cursor{}, false
	}
	in.asked = now
	return in.received, true
}

// caughtUp says where to ask from after the queue has drained, if anything was left out.
func (in *inbox) caughtUp(now time.Time) (Cursor, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.behind {
		return Cursor{}, false
	}
	in.behind, in.asked = false, now
	return in.received, true
}

// gone applies a server's SYNC: everything up to c is no longer in the log. It returns what the application
// has to be told, or nil.
func (in *inbox) gone(c Cursor) *StateChange {
	in.mu.Lock()
	defer in.mu.Unlock()
	before := in.received
	switch {
	case !in.known:
		in.restart(c)
		return nil
	case before.LogEpoch != c.LogEpoch:
		in.restart(c)
		return &StateChange{State: StateLogReset}
	case c.Seq <= before.Seq:
		return nil
	}
	in.restart(c)
	return &StateChange{State: StateLogGap, From: before.Seq + 1, To: c.Seq}
}

// welcomed takes over what WELCOME says of the inbox to a LOGIN that came when the inbox had been received up to
// shown; more may have come since, on another connection. It returns the place from which the server goes on, and
// whether the log was reset. An inbox that is shorter than what was received has lost its tail even if its
// epoch does not say so: without this check every new message would look like a duplicate.
func (in *inbox) welcomed(w *cimpb.Welcome, shown Cursor) (base Cursor, reset bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	base = Cursor{LogEpoch: w.GetInbox().GetLogEpoch(), Seq: w.GetAcked()}
	in.behind, in.asked = false, time.Time{}
	switch {
	case !in.known:
	case in.received.LogEpoch != base.LogEpoch || shown.LogEpoch == base.LogEpoch && w.GetInbox().GetSeq() < shown.Seq:
		reset = true
	case base.Seq <= in.received.Seq: // otherwise another device of the user has handled more
		return base, false
	}
	in.restart(base)
	return base, reset
}

// place is how far the inbox has been received.
func (in *inbox) place() Cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.received
}

// restart makes c the place behind which the next message is expected. The zero Cursor is that of an inbox in
// which nothing was ever stored, and which has no epoch before there is.
func (in *inbox) restart(c Cursor) {
	in.known, in.received, in.behind, in.asked = c != Cursor{}, c, false, time.Time{}
}
