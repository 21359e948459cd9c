package embedded

import (
	"bytes"
	"context"
	"fmt"

	"cim/route"
)

// totalSize is what stands before the body in a message's value; see keys.go.
const totalSize = 8

// Read implements route.Inbox.
func (s *Store) Read(ctx context.Context, user int64, after route.Cursor, limit, maxBytes int) (page route.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, fmt.Errorf("embedded: %w", err)
	}
	err = s.read(func() error {
		m, err := s.committed(user)
		page.Position, page.Shared = m.position(), m.shared(after.LogEpoch)
		if err != nil || limit <= 0 {
			return err
		}
		if after.LogEpoch != page.LogEpoch {
			after.Seq = min(after.Seq, page.Shared.Seq)
		}
		return s.readMessages(ctx, &page, user, after.Seq, limit, maxBytes)
	})
	return page, err
}

// Position implements route.Inbox.
func (s *Store) Position(ctx context.Context, user int64) (p route.Position, err error) {
	if err := ctx.Err(); err != nil {
		return p, fmt.Errorf("embedded: %w", err)
	}
	err = s.read(func() error {
		m, err := s.committed(user)
		p = m.position()
		return err
	})
	return p, err
}

// committed returns what is committed of an inbox. Pebble shows a batch before it is on the disk, so its record counts
// only when the committer did not have the inbox in hand, before and after it was read.
func (s *Store) committed(user int64) (meta, error) {
	if m, ok := s.inboxes.published(user); ok {
		return m, nil
	}
	m, err := readMeta(s.db, user)
	if m, ok := s.inboxes.published(user); ok {
		return m, nil
	}
	return m, err
}

// readMessages fills the page with what lies in (after, page.Last]. When messages at the beginning are gone,
// an ACK overtook the reader, and the page says how far.
func (s *Store) readMessages(ctx context.Context, page *route.Page, user int64, after uint64, limit, maxBytes int) error {
	next := max(after, page.Acked) + 1
	if next > page.Last {
		return nil
	}
	from, to := appendSeqKey(nil, kindMessage, user, next), appendSeqKey(nil, kindMessage, user, page.Last+1)
	size, begun := 0, false
	err := scan(s.db, from, to, func(key, value []byte) (bool, error) {
		seq := seqOfKey(key)
		if !begun && seq > next {
			page.Acked, next = seq-1, seq
		}
		begun = true
		if seq != next || len(value) < totalSize {
			return false, errCorrupt
		}
		body := value[totalSize:]
		if len(page.Messages) > 0 && size+len(body) > maxBytes {
			return false, nil
		}
		size += len(body)
		next++
		page.Messages = append(page.Messages, route.Stored{Seq: seq, Body: bytes.Clone(body)})
		return len(page.Messages) < limit, ctx.Err()
	})
	if err == nil && !begun {
		page.Acked = page.Last
	}
	return err
}
