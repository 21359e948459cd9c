package peer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

// lane is one way to a server. At most one batch of it is under way; what comes meanwhile forms the next one, so
// that batches grow with the load and order holds.
type lane struct {
	// Immutable after newLane.
	t      *target
	wakeCh chan struct{}
	probes bool // it asks a server that is down whether it is back

	// Touched by run only.
	wire wire

	mu       sync.Mutex
	asks     queue // questions do not wait for the messages before them
	messages queue
	closed   bool
}

// queue holds items in the order in which they came.
type queue struct {
	items []*item
	bytes int
	limit int
}

func newLane(t *target) *lane {
	return &lane{
		t: t, wakeCh: make(chan struct{}, 1), wire: newWire(t),
		asks: queue{limit: queuedAsks}, messages: queue{limit: queuedPushes},
	}
}

// enqueue leaves an item to the lane, which ends it in any case. When it returns an error, it has not taken it.
// Errors: route.ErrOverloaded, ErrTooLarge, ErrUnanswered, ErrClosed.
func (l *lane) enqueue(i *item) error {
	c := l.t.client
	switch {
	case i.cost > MaxBatchBytes-itemBytes-len(c.cfg.Instance)-len(l.t.instance):
		return ErrTooLarge
	case l.t.down.Load():
		return fmt.Errorf("%w: %s", ErrUnanswered, l.t.instance)
	}
	if c.queued.Add(int64(i.cost)) > c.cfg.QueueBytes {
		return l.overloaded(i)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := &l.asks
	if i.message {
		q = &l.messages
	}
	switch {
	case l.closed:
		c.queued.Add(-int64(i.cost))
		return ErrClosed
	case q.bytes+i.cost > q.limit:
		return l.overloaded(i)
	}
	q.items = append(q.items, i)
	q.bytes += i.cost
	l.wake()
	return nil
}

func (l *lane) overloaded(i *item) error {
	l.t.client.queued.Add(-int64(i.cost))
	l.t.client.counters.overloaded.Add(uint64(i.count))
	return fmt.Errorf("%w for %s", route.ErrOverloaded, l.t.instance)
}

// wake tells run that something has changed.
func (l *lane) wake() {
	select {
	case l.wakeCh <- struct{}{}:
	default: // it has been told
	}
}

// run sends what comes until the target is forgotten.
func (l *lane) run() {
	cfg := &l.t.client.cfg
	timer := time.NewTimer(cfg.Idle)
	defer timer.Stop()
	defer l.close()
	for {
		select {
		case <-l.t.ctx.Done():
			return
		case <-l.wakeCh:
			l.drain()
		case <-timer.C:
			l.quiet()
		}
		if l.probes && l.t.down.Load() {
			timer.Reset(cfg.FailFast)
		} else {
			timer.Reset(cfg.Idle)
		}
	}
}

// quiet is what a lane does when nothing came for a while.
func (l *lane) quiet() {
	if l.probes && l.t.down.Load() {
		l.exchange(&batch{msg: l.newBatch()})
		return
	}
	l.wire.hangUp()
}

func (l *lane) drain() {
	for b := l.next(); b != nil; b = l.next() {
		if l.t.down.Load() {
			l.settle(b.items, nil, ErrUnanswered)
			l.t.miss(b.kicks, b.again)
			continue
		}
		l.exchange(b)
	}
}

// close fails what waits and has enqueue refuse from now on.
func (l *lane) close() {
	l.wire.hangUp()
	l.mu.Lock()
	l.closed = true
	left := slices.Concat(l.asks.items, l.messages.items)
	l.asks.items, l.messages.items = nil, nil
	l.mu.Unlock()
	l.settle(left, nil, ErrClosed)
}

// settle ends items, with their part of the reply or an error.
func (l *lane) settle(items []*item, r *cimpb.PushReply, err error) {
	for _, i := range items {
		switch {
		case err == nil:
			i.read(r)
		case i.lost != nil:
			i.lost()
		}
		l.t.client.queued.Add(-int64(i.cost))
		i.doneCh <- err
	}
}
