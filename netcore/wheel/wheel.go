// Package wheel keeps deadlines: very many of them, each cheap to set, to move and to drop. It is the
// hashed timing wheel of Varghese and Lauck, scheme 6 ("Hashed and Hierarchical Timing Wheels", SOSP 1987):
// a deadline hangs in the slot of its tick modulo the number of slots, unsorted, and a tick looks at one slot.
//
// It must not know what time is: ticks are passed in, and may be seconds or anything else. It has no
// goroutine, no clock and no lock, and allocates nothing after New; a Wheel belongs to one goroutine.
package wheel

import (
	"math"
	"math/bits"
)

// DefaultSlots is a turn of 68 minutes at one tick per second, for 32 KiB. Shorter deadlines, which are nearly
// all, are looked at once, when they are due; longer ones also once a turn until then.
const DefaultSlots = 4096

// Timed is implemented by a pointer to what has a deadline, with the Entry that it embeds or holds by value.
// Timer has to return the same Entry every time.
type Timed[T any] interface {
	*T
	Timer() *Entry[T]
}

// Wheel holds the armed entries of owners of type T. New makes one. Not safe for concurrent use.
type Wheel[T any, P Timed[T]] struct {
	slots   []P // first entry of each circular list
	overdue P   // armed when their tick had been visited
	pending P   // taken from a slot or from overdue, and not looked at yet
	now     int64
}

// New returns a wheel whose last visited tick is 0. The number of slots is rounded up to a power of two;
// below 1 it is DefaultSlots.
func New[T any, P Timed[T]](slots int) *Wheel[T, P] {
	if slots < 1 {
		slots = DefaultSlots
	}
	return &Wheel[T, P]{slots: make([]P, 1<<bits.Len(uint(slots-1)))}
}

// Arm sets the deadline of x, in place of the one that it may have. A deadline at or before the last visited
// tick is due at the next Advance, even to the same tick. x must not be armed in another wheel.
func (w *Wheel[T, P]) Arm(x P, deadline int64) {
	e := x.Timer()
	if e.Armed() {
		w.unlink(x, e)
	}
	if deadline <= w.now {
		deadline = atOnce
	}
	e.deadline = deadline
	link(w.list(deadline), x, e)
}

// Cancel drops the deadline of x; without one it does nothing.
func (w *Wheel[T, P]) Cancel(x P) {
	if e := x.Timer(); e.Armed() {
		w.unlink(x, e)
	}
}

// Advance visits the ticks after the last visited one, up to and including now, and calls fire for each
// entry that is due, unarmed by then. The order is that of the deadlines, unless now is more than a turn
// ahead: then every slot is visited once, however far that is. A now in the past visits no tick.
//
// fire may arm and cancel any entry, also the one that it got: what it arms at or before now waits for the
// next Advance, and what it cancels is not fired. It must not call Advance.
func (w *Wheel[T, P]) Advance(now int64, fire func(P)) {
	first, ticks := w.now+1, 0
	if now > w.now {
		// Unsigned, because the distance may be more than an int64.
		ticks = int(min(uint64(now)-uint64(w.now), uint64(len(w.slots))))
		w.now = now
	}
	w.visit(&w.overdue, fire)
	for i := range ticks {
		w.visit(w.slot(first+int64(i)), fire)
	}
}

// visit fires what is due of a list and keeps the rest, for later turns. The list is taken away first: what
// fire arms joins the list behind the visit's back.
func (w *Wheel[T, P]) visit(list *P, fire func(P)) {
	w.pending, *list = *list, nil
	for x := w.pending; x != nil; x = w.pending {
		e := x.Timer()
		w.unlink(x, e)
		if e.deadline > w.now {
			link(list, x, e)
			continue
		}
		fire(x)
	}
}

// atOnce is the deadline of entries whose tick had been visited when they were armed.
const atOnce = math.MinInt64

// list is where an entry of that deadline hangs, unless it is pending.
func (w *Wheel[T, P]) list(deadline int64) *P {
	if deadline == atOnce {
		return &w.overdue
	}
	return w.slot(deadline)
}

func (w *Wheel[T, P]) slot(tick int64) *P {
	return &w.slots[uint64(tick)&uint64(len(w.slots)-1)]
}

// unlink takes an armed x out of the list where it hangs.
func (w *Wheel[T, P]) unlink(x P, e *Entry[T]) {
	next := P(e.next)
	if next == x {
		next = nil
	} else {
		next.Timer().prev, P(e.prev).Timer().next = e.prev, e.next
	}
	e.next, e.prev = nil, nil
	if w.pending == x {
		w.pending = next
		return
	}
	if list := w.list(e.deadline); *list == x {
		*list = next
	}
}
