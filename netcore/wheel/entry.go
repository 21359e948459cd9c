package wheel

// Entry is the place of its owner in a Wheel, which is all that a deadline costs: 24 bytes. The zero Entry is
// unarmed. An owner with an armed Entry must not be copied.
type Entry[T any] struct {
	next, prev *T // neighbours in a circular list; nil: unarmed
	deadline   int64
}

// Armed reports whether the entry has a deadline to come.
func (e *Entry[T]) Armed() bool { return e.next != nil }

// link puts an unarmed x at the end of a list.
func link[T any, P Timed[T]](list *P, x P, e *Entry[T]) {
	head := *list
	if head == nil {
		e.next, e.prev = x, x
		*list = x
		return
	}
	first := head.Timer()
	last := P(first.prev)
	e.next, e.prev = head, last
	last.Timer().next, first.prev = x, x
}
