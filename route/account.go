package route

import (
	"context"
	"fmt"
)

// Register makes an account with a secret, of which it gets the hash (zero: none), or returns the one that has the
// name as it is. Errors: ErrInvalidName and those of the store.
func (r *Router) Register(ctx context.Context, name string, kind Kind, secret SecretHash) (Account, bool, error) {
	a, created, err := r.cfg.Accounts.Create(ctx, name, kind, secret)
	if err != nil {
		return Account{}, false, fmt.Errorf("register %q: %w", name, err)
	}
	r.known.add(a.ID)
	return a, created, nil
}

// Account finds one account by its id. Errors: ErrUnknownUser.
func (r *Router) Account(ctx context.Context, id int64) (Account, error) {
	found, err := r.cfg.Accounts.ByID(ctx, []int64{id})
	if err != nil {
		return Account{}, fmt.Errorf("look up user %d: %w", id, err)
	}
	if found[0].ID == 0 {
		return Account{}, ErrUnknownUser
	}
	r.known.add(id)
	return found[0], nil
}

// AccountByName finds one account by its name. Errors: ErrUnknownUser.
func (r *Router) AccountByName(ctx context.Context, name string) (Account, error) {
	return r.cfg.Accounts.ByName(ctx, name)
}

// AccountsByPrefix lists accounts whose names begin with prefix, ordered by name.
func (r *Router) AccountsByPrefix(ctx context.Context, prefix string, limit int) ([]Account, error) {
	return r.cfg.Accounts.ByPrefix(ctx, prefix, limit)
}

// unknown returns those of ids that have no account. Errors: errDirectoryAway and those of the store.
func (r *Router) unknown(ctx context.Context, ids []int64) (map[int64]bool, error) {
	var ask []int64
	for _, id := range ids {
		if !r.known.has(id) {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	var found []Account
	err := r.briefly(ctx, func(ctx context.Context) (err error) {
		found, err = r.cfg.Accounts.ByID(ctx, ask)
		return err
	})
	if err != nil {
		return nil, err
	}
	missing := make(map[int64]bool)
	for i, a := range found {
		if a.ID == 0 {
			missing[ask[i]] = true
			continue
		}
		r.known.add(a.ID)
	}
	return missing, nil
}
