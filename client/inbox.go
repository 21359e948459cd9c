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

// turn is what a SYNC or a WELCOME has changed.
type turn struct {
	before, after uint64       // the log goes by another epoch; 0: it does not
	note          *StateChange // for the application; nil: none
	at            Cursor       // of note: the log goes on behind it
}

// gone applies a server's SYNC: everything up to c is no longer in the log, which goes on from that of follows (zero: the
// server does not know of it).
func (in *inbox) gone(c, follows Cursor) turn {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.known {
		in.restart(c)
		return turn{}
	}
	t := in.carryOver(c, follows)
	if before := in.received; t.note == nil && c.Seq > before.Seq {
		in.restart(c)
		t.note, t.at = &StateChange{State: StateLogGap, From: before.Seq + 1, To: c.Seq}, c
	}
	return t
}

// carryOver goes over to the log of base, if that is another one. When all that was received is in it too, nothing has
// happened but that its places have another name. Otherwise the end of the log before was lost. It must be called with mu
// held and the inbox known.
func (in *inbox) carryOver(base, follows Cursor) turn {
	before := in.received
	if before.LogEpoch == base.LogEpoch {
		return turn{}
	}
	if follows.LogEpoch == before.LogEpoch && before.Seq <= follows.Seq {
		in.received.LogEpoch = base.LogEpoch
		return turn{before: before.LogEpoch, after: base.LogEpoch}
	}
	if follows.LogEpoch == before.LogEpoch {
		base.Seq = max(base.Seq, follows.Seq)
	}
	return in.reset(base)
}

// reset must be called with mu held.
func (in *inbox) reset(base Cursor) turn {
	in.restart(base)
	return turn{note: &StateChange{State: StateLogReset}, at: base}
}

// welcomed takes over what WELCOME says of the inbox to a LOGIN that came when the inbox had been received up to
// shown; more may have come since, on another connection. follows is as for gone. An inbox that is
// shorter than what was received has lost its tail even if its epoch does not say so: without this check every new
// message would look like a duplicate.
func (in *inbox) welcomed(w *cimpb.Welcome, follows, shown Cursor) turn {
	in.mu.Lock()
	defer in.mu.Unlock()
	base := Cursor{LogEpoch: w.GetInbox().GetLogEpoch(), Seq: w.GetAcked()}
	in.behind, in.asked = false, time.Time{}
	if !in.known {
		in.restart(base)
		return turn{}
	}
	if shown.LogEpoch == base.LogEpoch && w.GetInbox().GetSeq() < shown.Seq {
		return in.reset(base)
	}
	t := in.carryOver(base, follows)
	if t.note == nil && base.Seq > in.received.Seq { // another device of the user has handled more
		in.restart(base)
	}
	return t
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
