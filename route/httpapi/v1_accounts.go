package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

type v1Account struct {
	UserID int64  `json:"user_id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	// Of a bulk call, whether this call made the account.
	Created *bool `json:"created,omitempty"`
	// Secret is said once, to who made the account.
	Secret string `json:"secret,omitempty"`
}

type v1Accounts struct {
	Accounts []v1Account `json:"accounts"`
}

var kinds = map[route.Kind]string{route.User: "user", route.Device: "device"}

func accountOf(a route.Account) v1Account {
	return v1Account{UserID: a.ID, Name: a.Name, Kind: kinds[a.Kind]}
}

func accountsOf(found []route.Account) v1Accounts {
	list := make([]v1Account, len(found))
	for i, a := range found {
		list[i] = accountOf(a)
	}
	return v1Accounts{Accounts: list}
}

type v1NewAccount struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

func (n v1NewAccount) kind() (route.Kind, error) {
	switch n.Kind {
	case "", kinds[route.User]:
		return route.User, nil
	case kinds[route.Device]:
		return route.Device, nil
	}
	return 0, badRequest(`"kind" has to be "user" or "device".`)
}

type v1RegisterRequest struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Accounts []v1NewAccount `json:"accounts"`
}

// v1Register makes accounts. In bulk, and for an application, it is idempotent by name: after a failure, the same
// call can be made again. To others, a name that exists is taken.
func (a *API) v1Register(c *call, in *v1RegisterRequest) (reply, error) {
	application := c.caller.Kind == auth.Application
	if in.Accounts != nil {
		if !application {
			return reply{}, c.notApplication()
		}
		return a.registerAll(c.ctx, in)
	}
	if !application {
		if f := a.registers.take(source(c.http), 1, a.cfg.Now()); f != nil {
			return reply{}, f
		}
	}
	acc, created, err := a.registerOne(c.ctx, v1NewAccount{in.Name, in.Kind})
	switch {
	case err != nil:
		return reply{}, err
	case created:
		return reply{http.StatusCreated, acc}, nil
	case !application:
		return reply{}, &failure{code: cimpb.CodeNameTaken}
	}
	return ok(acc), nil
}

// notApplication refuses what needs an application's key.
func (c *call) notApplication() error {
	if c.caller.Kind == auth.Anonymous {
		return &failure{code: cimpb.CodeUnauthorized, message: errApplication.message}
	}
	return errApplication
}

// registerOne gives a new account a secret, unless nobody would ask for it.
func (a *API) registerOne(ctx context.Context, n v1NewAccount) (v1Account, bool, error) {
	if n.Name == "" {
		return v1Account{}, false, badRequest(`"name" is missing.`)
	}
	kind, err := n.kind()
	if err != nil {
		return v1Account{}, false, err
	}
	var secret string
	var hash route.SecretHash
	if !a.cfg.AuthCIM {
		secret = route.NewSecret()
		hash = route.HashSecret(secret)
	}
	acc, created, err := a.cfg.Router.Register(ctx, n.Name, kind, hash)
	out := accountOf(acc)
	if created {
		out.Secret = secret
	}
	return out, created, err
}

// registerAll makes accounts side by side, because a store syncs those that wait together at once. The
// answer has the order of the request.
func (a *API) registerAll(ctx context.Context, in *v1RegisterRequest) (reply, error) {
	switch {
	case in.Name+in.Kind != "":
		return reply{}, badRequest(`Give "accounts", or one account with "name" and "kind"; not both.`)
	case len(in.Accounts) == 0 || len(in.Accounts) > a.cfg.Limits.Items:
		return reply{}, badRequest(`"accounts" has to hold 1 to %d accounts.`, a.cfg.Limits.Items)
	}
	made := make([]v1Account, len(in.Accounts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkRegisters)
	for i, n := range in.Accounts {
		g.Go(func() (err error) {
			defer recovered(&err)
			acc, created, err := a.registerOne(ctx, n)
			if err != nil {
				return about(fmt.Sprintf("accounts[%d]", i), err)
			}
			if !a.cfg.AuthCIM {
				acc.Created = &created
			}
			made[i] = acc
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return reply{}, err
	}
	return ok(v1Accounts{Accounts: made}), nil
}

// recovered turns a panic of a goroutine, which would end the process, into its error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// v1Account finds one account by its id.
func (a *API) v1Account(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	acc, err := a.cfg.Router.Account(c.ctx, id)
	return ok(accountOf(acc)), err
}

// v1FindAccounts finds one account by its name, or several by how their names begin.
func (a *API) v1FindAccounts(c *call) (reply, error) {
	name, byName, err := c.query("name")
	if err != nil {
		return reply{}, err
	}
	prefix, byPrefix, err := c.query("prefix")
	if err != nil {
		return reply{}, err
	}
	switch {
	case byName == byPrefix || name+prefix == "":
		return reply{}, badRequest(`Say which accounts: ?name= for one, or ?prefix= for several.`)
	case byName:
		acc, err := a.cfg.Router.AccountByName(c.ctx, name)
		return ok(accountOf(acc)), err
	}
	limit, err := c.limit()
	if err != nil {
		return reply{}, err
	}
	found, err := a.cfg.Router.AccountsByPrefix(c.ctx, prefix, limit)
	return ok(accountsOf(found)), err
}
