package netcore

import "sync"

// task is something that a loop has to do, posted by another goroutine. run is called on the loop.
type task interface{ run(l *loop) }

// door is the one way into a loop: a queue with many writers and one reader. It wakes the loop only when
// it goes from empty to non-empty, so that what arrives meanwhile shares one wake-up.
type door struct {
	mu     sync.Mutex
	tasks  []task
	bytes  int                // that the tasks hold
	missed map[int64]struct{} // users whose stored message found no room; their inbox tells
	tick   bool
	awake  bool // the loop has been woken and has not looked yet
	closed bool
	limit  int    // of tasks
	wake   func() // asks the loop for a round; must not block
}

// post refuses when the door is full. It is for tasks whose number others decide; bytes is what one holds.
func (d *door) post(t task, bytes int) bool {
	d.mu.Lock()
	if d.closed || len(d.tasks) >= d.limit || d.bytes > doorBytes {
		d.mu.Unlock()
		return false
	}
	d.bytes += bytes
	d.add(t)
	return true
}

// postAnswer never refuses. It is for answers to what the loop itself asked, whose number is bounded by
// what it may have outstanding. A closed door keeps them, for whoever cleans up.
func (d *door) postAnswer(t task) {
	d.mu.Lock()
	d.add(t)
}

// postTick asks for the time to be looked at. Ticks that find one waiting are one tick.
func (d *door) postTick() {
	d.mu.Lock()
	d.tick = true
	d.rouse()
}

// postMissed notes that a user's session has to look at its inbox. One note per user: bounded by the
// number of sessions.
func (d *door) postMissed(user int64) {
	d.mu.Lock()
	if d.missed == nil {
		d.missed = make(map[int64]struct{})
	}
	d.missed[user] = struct{}{}
	d.rouse()
}

// add must run with mu held, and releases it.
func (d *door) add(t task) {
	d.tasks = append(d.tasks, t)
	d.rouse()
}

// rouse must run with mu held, and releases it: wake must not be called under the lock.
func (d *door) rouse() {
	wake := !d.awake && !d.closed
	d.awake = true
	d.mu.Unlock()
	if wake {
		d.wake()
	}
}

// batch is what one look at the door found.
type batch struct {
	tasks  []task
	missed map[int64]struct{}
	tick   bool
}

// take empties the door. used is the batch taken before; its memory is filled next.
func (d *door) take(used []task) batch {
	clear(used)
	if cap(used) > 4*doorBudget {
		used = nil // a burst must not keep its memory for ever
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b := batch{d.tasks, d.missed, d.tick}
	d.tasks, d.bytes, d.missed, d.tick, d.awake = used[:0], 0, nil, false, false
	return b
}

// waiting is the number of tasks not yet taken.
func (d *door) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tasks)
}

// close ends the waking. What waits stays, and post refuses more.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}
