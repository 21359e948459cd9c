package redisstore

import (
	"context"
	"fmt"

	"cim/route"
)

// accountCall asks for an account with all that is kept of it.
func (s *Store) accountCall(id int64) *call {
	key := s.keys.account(id)
	return &call{key: key, args: []any{"hmget", key, "n", "k", "d", "s", "g"}}
}

// parseCredentials gives the zero Credentials when there is no such account.
func parseCredentials(id int64, v any) (c route.Credentials, err error) {
	r := newReply(v)
	c.Name, c.Kind, c.Disabled = r.text(), route.Kind(r.number()), r.number() == 1
	secret := r.text()
	c.Generation = r.number()
	if err := r.err(); err != nil || c.Name == "" {
		return route.Credentials{}, err
	}
	if copy(c.Secret[:], secret) != len(c.Secret) {
		return route.Credentials{}, unexpected()
	}
	c.ID = id
	return c, nil
}

func (s *Store) credentials(ctx context.Context, ids []int64) ([]route.Credentials, error) {
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = s.accountCall(id)
	}
	s.do(ctx, calls...)
	found := make([]route.Credentials, len(ids))
	for i, c := range calls {
		if c.err != nil {
			return nil, c.err
		}
		var err error
		if found[i], err = parseCredentials(ids[i], c.reply); err != nil {
			return nil, err
		}
	}
	return found, ctxError(ctx)
}

// ByID implements route.Accounts.
func (s *Store) ByID(ctx context.Context, ids []int64) ([]route.Account, error) {
	all, err := s.credentials(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make([]route.Account, len(ids))
	for i := range all {
		found[i] = all[i].Account
	}
	return found, nil
}

// Credentials implements route.Accounts.
func (s *Store) Credentials(ctx context.Context, id int64) (route.Credentials, error) {
	found, err := s.credentials(ctx, []int64{id})
	switch {
	case err != nil:
		return route.Credentials{}, err
	case found[0].ID == 0:
		return route.Credentials{}, fmt.Errorf("redisstore: %w", route.ErrUnknownUser)
	}
	return found[0], nil
}

// ByName implements route.Accounts.
func (s *Store) ByName(ctx context.Context, name string) (route.Account, error) {
	found, err := s.byNames(ctx, []string{name})
	switch {
	case err != nil:
		return route.Account{}, err
	case len(found) == 0:
		return route.Account{}, fmt.Errorf("redisstore: %w", route.ErrUnknownUser)
	}
	return found[0], nil
}

// byNames returns the accounts of names, in that order, without those that nobody has.
func (s *Store) byNames(ctx context.Context, names []string) ([]route.Account, error) {
	calls := make([]*call, len(names))
	for i, name := range names {
		key := s.keys.name(name)
		calls[i] = &call{key: key, args: []any{"get", key}}
	}
	s.do(ctx, calls...)
	var ids []int64
	for _, c := range calls {
		if c.err != nil {
			return nil, c.err
		}
		if c.reply == nil {
			continue
		}
		owner, err := parseOwner(c.reply)
		if err != nil {
			return nil, err
		}
		if !owner.reserved {
			ids = append(ids, owner.id)
		}
	}
	return s.existing(ctx, ids)
}

// existing returns the accounts of ids without those that are not there: a node that lost its tail may have lost
// the account and kept the name, until the name is registered again.
func (s *Store) existing(ctx context.Context, ids []int64) ([]route.Account, error) {
	all, err := s.ByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	var found []route.Account
	for _, a := range all {
		if a.ID != 0 {
			found = append(found, a)
		}
	}
	return found, nil
}
