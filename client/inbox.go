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

// gone applies a server's SYNC: everything up to c is no longer in the log, which goes on from that of follows (zero: the
// server does not know of it). It returns the notes for the Handler's queue.
func (in *inbox) gone(c, follows Cursor) []item {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.known {
		in.restart(c)
		return nil
	}
	notes, reset := in.carryOver(c, follows)
	if before := in.received; !reset && c.Seq > before.Seq {
		in.restart(c)
		notes = append(notes, item{note: &StateChange{State: StateLogGap, From: before.Seq + 1, To: c.Seq}, at: c})
	}
	return notes
}

// carryOver goes over to the log of base, if that is another one. When all that was received is in it too, nothing has
// happened but that its places have another name. Otherwise the end of the log before was lost: reset. It must be called
// with mu held and the inbox known.
func (in *inbox) carryOver(base, follows Cursor) (notes []item, reset bool) {
	before := in.received
	if before.LogEpoch == base.LogEpoch {
		return nil, false
	}
	if follows.LogEpoch == before.LogEpoch && before.Seq <= follows.Seq {
		in.received.LogEpoch = base.LogEpoch
		return []item{{at: in.received}}, false
	}
	if follows.LogEpoch == before.LogEpoch {
		base.Seq = max(base.Seq, follows.Seq)
	}
	in.restart(base)
	return []item{{note: &StateChange{State: StateLogReset}, at: base}}, true
}

// welcomed takes over what WELCOME says of the inbox to a LOGIN that came when the inbox had been received up to
// shown; more may have come since, on another connection. follows is as for gone. It returns the notes for the
// Handler's queue, and whether the log was reset. An inbox that is shorter than what was received has lost its tail
// even if its epoch does not say so: without this check every new message would look like a duplicate.
func (in *inbox) welcomed(w *cimpb.Welcome, follows, shown Cursor) (notes []item, reset bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	base := Cursor{LogEpoch: w.GetInbox().GetLogEpoch(), Seq: w.GetAcked()}
	in.behind, in.asked = false, time.Time{}
	if !in.known {
		in.restart(base)
		return nil, false
	}
	if shown.LogEpoch == base.LogEpoch && w.GetInbox().GetSeq() < shown.Seq {
		in.restart(base)
		return []item{{note: &StateChange{State: StateLogReset}, at: base}}, true
	}
	notes, reset = in.carryOver(base, follows)
	if !reset && base.Seq > in.received.Seq { // another device of the user has handled more
		in.restart(base)
	}
	return notes, reset
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
