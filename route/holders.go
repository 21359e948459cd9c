package route

import (
	"context"
	"fmt"
)

// Holders says where users are connected now, in their order; the zero Location where nobody is. A Location of
// an instance that no longer runs is answered too.
func (r *Router) Holders(ctx context.Context, users []int64) ([]Location, error) {
	at, err := r.cfg.Directory.Lookup(ctx, users)
	if err != nil {
		return nil, fmt.Errorf("look up %d users: %w", len(users), err)
	}
	return at, nil
}

// Lives reports whether the server of a session proves, within Config.ProofTimeout, that it has it.
func (r *Router) Lives(ctx context.Context, user int64, l Location) bool {
	if !l.Held() {
		return false
	}
	holds, _ := r.proof(ctx, user, l)
	return holds
}
