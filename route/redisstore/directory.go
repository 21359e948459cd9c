package redisstore

import (
	"context"
	"fmt"
	"time"

	"cim/route"
)

// What claim.lua answers first.
const (
	claimGranted = iota
	claimHeld
	claimUnknown
	claimOtherName
	claimDisabled
	claimOtherSecret
)

var claimErrors = map[uint64]error{
	claimGranted:     nil,
	claimHeld:        route.ErrHeld,
	claimUnknown:     route.ErrUnknownUser,
	claimOtherName:   route.ErrNameMismatch,
	claimDisabled:    route.ErrDisabled,
	claimOtherSecret: route.ErrReplacedSecret,
}

// Claim implements route.Directory. When the connection breaks before the answer, the claim may have been made: it
// is not repeated here, because the second would meet the first.
func (s *Store) Claim(ctx context.Context, r route.ClaimRequest) (route.Claim, error) {
	check := route.AccountCheck{}
	if r.Check != nil {
		check = *r.Check
	}
	c := &call{
		key: s.keys.user(r.User), function: claimFunction, once: true,
		keys: []string{s.keys.user(r.User), s.keys.inbox(r.User), s.keys.account(r.User)},
		args: []any{
			r.Instance, r.Device, int(r.Takeover), r.ReplaceEpoch, r.Cursor.LogEpoch, r.Cursor.Seq,
			r.Check != nil, check.Name, check.Generation, s.epoch.Load(),
		},
	}
	if s.do(ctx, c); c.err != nil {
		return route.Claim{}, c.err
	}
	got, err := parseClaim(newReply(c.reply), r.Cursor.LogEpoch)
	s.noteEpoch(max(got.Epoch, got.Previous.Epoch))
	if err == nil && got.Account.Name != "" {
		got.Account.ID = r.User
	}
	return got, err
}

// noteEpoch keeps the highest session epoch that this process has heard of.
func (s *Store) noteEpoch(epoch uint64) {
	for {
		known := s.epoch.Load()
		if epoch <= known || s.epoch.CompareAndSwap(known, epoch) {
			return
		}
	}
}

// parseClaim reads the answer to a claim whose cursor was of the log asked.
func parseClaim(r *reply, asked uint64) (c route.Claim, err error) {
	refused, known := claimErrors[r.number()]
	switch {
	case r.bad || !known:
		return c, unexpected()
	case refused != nil && refused != route.ErrHeld: //nolint:errorlint // a key of the table above, not a wrapped error
		return c, fmt.Errorf("redisstore: %w", refused)
	}
	c.Epoch, c.Previous = r.number(), r.location()
	c.HeldFor = time.Duration(r.number()) * time.Millisecond
	c.Inbox, c.Shared = r.position(), r.shared(asked)
	c.Account = route.Account{Name: r.text(), Kind: route.Kind(r.number())}
	if err := r.err(); err != nil {
		return route.Claim{}, err
	}
	return c, refused
}

// Release implements route.Directory.
func (s *Store) Release(ctx context.Context, user int64, epoch uint64) error {
	key := s.keys.user(user)
	c := &call{key: key, function: releaseFunction, keys: []string{key}, args: []any{epoch}}
	s.do(ctx, c)
	return c.err
}

// Lookup implements route.Directory.
func (s *Store) Lookup(ctx context.Context, users []int64) ([]route.Location, error) {
	calls := make([]*call, len(users))
	for i, user := range users {
		key := s.keys.user(user)
		calls[i] = &call{key: key, args: []any{"hmget", key, "o", "e", "d"}}
	}
	s.do(ctx, calls...)
	found := make([]route.Location, len(users))
	for i, c := range calls {
		if c.err != nil {
			return nil, c.err
		}
		r := newReply(c.reply)
		if found[i] = r.location(); r.bad {
			return nil, r.err()
		}
	}
	return found, ctxError(ctx)
}

// ctxError is the error of a call that had nothing to ask Redis.
func ctxError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// Renew implements route.Directory.
func (s *Store) Renew(ctx context.Context, renewals []route.Renewal) []route.Renewed {
	calls := make([]*call, len(renewals))
	for i, r := range renewals {
		s.noteEpoch(r.Epoch)
		key := s.keys.user(r.User)
		calls[i] = &call{key: key, function: renewFunction, keys: []string{key}, args: []any{
			r.Epoch, r.Instance, r.Device, r.Written.LogEpoch, r.Written.Seq,
		}}
	}
	s.do(ctx, calls...)
	answers := make([]route.Renewed, len(renewals))
	for i, c := range calls {
		answers[i] = parseRenewed(c)
	}
	return answers
}

func parseRenewed(c *call) route.Renewed {
	if c.err != nil {
		return route.Renewed{Err: c.err}
	}
	r := newReply(c.reply)
	answer := route.Renewed{State: route.RenewState(r.number()), Inbox: r.position()}
	if r.bad || answer.State > route.RenewLost {
		return route.Renewed{Err: unexpected()}
	}
	return answer
}
