package httpapi

import (
	"strconv"
)

type v1Secret struct {
	UserID int64  `json:"user_id"`
	Secret string `json:"secret"`
}

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
	return ok(v1Secret{UserID: id, Secret: secret}), err
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
