package route

import (
	"context"
	"errors"
	"fmt"
)

// Credentials is an account with what proves that a caller is it.
type Credentials struct {
	Account
	Secret SecretHash // zero: none; nobody can log in as this account
	// Generation begins at 1 and rises when the secret is replaced and when the account is disabled. Tokens
	// carry it, so that those of an earlier generation stop to count at once, whatever the clocks say.
	Generation uint64
}

// noSecret is compared where there is no account, so that an unknown name costs what a wrong secret costs.
var noSecret = HashSecret(NewSecret())

// Authenticate finds the account of an id, a name or both, if the secret is its own. It does not tell an
// unknown account from a wrong secret, nor whether id and name are of two accounts.
// Errors: ErrBadCredentials; ErrDisabled, only to who knows the secret; those of the store.
func (r *Router) Authenticate(ctx context.Context, id int64, name, secret string) (Credentials, error) {
	given := HashSecret(secret)
	c, err := r.claimedAccount(ctx, id, name)
	switch {
	case errors.Is(err, ErrUnknownUser), errors.Is(err, ErrNameMismatch):
		_ = noSecret.Equal(given)
		return Credentials{}, ErrBadCredentials
	case err != nil:
		return Credentials{}, err
	case !c.Secret.Equal(given):
		return Credentials{}, ErrBadCredentials
	case c.Disabled:
		return Credentials{}, ErrDisabled
	}
	return c, nil
}

// claimedAccount is the account that an id, a name or both name.
func (r *Router) claimedAccount(ctx context.Context, id int64, name string) (Credentials, error) {
	if name != "" {
		a, err := r.cfg.Accounts.ByName(ctx, name)
		if err != nil {
			return Credentials{}, err
		}
		if id != 0 && id != a.ID {
			return Credentials{}, ErrNameMismatch
		}
		id = a.ID
	}
	return r.cfg.Accounts.Credentials(ctx, id)
}

// Credentials finds an account with its secret's hash and generation. Errors: ErrUnknownUser.
func (r *Router) Credentials(ctx context.Context, id int64) (Credentials, error) {
	return r.cfg.Accounts.Credentials(ctx, id)
}

// ReplaceSecret gives an account a new secret, which is returned once, and ends its session. Tokens that were
// given out before no longer count. Errors: ErrUnknownUser, and those of the store.
func (r *Router) ReplaceSecret(ctx context.Context, id int64) (secret string, err error) {
	secret = NewSecret()
	if err := r.cfg.Accounts.SetSecret(ctx, id, HashSecret(secret)); err != nil {
		return "", fmt.Errorf("replace the secret of %d: %w", id, err)
	}
	return secret, r.end(ctx, id, KickLoggedOut)
}

// SetDisabled keeps an account from connecting, and ends its session, or lets it connect again. Messages to it
// are stored meanwhile. Errors: ErrUnknownUser, and those of the store.
func (r *Router) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	if err := r.cfg.Accounts.SetDisabled(ctx, id, disabled); err != nil {
		return fmt.Errorf("disable or enable %d: %w", id, err)
	}
	if !disabled {
		return nil
	}
	return r.end(ctx, id, KickDisabled)
}

// May returns why the account of c cannot be claimed under this check, or nil: for stores that look at accounts in
// Go. c is zero when there is no account.
// Errors: ErrUnknownUser, ErrNameMismatch, ErrDisabled, ErrReplacedSecret, in that order.
func (k AccountCheck) May(c Credentials) error {
	switch {
	case c.ID == 0:
		return ErrUnknownUser
	case k.Name != "" && k.Name != c.Name:
		return ErrNameMismatch
	case c.Disabled:
		return ErrDisabled
	case k.Generation != 0 && k.Generation != c.Generation:
		return ErrReplacedSecret
	}
	return nil
}
