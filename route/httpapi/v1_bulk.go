package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"
)

// registerAll makes accounts side by side, because a store syncs those that wait together at once. What is wrong
// with the request is said before any account is made. After that, each account has a result of its own, because the
// secrets of those that were made are said only once. The answer has the order of the request.
func (a *API) registerAll(c *call, in *v1RegisterRequest) (reply, error) {
	if err := in.checkAll(a.cfg.Limits.Items); err != nil {
		return reply{}, err
	}
	made := make([]v1Account, len(in.Accounts))
	errs := make([]error, len(in.Accounts))
	var g errgroup.Group
	g.SetLimit(bulkRegisters)
	for i, n := range in.Accounts {
		g.Go(func() error {
			defer recovered(&errs[i])
			made[i], errs[i] = a.registerItem(c.ctx, n)
			return nil
		})
	}
	_ = g.Wait() // its functions say what went wrong in errs
	return c.bulkReply(in.Accounts, made, errs)
}

// checkAll finds what would fail whatever the store says.
func (in *v1RegisterRequest) checkAll(most int) error {
	switch {
	case in.Name+in.Kind != "":
		return badRequest(`Give "accounts", or one account with "name" and "kind"; not both.`)
	case len(in.Accounts) == 0 || len(in.Accounts) > most:
		return tooManyItems(`"accounts" has to hold 1 to %d accounts.`, most)
	}
	for i, n := range in.Accounts {
		if _, err := n.check(); err != nil {
			return about(fmt.Sprintf("accounts[%d]", i), err)
		}
	}
	return nil
}

func (a *API) registerItem(ctx context.Context, n v1NewAccount) (v1Account, error) {
	acc, created, err := a.registerOne(ctx, n)
	if !a.cfg.AuthCIM {
		acc.Created = &created
	}
	return acc, err
}

// bulkReply is 207 (RFC 4918, "Multi-Status") when some accounts are there and some are not, and a refusal when none is.
func (c *call) bulkReply(asked []v1NewAccount, made []v1Account, errs []error) (reply, error) {
	failed := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	switch len(failed) {
	case 0:
		return ok(v1Accounts{Accounts: made}), nil
	case len(errs):
		return reply{}, failed[0]
	}
	c.defect(failed[0]) // one is enough for the log
	for i, err := range errs {
		if err != nil {
			f := failureOf(err)
			made[i] = v1Account{Name: asked[i].Name, Kind: asked[i].kindName(), Error: &v1ErrorBody{Code: f.code.String(), Message: f.sentence()}}
		}
	}
	return reply{http.StatusMultiStatus, v1Accounts{Accounts: made}}, nil
}

// recovered turns a panic of a goroutine, which would end the process, into its error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}
