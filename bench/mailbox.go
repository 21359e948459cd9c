package bench

import "sync"

// mail is what other goroutines tell the swarm's loop: a login's result, or a command of the parent.
type mail struct {
	login   *loginResult
	command *command
}

// mailbox is the one way into the loop. post, nudge and close are safe for concurrent use.
type mailbox struct {
	wake func() // immutable; ends the loop's wait; not called after close

	mu     sync.Mutex
	items  []mail
	closed bool
}

// post adds m, and wakes the loop if it may not know yet. After close it does nothing.
func (b *mailbox) post(m mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.items = append(b.items, m)
	if len(b.items) == 1 {
		b.wake()
	}
}

// nudge wakes the loop without mail.
func (b *mailbox) nudge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.wake()
	}
}

func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// take empties the box. spare is reused for what comes next.
func (b *mailbox) take(spare []mail) []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = spare[:0]
	return items
}
