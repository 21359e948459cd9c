package route

import (
	"context"
	"fmt"
	"slices"
)

// Place chooses a server that can take the user's connection now. Errors: ErrNoServer.
func (r *Router) Place(ctx context.Context, user int64) (Server, error) {
	s, _, err := r.place(ctx, user)
	return s, err
}

// Reserve is CIM's login: it claims the session on behalf of the server that the client will be sent to,
// before the client connects there. What is sent to the user meanwhile waits for them.
// Errors: ErrUnknownUser, ErrNameMismatch, ErrDisabled, ErrHeld, ErrNoServer, and those of the store.
func (r *Router) Reserve(ctx context.Context, user int64, name string) (Server, error) {
	a, err := r.checkedAccount(ctx, user, name, 0)
	if err != nil {
		return Server{}, err
	}
	s, p, err := r.place(ctx, user)
	if err != nil {
		return Server{}, err
	}
	lock := &r.reserving[uint64(user)%uint64(len(r.reserving))]
	lock.Lock()
	defer lock.Unlock()
	c, err := r.claim(ctx, ClaimRequest{User: user, Instance: s.Instance})
	if err != nil {
		return Server{}, err
	}
	if err := p.Reserve(ctx, a, c.Epoch); err != nil {
		// The login has failed, so it must not leave a session behind that locks the user out.
		if rerr := r.cfg.Directory.Release(ctx, user, c.Epoch); rerr != nil {
			r.cfg.Logger.Warn("a failed login was not undone", "user", user, "err", rerr)
		}
		return Server{}, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return s, nil
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
