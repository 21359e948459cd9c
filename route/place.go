package route

import (
	"context"
	"slices"
)

// Place chooses a server that can take the user's connection now. Errors: ErrNoServer.
func (r *Router) Place(ctx context.Context, user int64) (Server, error) {
	s, _, err := r.place(ctx, user)
	return s, err
}

// place picks among the listed servers until one answers and has room.
func (r *Router) place(ctx context.Context, user int64) (Server, Peer, error) {
	left := slices.Clone(r.cfg.Registry.Servers())
	for len(left) > 0 {
		s := r.cfg.Pick(user, left)
		if p, ok := r.cfg.Peers.Peer(s); ok && hasRoom(ctx, p) {
			return s, p, nil
		}
		left = slices.DeleteFunc(left, func(o Server) bool { return o.Instance == s.Instance })
	}
	return Server{}, nil, ErrNoServer
}

func hasRoom(ctx context.Context, p Peer) bool {
	l, err := p.Load(ctx)
	return err == nil && !l.Draining && l.Conns < l.Capacity
}
