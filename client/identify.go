package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	cimpb "cim/proto"
)

// identify finds out who this is and with which secret, and where it is in the inbox. When that took a log-in,
// its answer is returned, for the first connection.
func (c *Client) identify(ctx context.Context) (*loginAnswer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.ConnectTimeout, errTooSlow)
	defer cancel()
	c.me = Account{ID: c.opts.UserID, Name: c.opts.Name, Kind: c.opts.Kind}
	answer, err := c.prove(ctx)
	if err != nil {
		return nil, err
	}
	at, err := c.opts.Cursors.Load(c.me.ID)
	if err != nil {
		return nil, err
	}
	if at != (Cursor{}) {
		c.inbox.restart(at)
		c.acks.restart(at)
	}
	if c.secret != "" {
		c.api.access.renew = func(ctx context.Context) error {
			_, err := c.logIn(ctx)
			return err
		}
	}
	return answer, nil
}

// prove takes the secret that is known, or registers and is given one. An id without a name needs neither here:
// the log-in will show.
func (c *Client) prove(ctx context.Context) (*loginAnswer, error) {
	if c.secret = c.opts.Secret; c.secret == "" {
		if err := c.loadSecret(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.opts.UserID != 0:
		return nil, nil
	case c.secret == "":
		return c.register(ctx)
	}
	at, err := c.logInByName(ctx)
	if c.opts.Secret != "" || !strange(err) {
		return at, err
	}
	if len(c.api.routes.URLs()) > 1 {
		return nil, foreign(err)
	}
	return c.registerAnew(ctx, err)
}

// foreign is for a kept secret that one of several routes does not know. Another of them may have given it, so no
// account is made in its place: routes of one cluster would agree.
func foreign(err error) error {
	if e, ok := errors.AsType[*StatusError](err); ok {
		e.Text = strings.TrimSpace(e.Text + " The kept secret was refused by one of several routes: they may not be of one cluster.")
	}
	return err
}

// loadSecret looks for the secret under each of the routes, in the order in which they were given: lists of the same
// routes in another order find the same. A new one is kept where the old one was, or under the first.
func (c *Client) loadSecret() error {
	all := c.api.routes.URLs()
	c.kept = all[0]
	for _, route := range all {
		secret, err := c.opts.Secrets.Load(route, c.secretKey())
		if err != nil {
			return err
		}
		if secret != "" {
			c.secret, c.kept = secret, route
			return nil
		}
	}
	return nil
}

// secretKey names this account in the SecretStore. A name is never all digits.
func (c *Client) secretKey() string {
	if c.opts.Name == "" {
		return strconv.FormatInt(c.opts.UserID, 10)
	}
	return c.opts.Name
}

// strange reports whether the route does not know the account with its secret.
func strange(err error) bool {
	switch CodeOf(err) {
	case cimpb.CodeBadCredentials, cimpb.CodeUnknownUser, cimpb.CodeUnknownAccount:
		return true
	}
	return false
}

// logInByName learns the id that the log-ins to come will show.
func (c *Client) logInByName(ctx context.Context) (*loginAnswer, error) {
	at, err := c.logIn(ctx)
	if err == nil && at.UserID <= 0 {
		err = wrapStep("log in at "+c.api.where(), errNoID)
	}
	if err != nil {
		return nil, err
	}
	c.me.ID, c.me.Name = at.UserID, at.Name
	return at, nil
}

// register makes the account. Where no secrets are asked for, an account that exists is as good as a new one.
func (c *Client) register(ctx context.Context) (*loginAnswer, error) {
	a, err := c.makeAccount(ctx)
	if CodeOf(err) == cimpb.CodeNameTaken {
		return c.nameTaken(ctx)
	}
	if err != nil {
		return nil, err
	}
	return nil, c.become(a)
}

// become keeps the secret of a new account before anything is done with it.
func (c *Client) become(a registerAnswer) error {
	c.me, c.secret = a.Account, a.Secret
	if c.secret == "" {
		return nil
	}
	if err := c.opts.Secrets.Save(c.kept, c.secretKey(), c.secret); err != nil {
		return fmt.Errorf("the account %q was made and its secret is lost; have it replaced: %w", c.me.Name, err)
	}
	if _, forgets := c.opts.Secrets.(noSecrets); forgets {
		c.opts.Logger.Warn("the secret of a new account ends with this client; set Options.Secrets to keep it", "user", c.me.ID)
	}
	return nil
}

func (c *Client) makeAccount(ctx context.Context) (registerAnswer, error) {
	var a registerAnswer
	in := map[string]string{"name": c.opts.Name, "kind": string(c.opts.Kind)}
	err := c.api.post(ctx, "/v1/accounts", in, &a)
	if err == nil && a.ID <= 0 {
		err = errNoID
	}
	e, refused := errors.AsType[*StatusError](err)
	c.doubt = c.doubt || refused && (e.doubt || e.HTTPStatus >= http.StatusInternalServerError)
	return a, wrapStep("register at "+c.api.where(), err)
}

// nameTaken looks for the secret again: another process of the same user may have been first.
func (c *Client) nameTaken(ctx context.Context) (*loginAnswer, error) {
	if err := c.loadSecret(); err != nil {
		return nil, err
	}
	if c.secret != "" {
		return c.logInByName(ctx)
	}
	e := refusal(cimpb.CodeNameTaken)
	e.HTTPStatus = http.StatusConflict
	e.Text = fmt.Sprintf("The name %q belongs to somebody: choose another, or bring its secret file.", c.opts.Name)
	if c.doubt {
		e.Text = fmt.Sprintf("The name %q is taken, maybe by this registration, whose first answer was lost, and the secret with it: choose another, or have its secret replaced.", c.opts.Name)
	}
	return nil, e
}

// registerAnew is for a kept secret that the only route does not know. A route that was started without its old data
// knows no such name: it is made again, as at the beginning. Where that is refused, the secret is wrong.
func (c *Client) registerAnew(ctx context.Context, wrong error) (*loginAnswer, error) {
	c.secret = ""
	a, err := c.makeAccount(ctx)
	switch {
	case CodeOf(err) != 0:
		return nil, wrong
	case err != nil:
		return nil, err
	}
	c.opts.Logger.Warn("the route did not know the account; it was made again", "user", a.ID, "name", a.Name)
	return nil, c.become(a)
}

// logIn asks the route for a server, a ticket for it and an access token.
func (c *Client) logIn(ctx context.Context) (*loginAnswer, error) {
	in := loginRequest{UserID: c.me.ID, Name: c.me.Name, Secret: c.secret, Device: c.opts.Device}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	token := ""
	if c.secret == "" {
		token, _ = c.api.access.current()
	}
	at := &loginAnswer{}
	if err := c.api.once(ctx, http.MethodPost, "/v1/login", token, body, at); err != nil {
		return nil, wrapStep("log in at "+c.api.where(), hopeless(err))
	}
	at.notBefore = time.Now().Add(time.Duration(at.NotBeforeMs) * time.Millisecond)
	if at.AccessToken != "" {
		c.api.access.set(at.AccessToken, time.Duration(at.AccessExpiresIn)*time.Second)
	}
	return at, nil
}

// hopeless marks a refusal of the credentials: nothing that the client can do by itself brings better ones.
func hopeless(err error) error {
	if e, ok := errors.AsType[*StatusError](err); ok && e.HTTPStatus == http.StatusUnauthorized {
		e.Comeback = cimpb.Comeback_NEVER
	}
	return err
}
