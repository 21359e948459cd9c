package peer

import (
	"context"
	"time"

	cimpb "cim/proto"
)

// item is a part of a call that goes into one batch as a whole.
type item struct {
	// Immutable after newItem.
	ctx     context.Context // of the caller; when it has ended before its turn, the item is not sent, unless keep is set
	since   time.Time
	cost    int  // bytes it takes at most in a batch, or its answer in a reply
	count   int  // messages and questions in it
	message bool // and not a question
	once    bool // must not be sent twice
	keep    bool // is sent although its caller has left

	// add puts it into a batch and returns how to read its answer.
	add    func(*cimpb.PushBatch) func(*cimpb.PushReply)
	doneCh chan error // takes one

	lost func() // not nil: is called when it has failed

	read func(*cimpb.PushReply) // of the lane that has sent it
}

func newItem(ctx context.Context, add func(*cimpb.PushBatch) func(*cimpb.PushReply), cost, count int) *item {
	return &item{ctx: ctx, since: time.Now(), cost: cost, count: count, add: add, doneCh: make(chan error, 1)}
}

// addNothing is for a batch of which only the load in the reply is wanted.
func addNothing(*cimpb.PushBatch) func(*cimpb.PushReply) { return func(*cimpb.PushReply) {} }

// wait returns when the item was answered or has failed, or its caller gives up. After an error nothing that the
// reader writes may be looked at: the answer may be coming in.
func (i *item) wait() error {
	select {
	case err := <-i.doneCh:
		return err
	case <-i.ctx.Done():
		return i.ctx.Err()
	}
}

// late is why an item is not worth sending any more.
func (i *item) late(timeout time.Duration) error {
	if err := i.ctx.Err(); err != nil && !i.keep {
		return err
	}
	if time.Since(i.since) > timeout {
		return ErrUnanswered
	}
	return nil
}
