package route

import (
	"context"
	"fmt"
)

// Acknowledge drops what receivers have handled.
func (r *Router) Acknowledge(ctx context.Context, acks []Ack) error {
	return r.cfg.Inbox.Ack(ctx, acks)
}

// Backlog reads an inbox; see Inbox.Read.
func (r *Router) Backlog(ctx context.Context, user int64, after Cursor, limit, maxBytes int) (Page, error) {
	return r.cfg.Inbox.Read(ctx, user, after, limit, maxBytes)
}

// FetchOffline makes the user's server send what their session has not been sent yet. The messages travel
// on the session's connection. A user without a session has nothing to fetch with: ErrOffline.
func (r *Router) FetchOffline(ctx context.Context, user int64) error {
	at, err := r.cfg.Directory.Lookup(ctx, []int64{user})
	if err != nil {
		return fmt.Errorf("look up the session of %d: %w", user, err)
	}
	p, ok := r.peer(at[0].Instance)
	if !ok {
		return ErrOffline
	}
	there, err := p.CatchUp(ctx, user)
	if err == nil && !there {
		return ErrOffline
	}
	return err
}
