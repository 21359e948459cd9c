package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// ByID implements route.Accounts.
func (s *Store) ByID(ctx context.Context, ids []int64) ([]route.Account, error) {
	found := make([]route.Account, len(ids))
	err := s.read(func() error {
		for i, id := range ids {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("embedded: %w", err)
			}
			a, err := s.byID(id)
			if err != nil {
				return err
			}
			found[i] = a
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *Store) byID(id int64) (a route.Account, err error) {
	if a, ok := s.accounts.cached(id); ok {
		return a, nil
	}
	if id <= 0 || id > s.accounts.durable.Load() {
		return a, nil
	}
	var key [9]byte
	value, closer, err := s.db.Get(appendUserKey(key[:0], kindAccount, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("%w: read account: %w", route.ErrStoreUnavailable, err)
	}
	defer closer.Close()
	if len(value) == 0 {
		return a, fmt.Errorf("%w: account %d: %w", route.ErrStoreUnavailable, id, errCorrupt)
	}
	a = route.Account{ID: id, Name: string(value[1:]), Kind: route.Kind(value[0])}
	s.accounts.keep(a)
	return a, nil
}

// ByName implements route.Accounts.
func (s *Store) ByName(ctx context.Context, name string) (a route.Account, err error) {
	if err := ctx.Err(); err != nil {
		return a, fmt.Errorf("embedded: %w", err)
	}
	err = s.read(func() error {
		found, ok, err := readName(s.db, name)
		if err != nil {
			return err
		}
		if !ok || found.ID > s.accounts.durable.Load() {
			return fmt.Errorf("embedded: %w", route.ErrUnknownUser)
		}
		a = found
		return nil
	})
	return a, err
}

// ByPrefix implements route.Accounts.
func (s *Store) ByPrefix(ctx context.Context, prefix string, limit int) (found []route.Account, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if limit <= 0 {
		return nil, s.unavailable()
	}
	from := nameKey(prefix)
	err = s.read(func() error {
		return scan(s.db, from, after(from), func(key, value []byte) (bool, error) {
			a, err := parseName(string(key[1:]), value)
			if err == nil && a.ID <= s.accounts.durable.Load() {
				found = append(found, a)
			}
			return len(found) < limit, errors.Join(err, ctx.Err())
		})
	})
	return found, err
}
