package httpapi

import (
	"context"
	"net/http"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

type v1Account struct {
	UserID int64  `json:"user_id,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	// Of a bulk call, whether this call made the account.
	Created *bool `json:"created,omitempty"`
	// Secret is said once, to who made the account.
	Secret string `json:"secret,omitempty"`
	// Error is why a bulk call did not make this one.
	Error *v1ErrorBody `json:"error,omitempty"`
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

// kindName is the kind of an account that was checked.
func (n v1NewAccount) kindName() string {
	kind, _ := n.kind()
	return kinds[kind]
}

type v1RegisterRequest struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Accounts []v1NewAccount `json:"accounts"`
}

// v1Register makes an account, or many. For an application it is idempotent by name: the same call can be made again.
// To others, a name that exists is taken.
func (a *API) v1Register(c *call, in *v1RegisterRequest) (reply, error) {
	application := c.caller.Kind == auth.Application
	if in.Accounts != nil {
		if !application {
			return reply{}, c.notApplication()
		}
		return a.registerAll(c, in)
	}
	if !application {
		if f := a.limits.registers.take(a.source(c.http), 1, a.cfg.Now()); f != nil {
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

// check refuses what no store has to be asked about.
func (n v1NewAccount) check() (route.Kind, error) {
	if n.Name == "" {
		return 0, badRequest(`"name" is missing.`)
	}
	if err := route.CheckName(n.Name); err != nil {
		return 0, err
	}
	return n.kind()
}

// registerOne gives a new account a secret, unless nobody would ask for it.
func (a *API) registerOne(ctx context.Context, n v1NewAccount) (v1Account, bool, error) {
	kind, err := n.check()
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
