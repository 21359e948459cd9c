// Package auth says who a caller is: at a route by access token or application key, at a server by ticket. It joins
// the signatures of package token with what accounts say now. It knows neither HTTP nor connections.
package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cim/route"
	"cim/route/token"
)

// Kind is what a caller is.
type Kind uint8

const (
	Anonymous   Kind = iota // no credential
	User                    // acts as itself
	Application             // acts as any user, and provisions accounts
)

// Caller is who calls. The zero Caller is anonymous.
type Caller struct {
	Kind Kind
	// Account is that of a User.
	Account route.Credentials
}

// Accounts is what is needed of routing; *route.Router is one.
type Accounts interface {
	// Credentials finds an account. Errors: route.ErrUnknownUser.
	Credentials(ctx context.Context, id int64) (route.Credentials, error)
}

// Pass is what a user gets who has logged in.
type Pass struct {
	Ticket     string // for LOGIN at one server
	Access     string // for calls of the route
	AccessTime time.Duration
}

// Authority gives out tokens and knows callers by them. Safe for concurrent use.
type Authority struct {
	keys        *token.Keys
	accounts    Accounts
	application route.SecretHash
	now         func() time.Time
}

// New takes the hash of the application key (zero: none) and the clock.
func New(keys *token.Keys, accounts Accounts, application route.SecretHash, now func() time.Time) *Authority {
	return &Authority{keys: keys, accounts: accounts, application: application, now: now}
}

// Caller says who sent a bearer token. A token of an earlier generation, or of nobody, is as good as none.
// Errors: ErrUnauthorized, token.ErrExpired, route.ErrDisabled, and those of the store.
func (a *Authority) Caller(ctx context.Context, bearer string) (Caller, error) {
	if strings.HasPrefix(bearer, applicationPrefix) {
		if !a.application.Equal(route.HashSecret(bearer)) {
			return Caller{}, ErrUnauthorized
		}
		return Caller{Kind: Application}, nil
	}
	access, err := a.keys.CheckAccess(bearer, a.now())
	if errors.Is(err, token.ErrExpired) {
		return Caller{}, err
	}
	if err != nil {
		return Caller{}, fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	return a.user(ctx, access)
}

func (a *Authority) user(ctx context.Context, access token.Access) (Caller, error) {
	c, err := a.accounts.Credentials(ctx, access.User)
	switch {
	case errors.Is(err, route.ErrUnknownUser):
		return Caller{}, fmt.Errorf("%w: %w", ErrUnauthorized, err)
	case err != nil:
		return Caller{}, err
	case c.Disabled:
		return Caller{}, route.ErrDisabled
	case c.Generation != access.Generation:
		return Caller{}, fmt.Errorf("%w: %w", ErrUnauthorized, route.ErrReplacedSecret)
	}
	return Caller{Kind: User, Account: c}, nil
}

// Admit lets a user who has proved to be one connect with a device to a server, not before that time (zero: at once).
func (a *Authority) Admit(c route.Credentials, device, instance string, notBefore time.Time) (Pass, error) {
	now := a.now()
	ticket, err := a.keys.Ticket(token.Ticket{
		User: c.ID, Device: device, Instance: instance, Generation: c.Generation, NotBefore: notBefore,
	}, now)
	if err != nil {
		return Pass{}, err
	}
	access, _, err := a.keys.Access(c.ID, c.Generation, now)
	if err != nil {
		return Pass{}, err
	}
	return Pass{Ticket: ticket, Access: access, AccessTime: token.AccessTime}, nil
}
