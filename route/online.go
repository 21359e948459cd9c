package route

import (
	"context"
	"fmt"
	"slices"
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
	servers := slices.SortedFunc(slices.Values(r.cfg.Registry.Servers()), byInstance)
	from := slices.IndexFunc(servers, func(s Server) bool { return s.Instance >= instance })
	if from < 0 {
		return nil, "", nil
	}
	if servers[from].Instance != instance {
		after = 0
	}
	ids, more, err := r.onlineAt(ctx, servers[from], after, limit)
	if err != nil {
		return nil, "", err
	}
	page, err = r.named(ctx, ids)
	return page, nextOnline(servers[from:], more), err
}

func byInstance(a, b Server) int { return strings.Compare(a.Instance, b.Instance) }

// onlineAt asks one server. One that has just left the list has no users; those of one that does not answer, which is about
// to leave it or is cut off, are left out.
func (r *Router) onlineAt(ctx context.Context, s Server, after int64, limit int) (ids []int64, more int64, err error) {
	p, ok := r.cfg.Peers.Peer(s)
	if !ok {
		return nil, 0, nil
	}
	ids, more, err = p.Online(ctx, after, limit)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, 0, fmt.Errorf("list the users of %s: %w", s.Instance, err)
	case err != nil:
		r.cfg.Logger.Warn("the users of a server are left out: it does not answer", "instance", s.Instance, "err", err)
		return nil, 0, nil
	}
	return ids, more, nil
}

func nextOnline(servers []Server, more int64) string {
	switch {
	case more != 0:
		return servers[0].Instance + "." + strconv.FormatInt(more, 10)
	case len(servers) > 1:
		return servers[1].Instance + ".0"
	}
	return ""
}

// named turns ids into accounts and leaves out ids without one.
func (r *Router) named(ctx context.Context, ids []int64) ([]Account, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := r.cfg.Accounts.ByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up names: %w", err)
	}
	return slices.DeleteFunc(found, func(a Account) bool { return a.ID == 0 }), nil
}

// OnlineCount sums the sessions of all servers but those that do not answer, which have most likely just died.
func (r *Router) OnlineCount(ctx context.Context) (int, error) {
	total := 0
	for _, s := range r.cfg.Registry.Servers() {
		p, ok := r.cfg.Peers.Peer(s)
		if !ok {
			continue
		}
		l, err := p.Load(ctx)
		if err != nil && ctx.Err() != nil {
			return 0, fmt.Errorf("ask %s for its load: %w", s.Instance, err)
		}
		if err != nil {
			r.cfg.Logger.Warn("the sessions of a server are not counted: it does not answer", "instance", s.Instance, "err", err)
			continue
		}
		total += l.Sessions
	}
	return total, nil
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
