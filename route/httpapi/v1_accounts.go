package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"

	"cim/route"
)

type v1Account struct {
	UserID int64  `json:"user_id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
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

// v1Register is idempotent by name, alone and in bulk: after a failure, the same call can be made again.
func (a *API) v1Register(ctx context.Context, in *v1RegisterRequest) (reply, error) {
	if in.Accounts != nil {
		return a.registerAll(ctx, in)
	}
	acc, created, err := a.registerOne(ctx, v1NewAccount{in.Name, in.Kind})
	if err != nil {
		return reply{}, err
	}
	if created {
		return reply{http.StatusCreated, accountOf(acc)}, nil
	}
	return ok(accountOf(acc)), nil
}

func (a *API) registerOne(ctx context.Context, n v1NewAccount) (route.Account, bool, error) {
	if n.Name == "" {
		return route.Account{}, false, badRequest(`"name" is missing.`)
	}
	kind, err := n.kind()
	if err != nil {
		return route.Account{}, false, err
	}
	return a.cfg.Router.Register(ctx, n.Name, kind, route.SecretHash{})
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
	found := make([]route.Account, len(in.Accounts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkRegisters)
	for i, n := range in.Accounts {
		g.Go(func() (err error) {
			defer recovered(&err)
			if found[i], _, err = a.registerOne(ctx, n); err != nil {
				return about(fmt.Sprintf("accounts[%d]", i), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return reply{}, err
	}
	return ok(accountsOf(found)), nil
}

// recovered turns a panic of a goroutine, which would end the process, into its error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// v1Account finds one account by its id.
func (a *API) v1Account(c *call) (reply, error) {
	id, err := strconv.ParseInt(c.param, 10, 64)
	if err != nil {
		return reply{}, badRequest("The path has to end in a user's id, which is a number.")
	}
	if err := checkID("id", id); err != nil {
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
