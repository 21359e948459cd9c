package embedded

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// epochsAhead is how many epochs (milliseconds, unless logins come faster) one synced write reserves.
const epochsAhead = 60_000

// epochs gives out session epochs: one counter for all users, which follows the clock and never goes back, not
// even with it. What is on the disk is a limit that no epoch has passed; a new process begins there.
// Confined to the committer.
type epochs struct {
	last  uint64
	limit uint64 // durable
}

// next returns a new epoch, having reserved more first when none are left.
func (e *epochs) next(s *Store) (uint64, error) {
	epoch := max(e.last+1, s.nowMs())
	if epoch > e.limit {
		limit := epoch + epochsAhead
		b := s.db.NewBatch()
		if err := b.Set(keyEpochLimit, uint64Value(limit), nil); err != nil {
			return 0, fmt.Errorf("%w: reserve epochs: %w", route.ErrStoreUnavailable, err)
		}
		if err := s.commit(b, true); err != nil {
			return 0, err
		}
		e.limit = limit
	}
	e.last = epoch
	return epoch, nil
}

type claimRequest struct {
	ticket
	ask   route.ClaimRequest
	claim route.Claim
	err   error
}

// Claim implements route.Directory.
func (s *Store) Claim(ctx context.Context, ask route.ClaimRequest) (route.Claim, error) {
	r := &claimRequest{ticket: newTicket(), ask: ask}
	if err := s.submit(ctx, r); err != nil {
		return route.Claim{}, err
	}
	if err := r.wait(ctx, s.endedCh); err != nil {
		return route.Claim{}, err
	}
	return r.claim, r.err
}

func (c *claimRequest) first() bool { return true }

func (c *claimRequest) weight() int { return 200 }

// apply claims, then acknowledges. Being first in the round it sees what earlier rounds stored; a message of
// this round is answered later, with the new holder. So whoever is told of a message beyond Claim.Inbox is
// told of this session too.
func (c *claimRequest) apply(r *round) {
	s := r.store
	in, err := s.inboxes.get(s.db, c.ask.User)
	if err != nil {
		c.err = err
		return
	}
	epoch, err := s.epochs.next(s) // wasted if the claim is refused, which does no harm
	if err != nil {
		c.err = err
		return
	}
	if c.claim, c.err = s.directory.claim(&c.ask, epoch); c.err != nil {
		return
	}
	if in.logEpoch == 0 {
		// Named now, so that the session is not told of another epoch with its first message.
		in.logEpoch = max(1, r.nowMs)
		r.change(in)
		r.sync = true
	}
	if c.err = r.ack(in, c.ask.Cursor); c.err != nil {
		s.directory.release(c.ask.User, c.claim.Epoch)
		c.claim = route.Claim{}
		return
	}
	c.claim.Inbox = in.position()
}

func (c *claimRequest) finish(_ *Store, err error) {
	if err != nil {
		c.claim, c.err = route.Claim{}, err
	}
}

func readUint64(db *pebble.DB, key []byte) (uint64, error) {
	value, closer, err := db.Get(key)
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, errCorrupt
	}
	return binary.BigEndian.Uint64(value), nil
}
