package route

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Online lists users with a session, page by page: cursor is empty at first and then what the last call
// returned as next, which is empty at the end. Who comes or goes meanwhile may or may not be seen. A page
// may hold fewer than limit users before the end.
func (r *Router) Online(ctx context.Context, cursor string, limit int) (page []Account, next string, err error) {
	instance, after, err := parseOnlineCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	for _, s := range r.cfg.Registry.Servers() {
		if s.Instance < instance {
			continue
		}
		if s.Instance != instance {
			after = 0
		}
		p, ok := r.cfg.Peers.Peer(s)
		if !ok {
			continue
		}
		ids, more, err := p.Online(ctx, after, limit)
		if err != nil {
			return nil, "", fmt.Errorf("list the users of %s: %w", s.Instance, err)
		}
		_, _ = ids, more
	}
	return page, next, nil
}

func parseOnlineCursor(cursor string) (instance string, after int64, err error) {
	if cursor == "" {
		return "", 0, nil
	}
	instance, number, ok := strings.Cut(cursor, ".")
	if ok {
		after, err = strconv.ParseInt(number, 10, 64)
	}
	if !ok || err != nil || after < 0 {
		return "", 0, ErrInvalidCursor
	}
	return instance, after, nil
}
