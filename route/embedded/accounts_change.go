package embedded

import (
	"context"

	"cim/route"
)

// SetSecret implements route.Accounts.
func (s *Store) SetSecret(ctx context.Context, id int64, secret route.SecretHash) error {
	return s.changeAccount(ctx, id, func(c *route.Credentials) bool {
		c.Secret = secret
		c.Generation++
		return true
	})
}

// SetDisabled implements route.Accounts.
func (s *Store) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	return s.changeAccount(ctx, id, func(c *route.Credentials) bool {
		if c.Disabled == disabled {
			return false
		}
		c.Disabled = disabled
		if disabled {
			c.Generation++
		}
		return true
	})
}

// changeRequest changes an account's record.
type changeRequest struct {
	ticket
	id     int64
	change func(c *route.Credentials) (changed bool) // called by the committer, or never
	err    error
}

func (s *Store) changeAccount(ctx context.Context, id int64, change func(*route.Credentials) bool) error {
	r := &changeRequest{ticket: newTicket(), id: id, change: change}
	if err := s.submit(ctx, r); err != nil {
		return err
	}
	if err := r.wait(ctx, s.endedCh); err != nil {
		return err
	}
	return r.err
}

func (c *changeRequest) first() bool { return false }

func (c *changeRequest) weight() int { return 200 }

// apply changes what earlier requests of the round left. It does not grow the store, so a full disk does not
// stop it: an account has to be disabled then as well.
func (c *changeRequest) apply(r *round) {
	now, ok := r.changed[c.id]
	if !ok {
		if now, c.err = readRecord(r.store.db, c.id); c.err != nil {
			return
		}
	}
	if now.ID == 0 || now.ID > r.store.accounts.durable.Load() {
		c.err = route.ErrUnknownUser
		return
	}
	if !c.change(&now) {
		return
	}
	r.changed[c.id] = now
	r.set(appendUserKey(nil, kindAccount, c.id), recordValue(&now))
	r.sync = true
}

func (c *changeRequest) finish(_ *Store, err error) {
	if err != nil {
		c.err = err
	}
}
