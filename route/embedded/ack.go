package embedded

import (
	"context"
	"encoding/binary"
	"fmt"

	"cim/route"
)

type ackRequest struct {
	ticket
	acks []route.Ack // a copy
	err  error
}

// Ack implements route.Inbox. It returns when the round is written, without waiting for the disk.
func (s *Store) Ack(ctx context.Context, acks []route.Ack) error {
	if len(acks) == 0 {
		return s.unavailable()
	}
	r := &ackRequest{ticket: newTicket(), acks: append([]route.Ack(nil), acks...)}
	if err := s.submit(ctx, r); err != nil {
		return err
	}
	if err := r.wait(ctx, s.endedCh); err != nil {
		return err
	}
	return r.err
}

func (a *ackRequest) first() bool { return true }

func (a *ackRequest) weight() int { return 200 * len(a.acks) }

func (a *ackRequest) apply(r *round) {
	for _, ack := range a.acks {
		in, err := r.store.inboxes.get(r.store.db, ack.User)
		if err == nil {
			err = r.ack(in, ack.Cursor)
		}
		if err != nil {
			a.err = err // the others are tried all the same
		}
	}
}

func (a *ackRequest) finish(_ *Store, err error) {
	if err != nil {
		a.err = err
	}
}

// ack applies one cursor. It relies on running before the appends of the round: what it drops is in the
// database.
func (r *round) ack(in *inbox, c route.Cursor) error {
	if r.tailLost(in, c) {
		return nil
	}
	if c.Seq = min(c.Seq, in.shared(c.LogEpoch).Seq); c.Seq <= in.acked {
		return nil
	}
	total := in.stored
	if c.Seq < in.last {
		var err error
		if total, err = r.totalAt(in.user, c.Seq); err != nil {
			return err
		}
	}
	r.deleteSeqs(kindMessage, in.user, in.acked+1, c.Seq+1)
	in.acked, in.dropped = c.Seq, total
	r.change(in)
	return nil
}

// tailLost is meta's, written down.
func (r *round) tailLost(in *inbox, c route.Cursor) bool {
	if !in.tailLost(c, r.nowMs) {
		return false
	}
	r.change(in)
	r.sync = true
	return true
}

// totalAt returns the bytes of bodies stored up to and including a message.
func (r *round) totalAt(user int64, seq uint64) (uint64, error) {
	r.key = appendSeqKey(r.key[:0], kindMessage, user, seq)
	value, closer, err := r.store.db.Get(r.key)
	if err != nil {
		return 0, fmt.Errorf("%w: read message %d of %d: %w", route.ErrStoreUnavailable, seq, user, err)
	}
	defer closer.Close()
	if len(value) < totalSize {
		return 0, fmt.Errorf("%w: message %d of %d: %w", route.ErrStoreUnavailable, seq, user, errCorrupt)
	}
	return binary.BigEndian.Uint64(value), nil
}
