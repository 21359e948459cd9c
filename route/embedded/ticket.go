package embedded

import (
	"context"
	"fmt"
	"sync"

	"cim/route"
)

// ticket is the caller's and the committer's common part of a request. The caller may leave when its context
// ends: a request that the committer has not begun is withdrawn and never happens; of one that it has begun
// the caller learns nothing, but what it lent (bodies) is no longer read when wait returns.
type ticket struct {
	doneCh chan struct{} // closed by the committer after the answer is in place

	mu        sync.Mutex
	withdrawn bool // guarded by mu, which the committer holds while it reads the request
}

func newTicket() ticket { return ticket{doneCh: make(chan struct{})} }

// begin reports whether the request still counts; end must follow if so. Committer only.
func (t *ticket) begin() bool {
	t.mu.Lock()
	if t.withdrawn {
		t.mu.Unlock()
		return false
	}
	return true
}

func (t *ticket) end()    { t.mu.Unlock() }
func (t *ticket) answer() { close(t.doneCh) }

func (t *ticket) withdraw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.withdrawn = true
}

// wait returns when the request was answered (nil), ctx ended or the committer is gone.
func (t *ticket) wait(ctx context.Context, endedCh <-chan struct{}) error {
	select {
	case <-t.doneCh:
		return nil
	case <-ctx.Done():
		t.withdraw()
		return fmt.Errorf("embedded: gave up waiting: %w", ctx.Err())
	case <-endedCh:
	}
	select {
	case <-t.doneCh: // answered just before the end
		return nil
	default:
		return fmt.Errorf("%w: closed", route.ErrStoreUnavailable)
	}
}

// request is one thing for the committer to do.
type request interface {
	begin() bool
	end()
	// first reports whether the request goes before those of its round that are not first. What can free room
	// or hold a session goes first, and sees what earlier rounds committed, no more. Two calls of one
	// caller in sequence are never in one round, so nobody can tell.
	first() bool
	// weight is about how many bytes the request adds to the batch.
	weight() int
	// apply adds the request to the round.
	apply(r *round)
	// finish prepares the answer once the round is committed, or could not be (err).
	finish(s *Store, err error)
	answer()
}

// submit queues a request. It waits for room in the queue until ctx ends.
func (s *Store) submit(ctx context.Context, r request) error {
	if err := s.unavailable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	select {
	case s.queueCh <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("embedded: gave up waiting for the queue: %w", ctx.Err())
	case <-s.endedCh:
		return fmt.Errorf("%w: closed", route.ErrStoreUnavailable)
	}
}
