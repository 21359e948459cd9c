package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

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
	return epoch, e.reach(s, epoch)
}

// reach takes an epoch above the last one, and makes sure that every later one is above it.
func (e *epochs) reach(s *Store, epoch uint64) error {
	if epoch > e.limit {
		limit := epoch + epochsAhead
		b := s.db.NewBatch()
		if err := b.Set(keyEpochLimit, uint64Value(limit), nil); err != nil {
			return fmt.Errorf("%w: reserve epochs: %w", route.ErrStoreUnavailable, err)
		}
		if err := s.commit(b, true); err != nil {
			return err
		}
		e.limit = limit
	}
	e.last = epoch
	return nil
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
	account, err := c.check(s)
	if err != nil {
		c.err = err
		return
	}
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
		c.claim.HeldFor = age(c.claim.Previous.Epoch, r.nowMs)
		return
	}
	r.nameLog(in)
	if c.err = r.ack(in, c.ask.Cursor); c.err != nil {
		s.directory.release(c.ask.User, c.claim.Epoch)
		c.claim = route.Claim{}
		return
	}
	c.claim.Inbox, c.claim.Shared, c.claim.Account = in.position(), in.shared(c.ask.Cursor.LogEpoch), account
}

// check looks at the account when the claim asks for it. A change of the account that is in the same round comes
// after the claim, and is answered after it.
func (c *claimRequest) check(s *Store) (route.Account, error) {
	if c.ask.Check == nil {
		return route.Account{}, nil
	}
	account, err := s.byID(c.ask.User)
	if err == nil {
		err = c.ask.Check.May(account)
	}
	return account.Account, err
}

// age is how long ago an epoch was given, as far as the clock tells: epochs may run ahead of it.
func age(epoch, nowMs uint64) time.Duration {
	if epoch >= nowMs {
		return 0
	}
	return time.Duration(nowMs-epoch) * time.Millisecond
}

// nameLog gives an inbox that was never used its log epoch, so that its session is not told of another one with its
// first message.
func (r *round) nameLog(in *inbox) {
	if in.logEpoch != 0 {
		return
	}
	in.logEpoch = max(1, r.nowMs)
	r.change(in)
	r.sync = true
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
