package client

import "sync"

// item is one thing for the Handler: a message, or a note about the log at its place between messages.
type item struct {
	msg  Message
	note *StateChange // StateLogReset or StateLogGap; then msg is not set
	at   Cursor       // what is handled once this is; zero: the message was not stored
}

// queue carries items from the goroutine that reads to the one that calls the Handler. It is bounded in
// number and weight, but for notes, which are few. A channel would take its full size from the start.
type queue struct {
	moreCh chan struct{} // an item was put; to the taker
	roomCh chan struct{} // an item was taken; to the putter

	mu    sync.Mutex
	items []item
	head  int // items before it were taken
	bytes int
}

func newQueue() *queue {
	return &queue{moreCh: make(chan struct{}, 1), roomCh: make(chan struct{}, 1)}
}

// put adds a message unless the queue is full. An empty queue takes a message of any size.
func (q *queue) put(it item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := len(q.items) - q.head
	if waiting >= queueMessages || waiting > 0 && q.bytes+it.msg.size() > queueBytes {
		return false
	}
	q.push(it)
	return true
}

// putNote adds a note, full or not. It takes the place of notes that no message has come after: a server cannot fill the
// queue with them.
func (q *queue) putNote(change StateChange, at Cursor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := len(q.items); n > q.head && q.items[n-1].note != nil; n-- {
		change = q.items[n-1].note.and(change)
		q.items = q.items[:n-1]
	}
	q.push(item{note: &change, at: at})
}

func (q *queue) push(it item) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, it)
	q.bytes += it.msg.size()
	signal(q.moreCh)
}

// take removes the oldest item and says how many are left.
func (q *queue) take() (it item, left int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return item{}, 0, false
	}
	it = q.items[q.head]
	q.items[q.head] = item{}
	q.head++
	q.bytes -= it.msg.size()
	left = len(q.items) - q.head
	if left == 0 {
		q.reset()
	}
	signal(q.roomCh)
	return it, left, true
}

// roomy reports whether the queue is at most half full.
func (q *queue) roomy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)-q.head <= queueMessages/2 && q.bytes <= queueBytes/2
}

// reset empties the queue and lets go of the memory of a burst.
func (q *queue) reset() {
	q.head = 0
	if cap(q.items) > 64 {
		q.items = nil
		return
	}
	q.items = q.items[:0]
}

// signal wakes whoever waits on ch, now or next; ch has room for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
