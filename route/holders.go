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
