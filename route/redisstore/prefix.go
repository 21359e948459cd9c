package redisstore

import (
	"context"
	"slices"

	"cim/route"
)

// maxPrefix bounds what one search reads from each part of the index.
const maxPrefix = 1000

// ByPrefix implements route.Accounts. limit is at most 1,000. Three round trips: names from every part of the index,
// then ids, then accounts.
func (s *Store) ByPrefix(ctx context.Context, prefix string, limit int) ([]route.Account, error) {
	limit = min(limit, maxPrefix)
	if limit <= 0 {
		return nil, ctxError(ctx)
	}
	var found []route.Account
	from := "-"
	if prefix != "" {
		from = "[" + prefix
	}
	for {
		names, err := s.listed(ctx, from, prefix, limit)
		if err != nil {
			return nil, err
		}
		some, err := s.byNames(ctx, names)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
		// A name may be listed without being given yet; then the page is filled from what follows.
		if len(found) >= limit || len(names) < limit {
			return found[:min(limit, len(found))], nil
		}
		from = "(" + names[len(names)-1]
	}
}

// listed returns the first names of the index from a bound on, in order.
func (s *Store) listed(ctx context.Context, from, prefix string, limit int) ([]string, error) {
	to := "+"
	if prefix != "" {
		to = "(" + prefix + "\xff" // no UTF-8 has this byte
	}
	calls := make([]*call, indexShards)
	for n := range calls {
		key := s.keys.indexShard(n)
		calls[n] = &call{key: key, args: []any{"zrange", key, from, to, "bylex", "limit", 0, limit}}
	}
	s.do(ctx, calls...)
	var names []string
	for _, c := range calls {
		if c.err != nil {
			return nil, c.err
		}
		r := newReply(c.reply)
		for range len(r.rest) {
			names = append(names, r.text())
		}
		if r.bad {
			return nil, r.err()
		}
	}
	slices.Sort(names)
	return names[:min(limit, len(names))], nil
}
