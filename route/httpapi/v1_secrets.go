package httpapi

import (
	"strconv"
)

type v1Secret struct {
	UserID int64  `json:"user_id"`
	Secret string `json:"secret"`
	// Warning says what a success lacks.
	Warning string `json:"warning,omitempty"`
}

const warnSession = "The secret is replaced, but whether the account's session has ended is not known: to be sure, replace the secret again."

type v1Disabled struct {
	UserID   int64 `json:"user_id"`
	Disabled bool  `json:"disabled"`
}

// v1ReplaceSecret ends the account's session and what it was given before, so that who has lost a secret can shut
// out who has found it.
func (a *API) v1ReplaceSecret(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	if err := c.asUser(id); err != nil {
		return reply{}, err
	}
	secret, err := a.cfg.Router.ReplaceSecret(c.ctx, id)
	out := v1Secret{UserID: id, Secret: secret}
	if err != nil && secret != "" {
		// The old secret counts no longer, so the new one must be told even so.
		a.log.Warn("a secret was replaced, and its session could not be ended", "user", id, "err", err)
		out.Warning, err = warnSession, nil
	}
	return ok(out), err
}

// v1SetDisabled is two endpoints.
func (a *API) v1SetDisabled(disabled bool) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		id, err := c.id()
		if err != nil {
			return reply{}, err
		}
		err = a.cfg.Router.SetDisabled(c.ctx, id, disabled)
		return ok(v1Disabled{UserID: id, Disabled: disabled}), err
	}
}

// id is the user's id in the path.
func (c *call) id() (int64, error) {
	id, err := strconv.ParseInt(c.param, 10, 64)
	if err != nil {
		return 0, badRequest("The path has to hold a user's id, which is a number.")
	}
	return id, checkID("id", id)
}
