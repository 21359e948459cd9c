package embedded

import (
	"context"
	"errors"
	"fmt"

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
			c, err := s.byID(id)
			if err != nil {
				return err
			}
			found[i] = c.Account
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// byID must run in read or on the committer, while the files are surely open.
func (s *Store) byID(id int64) (route.Credentials, error) {
	c, changes, ok := s.accounts.cached(id)
	if ok || id <= 0 || id > s.accounts.durable.Load() {
		return c, nil
	}
	c, err := readRecord(s.db, id)
	if err == nil && c.ID != 0 {
		s.accounts.keepRead(c, changes)
	}
	return c, err
}

// Credentials implements route.Accounts.
func (s *Store) Credentials(ctx context.Context, id int64) (c route.Credentials, err error) {
	if err := ctx.Err(); err != nil {
		return c, fmt.Errorf("embedded: %w", err)
	}
	err = s.read(func() (err error) {
		c, err = s.byID(id)
		return err
	})
	if err == nil && c.ID == 0 {
		return c, fmt.Errorf("embedded: %w", route.ErrUnknownUser)
	}
	return c, err
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
		c, err := s.byID(found.ID)
		a = c.Account
		return err
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
				var c route.Credentials
				c, err = s.byID(a.ID)
				found = append(found, c.Account)
			}
			return len(found) < limit, errors.Join(err, ctx.Err())
		})
	})
	return found, err
}
