package redisstore

import (
	"context"

	"cim/route"
)

// totalBytes is how much of an element is not its body: see lua/inbox.lua.
const totalBytes = 4

// Ack implements route.Inbox.
func (s *Store) Ack(ctx context.Context, acks []route.Ack) error {
	calls := make([]*call, len(acks))
	for i, a := range acks {
		user := s.keys.user(a.User)
		calls[i] = &call{
			key: user, function: ackFunction, keys: []string{user, s.keys.inbox(a.User)},
			args: []any{a.Cursor.LogEpoch, a.Cursor.Seq},
		}
	}
	s.do(ctx, calls...)
	for _, c := range calls {
		if c.err != nil {
			return c.err
		}
	}
	return ctxError(ctx)
}

// Read implements route.Inbox.
func (s *Store) Read(ctx context.Context, user int64, after route.Cursor, limit, maxBytes int) (route.Page, error) {
	key := s.keys.user(user)
	c := &call{
		key: key, function: readFunction, keys: []string{key, s.keys.inbox(user)},
		args: []any{after.LogEpoch, after.Seq, max(0, limit), maxBytes},
	}
	if s.do(ctx, c); c.err != nil {
		return route.Page{}, c.err
	}
	return parsePage(newReply(c.reply), after.LogEpoch)
}

// parsePage reads the answer to a Read after a place of the log asked.
func parsePage(r *reply, asked uint64) (p route.Page, err error) {
	p.Position, p.Shared = r.position(), r.shared(asked)
	first := r.number()
	for i := range uint64(len(r.rest)) {
		element := r.text()
		if len(element) < totalBytes {
			return route.Page{}, unexpected()
		}
		p.Messages = append(p.Messages, route.Stored{Seq: first + i, Body: []byte(element[totalBytes:])})
	}
	if err := r.err(); err != nil {
		return route.Page{}, err
	}
	return p, nil
}

// Position implements route.Inbox.
func (s *Store) Position(ctx context.Context, user int64) (route.Position, error) {
	key := s.keys.user(user)
	c := &call{key: key, args: []any{"hmget", key, "l", "s", "a"}}
	if s.do(ctx, c); c.err != nil {
		return route.Position{}, c.err
	}
	r := newReply(c.reply)
	return r.position(), r.err()
}
