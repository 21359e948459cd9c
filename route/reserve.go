package route

import (
	"context"
	"fmt"
)

// Reserve is CIM's login: it claims the session on behalf of the server that the client will be sent to,
// before the client connects there. What is sent to the user meanwhile waits for them.
// A claim whose answer is lost, or a route that dies here, leaves a session that its server does not prove: a login takes
// it over once it is older than reservationGrace.
// Errors: ErrUnknownUser, ErrNameMismatch, ErrDisabled, ErrHeld, ErrNoServer, and those of the store.
func (r *Router) Reserve(ctx context.Context, user int64, name string) (Server, error) {
	s, p, err := r.place(ctx, user)
	if err != nil {
		return Server{}, err
	}
	c, err := r.claim(ctx, ClaimRequest{User: user, Instance: s.Instance, Check: &AccountCheck{Name: name}})
	if err != nil {
		return Server{}, err
	}
	if err := r.reserveAt(ctx, p, c); err != nil {
		r.undo(ctx, user, c.Epoch)
		return Server{}, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return s, nil
}

// reserveAt tells the server. It gives up well within reservationGrace, so that nobody takes the session over while
// its login may still succeed.
func (r *Router) reserveAt(ctx context.Context, p Peer, c Claim) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProofTimeout)
	defer cancel()
	return p.Reserve(ctx, c.Account, c.Epoch)
}

// undo releases the session of a login that failed, so that it does not lock the user out. That the caller has
// given up may be why it failed.
func (r *Router) undo(ctx context.Context, user int64, epoch uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.ProofTimeout)
	defer cancel()
	if err := r.cfg.Directory.Release(ctx, user, epoch); err != nil {
		r.cfg.Logger.Warn("a failed login was not undone", "user", user, "err", err)
	}
}
