package route

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Login asks for the session of a user on a server.
type Login struct {
	User     int64
	Name     string // checked against the account unless empty
	Device   string
	Instance string // the server that asks
	Cursor   Cursor // what the client has handled; zero: not said
	Reserved uint64 // epoch of the reservation that the login fulfils; 0: none
	// Generation is that of the ticket, and has to be the account's (see Credentials); 0: there is no ticket.
	Generation uint64
}

// Session is a granted login.
type Session struct {
	Account
	Epoch  uint64
	Inbox  Position
	Shared Cursor // how far the log of Login.Cursor is the inbox's; zero: nothing is known of it
}

// reservationGrace is how long a session of CIM's login may be on its way to the server that it was claimed for,
// which cannot prove it until then: the longest that a route waits for the server's answer, and as much again
// for the store's.
const reservationGrace = 2 * time.Second

// claimGrace is how long the store's answer to a claim may be on its way to the server that asked: until it has come,
// that server cannot prove the session. Meanwhile it is asked again each askAgain.
const (
	claimGrace = time.Second
	askAgain   = 20 * time.Millisecond
)

// Claim makes the asking server the holder of the user's session, in one call of the Directory, which looks at
// the account in the same step. So who disables an account afterwards finds the session there, and ends it.
// Errors: ErrUnknownUser, ErrNameMismatch, ErrDisabled, ErrReplacedSecret, ErrHeld, and those of the store.
func (r *Router) Claim(ctx context.Context, l Login) (Session, error) {
	req := ClaimRequest{
		User: l.User, Device: l.Device, Instance: l.Instance, Cursor: l.Cursor,
		Check: &AccountCheck{Name: l.Name, Generation: l.Generation},
	}
	if l.Reserved != 0 {
		req.Takeover, req.ReplaceEpoch = TakeoverEpoch, l.Reserved
	}
	c, err := r.claim(ctx, req)
	if err != nil {
		return Session{}, err
	}
	return Session{Account: c.Account, Epoch: c.Epoch, Inbox: c.Inbox, Shared: c.Shared}, nil
}

// claim resolves who may replace whom. A session is in the way only if its server proves that it lives.
func (r *Router) claim(ctx context.Context, req ClaimRequest) (Claim, error) {
	if r.cfg.Duplicate == DuplicateKick {
		req.Takeover = TakeoverAny
	}
	c, err := r.cfg.Directory.Claim(ctx, req)
	if errors.Is(err, ErrHeld) {
		c, err = r.contest(ctx, &req, c)
	}
	if err != nil {
		return Claim{}, fmt.Errorf("claim user %d: %w", req.User, err)
	}
	r.known.add(req.User)
	r.endPrevious(ctx, req, c.Previous)
	return c, nil
}

// contest goes on with a claim that a session is in the way of, and leaves in req what it asked for last. A server that
// says no to a session that was claimed a moment ago may not have heard of it yet: it is asked again until that moment
// has passed, or the session is there, or gone.
func (r *Router) contest(ctx context.Context, req *ClaimRequest, refused Claim) (Claim, error) {
	for tries := range claimGrace / askAgain {
		holds, answered := r.proof(ctx, req.User, refused.Previous)
		switch {
		case holds || answered && refused.reservation() && refused.HeldFor < reservationGrace:
			return Claim{}, ErrHeld
		case answered && refused.HeldFor < claimGrace && tries < claimGrace/askAgain-1 && !req.knows(refused.Previous):
			if err := pause(ctx, askAgain); err != nil {
				return Claim{}, err
			}
		default: // no server, no answer, or a no that counts
			req.Takeover, req.ReplaceEpoch = TakeoverEpoch, refused.Previous.Epoch
		}
		c, err := r.cfg.Directory.Claim(ctx, *req)
		if !errors.Is(err, ErrHeld) {
			return c, err
		}
		refused = c
	}
	return Claim{}, ErrHeld
}

// reservation reports whether a session that refused a claim may be one of CIM's login, which its server cannot prove
// until it has arrived there. Only CIM's sessions have no device.
func (c *Claim) reservation() bool { return c.Previous.Device == "" }

// knows reports whether a no of the server of l counts at once: it is the one that asks, and a server makes one claim
// for a user at a time.
func (r *ClaimRequest) knows(l Location) bool { return l.Instance == r.Instance && r.Device != "" }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// proof asks the server of a session whether it lives there.
func (r *Router) proof(ctx context.Context, user int64, l Location) (holds, answered bool) {
	p, ok := r.peer(l.Instance)
	if !ok {
		return false, false
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProofTimeout)
	defer cancel()
	holds, err := p.Holds(ctx, user, l.Epoch)
	return holds && err == nil, err == nil
}

// Renew asks the Directory about sessions of a server; see Directory.Renew.
func (r *Router) Renew(ctx context.Context, renewals []Renewal) []Renewed {
	return r.cfg.Directory.Renew(ctx, renewals)
}

// endPrevious tells the replaced session's server. A slow server is not waited for, and told later all the same: until the
// login is answered, the new session's own server cannot prove it. One that is not listed finds out by its sweep, at the
// latest when it is listed again.
func (r *Router) endPrevious(ctx context.Context, req ClaimRequest, previous Location) {
	if !previous.Held() || previous.Epoch == req.ReplaceEpoch && previous.Instance == req.Instance {
		return
	}
	p, ok := r.peer(previous.Instance)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.PushPatience)
	defer cancel()
	if _, err := p.Kick(ctx, req.User, previous.Epoch, KickReplaced); err != nil {
		r.cfg.Logger.Warn("the server of a replaced session was not told; it is when it answers, or it finds out by itself", "user", req.User, "instance", previous.Instance, "err", err)
	}
}

// Release ends a session; a newer one of the user stays.
func (r *Router) Release(ctx context.Context, user int64, epoch uint64) error {
	return r.cfg.Directory.Release(ctx, user, epoch)
}

// Logout ends the session that the user has now, if any: exactly that one, so that a late call cannot hit
// a newer session.
func (r *Router) Logout(ctx context.Context, user int64) error {
	return r.end(ctx, user, KickLoggedOut)
}

// end ends the session that the user has now, if any, and says why.
func (r *Router) end(ctx context.Context, user int64, why KickReason) error {
	at, err := r.cfg.Directory.Lookup(ctx, []int64{user})
	if err != nil {
		return fmt.Errorf("look up the session of %d: %w", user, err)
	}
	if !at[0].Held() {
		return nil
	}
	if p, ok := r.peer(at[0].Instance); ok {
		if _, err := p.Kick(ctx, user, at[0].Epoch, why); err != nil {
			r.cfg.Logger.Warn("the server of a session to end was not told; it is when it answers, or it finds out by itself", "user", user, "instance", at[0].Instance, "err", err)
		}
	}
	return r.cfg.Directory.Release(ctx, user, at[0].Epoch)
}
