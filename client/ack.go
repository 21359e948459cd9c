package client

import (
	"sync"
	"time"

	"cim/netcore/frame"
)

// acks decides when the next ACK is written. ACKs are cumulative, and each costs the server a write to its
// store: so one goes out for ackEvery messages, or ackWithin after the last one, whichever comes first.
type acks struct {
	mu    sync.Mutex
	names []renamed // the last ones: items of the queue may still have the old name
	done  Cursor    // everything up to here was handled
	owed  int       // messages handled since the last ACK; a repetition counts as one
	due   time.Time
	wrote time.Time
}

// renamed is a log that goes by another epoch, with the same places.
type renamed struct{ before, after uint64 }

// namesMost bounds how often a log may be renamed while an item of it waits for the Handler. Beyond it an ACK has a name that
// the server does not take, and the next one covers it.
const namesMost = 16

// rename has what was handled, and what is in the queue, go by another log epoch. What was handled is acknowledged once more:
// the server does not take ACKs of a log that its session has left.
func (a *acks) rename(before, after uint64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names[max(0, len(a.names)-namesMost+1):], renamed{before, after})
	if a.done = a.named(a.done); a.done.Seq > 0 {
		a.owe(now)
	}
}

// named must be called with mu held.
func (a *acks) named(c Cursor) Cursor {
	for _, n := range a.names {
		if n.before == c.LogEpoch {
			c.LogEpoch = n.after
		}
	}
	return c
}

// current is a place under the name that its log has now.
func (a *acks) current(c Cursor) Cursor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.named(c)
}

// place is what was handled last.
func (a *acks) place() Cursor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// restart moves the place without owing anything, to a stored cursor.
func (a *acks) restart(c Cursor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done, a.owed = c, 0
}

// reset moves the place to where another log begins. What that has of the one before was handled.
func (a *acks) reset(c Cursor, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done, a.owed = a.named(c), 0
	if a.done.Seq > 0 {
		a.owe(now)
	}
}

// welcomed compares with what the server knows. It may know more (another device) or less (a lost ACK).
func (a *acks) welcomed(server Cursor, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.done == Cursor{}:
		a.done = server
	case a.done.LogEpoch != server.LogEpoch: // the note of the other log is in the queue
	case server.Seq > a.done.Seq:
		a.done, a.owed = server, 0
	case server.Seq < a.done.Seq:
		a.owe(now)
	}
}

// handled notes that everything up to c was handled; idle says that nothing waits behind it. It reports
// whether the writer has to be woken.
func (a *acks) handled(c Cursor, idle bool, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c = a.named(c)
	if c.LogEpoch == a.done.LogEpoch && c.Seq <= a.done.Seq {
		return false
	}
	a.done = c
	wasDue := a.due
	first := a.owed == 0
	a.owe(now)
	if idle {
		a.due = earlier(a.due, a.wrote.Add(ackWithin))
	}
	if a.owed >= ackEvery {
		a.due = now
	}
	return first || a.due.Before(wasDue)
}

// again owes the ACK of the place once more: the server repeats what it thinks was not handled.
func (a *acks) again(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done.Seq == 0 || a.owed > 0 {
		return false
	}
	a.owe(now)
	return true
}

func (a *acks) owe(now time.Time) {
	if a.owed == 0 {
		a.due = now.Add(ackWithin)
	}
	a.owed++
}

// appendDue appends an ACK if one is due, or owed and forced. next is when to ask again; zero: nothing is
// owed.
func (a *acks) appendDue(dst []byte, now time.Time, force bool) (out []byte, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.owed == 0:
		return dst, time.Time{}
	case !force && now.Before(a.due):
		return dst, a.due
	}
	a.owed, a.wrote = 0, now
	return frame.AppendAck(dst, frame.Cursor{LogEpoch: a.done.LogEpoch, Seq: a.done.Seq}), time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
