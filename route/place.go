package route

import (
	"context"
	"slices"
	"time"
)

const (
	// maxAdmission is how late a client with hello may be asked to come: the validity of its ticket begins then.
	maxAdmission = 60 * time.Second
	// maxCIMAdmission is the same for a client of CIM, which cannot be asked to wait.
	maxCIMAdmission = time.Second
)

// Place chooses a server that takes the user's connection, and says from when on. Errors: ErrNoServer.
func (r *Router) Place(ctx context.Context, user int64) (Server, Admission, error) {
	s, _, a, err := r.admit(ctx, user, maxAdmission)
	return s, a, err
}

// place is Place for a client that comes at once.
func (r *Router) place(ctx context.Context, user int64) (Server, Peer, error) {
	s, p, _, err := r.admit(ctx, user, maxCIMAdmission)
	return s, p, err
}

// admit picks among the listed servers until one takes the user.
func (r *Router) admit(ctx context.Context, user int64, within time.Duration) (Server, Peer, Admission, error) {
	left := slices.Clone(r.cfg.Registry.Servers())
	for len(left) > 0 {
		s := r.cfg.Pick(user, left)
		if p, ok := r.cfg.Peers.Peer(s); ok {
			if a, err := r.expect(ctx, p, user, within); err == nil {
				return s, p, a, nil
			}
		}
		left = slices.DeleteFunc(left, func(o Server) bool { return o.Instance == s.Instance })
	}
	return Server{}, nil, Admission{}, ErrNoServer
}

// expect gives a server no longer to answer than for a proof.
func (r *Router) expect(ctx context.Context, p Peer, user int64, within time.Duration) (Admission, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProofTimeout)
	defer cancel()
	return p.Expect(ctx, user, within)
}
