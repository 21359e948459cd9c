package netcore

import (
	"context"
	"sync"
	"time"
)

// lane carries work from the loops to workers that may block. Everything with one key goes to the same
// worker, in order; what waits is handed over in batches. Queues are bounded.
type lane[T any] struct {
	ctx     context.Context // of all work; ends when close is given up
	cancel  context.CancelFunc
	workers []*laneWorker[T]
	open    context.Context // ends with close
	shut    context.CancelFunc
	wg      sync.WaitGroup
}

type laneWorker[T any] struct {
	mu     sync.Mutex
	queue  []T
	bytes  int // that the queue holds, as far as it was told
	closed bool
	limit  int
	wakeCh chan struct{} // holds one token while the queue may not be empty
	goCh   chan struct{} // holds one token when a worker that gathers is not to wait
}

// newLane starts workers that call handle until close. limit bounds each worker's queue.
func newLane[T any](workers, limit int, handle func(ctx context.Context, batch []T)) *lane[T] {
	return newGatheringLane(workers, limit, 0, handle)
}

// newGatheringLane is newLane for work that nobody waits for: a worker that has something to do lets more come for a
// while, so that batches are large although each item comes alone.
func newGatheringLane[T any](workers, limit int, gather time.Duration, handle func(ctx context.Context, batch []T)) *lane[T] {
	l := &lane[T]{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.open, l.shut = context.WithCancel(l.ctx)
	for range workers {
		w := &laneWorker[T]{limit: limit, wakeCh: make(chan struct{}, 1), goCh: make(chan struct{}, 1)}
		l.workers = append(l.workers, w)
		l.wg.Go(func() { l.run(w, gather, handle) })
	}
	return l
}

// worker spreads keys by hash: ids of one origin often share their lowest bits.
func (l *lane[T]) worker(key int64) *laneWorker[T] { return l.workers[shardOf(key)%len(l.workers)] }

// post refuses when the worker's queue is full or the lane is closed.
func (l *lane[T]) post(key int64, item T) bool { return l.postSized(key, item, 0) }

// postSized is post for items that hold bytes which a peer sent; the queue is full with laneBytes, too. What
// a worker has in hand comes on top, so a worker holds twice that at most.
func (l *lane[T]) postSized(key int64, item T, bytes int) bool {
	w := l.worker(key)
	w.mu.Lock()
	if w.closed || len(w.queue) >= w.limit || w.bytes > laneBytes {
		w.mu.Unlock()
		return false
	}
	w.queue, w.bytes = append(w.queue, item), w.bytes+bytes
	w.mu.Unlock()
	wake(w.wakeCh)
	return true
}

// close lets the workers finish what was posted and waits for them. When ctx ends first, what they have
// not finished is told so.
func (l *lane[T]) close(ctx context.Context) {
	defer l.cancel()
	defer context.AfterFunc(ctx, l.cancel)()
	l.shut()
	for _, w := range l.workers {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		wake(w.wakeCh)
	}
	l.wg.Wait()
}

// wake leaves a token in a channel that holds one.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// pause waits while a worker gathers. Nobody gathers in a lane that is closed.
func (l *lane[T]) pause(w *laneWorker[T], gather time.Duration) {
	if gather == 0 {
		return
	}
	t := time.NewTimer(gather)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.goCh:
	case <-l.open.Done():
	}
}

// hurry has the key's worker hand over at once what it has gathered.
func (l *lane[T]) hurry(key int64) { wake(l.worker(key).goCh) }

func (l *lane[T]) run(w *laneWorker[T], gather time.Duration, handle func(context.Context, []T)) {
	for range w.wakeCh {
		for {
			l.pause(w, gather)
			items, closed := w.take()
			if len(items) == 0 {
				if closed {
					return
				}
				break
			}
			handleInBatches(l.ctx, items, handle)
		}
	}
}

func (w *laneWorker[T]) take() (items []T, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	items, w.queue, w.bytes = w.queue, nil, 0
	return items, w.closed
}

func handleInBatches[T any](parent context.Context, items []T, handle func(context.Context, []T)) {
	for len(items) > 0 {
		n := min(len(items), laneBatch)
		ctx, cancel := context.WithTimeout(parent, backendTimeout)
		handle(ctx, items[:n])
		cancel()
		items = items[n:]
	}
}
