package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"cim/client"
	cimpb "cim/proto"
)

func (c *accountImportCmd) importAll(ctx context.Context, app *application, accounts []newAccount, out *secretsFile) error {
	for part := range slices.Chunk(accounts, itemsACall) {
		if err := app.importPart(ctx, part, out); err != nil {
			return err
		}
	}
	return nil
}

// importPart makes the accounts of one request. Those that the store had no answer for are asked for again, which is
// safe: they have no secret yet, or keep the one that they have.
func (a *application) importPart(ctx context.Context, part []newAccount, out *secretsFile) error {
	for n := 1; ; n++ {
		answers, err := a.register(ctx, part)
		if mayHaveMade(err) {
			err = fmt.Errorf("%w: accounts may have been made whose secrets are lost; import again, and replace the secrets of those that are then listed without one (cim account secret)", err)
		}
		if err != nil {
			return err
		}
		made, missing, why := split(answers)
		if err := out.add(made); err != nil || len(missing) == 0 {
			return err
		}
		if n == callTries || !passes(why) || a.pause(ctx, pauseAfter(n, why)) != nil {
			return fmt.Errorf("%d accounts were not made: %w: import the file again into another one, where those that exist are listed without a secret", len(missing), why)
		}
		part = missing
	}
}

// split tells what was made from what was not, and why the first of those was not.
func split(answers []madeAccount) (made []madeAccount, missing []newAccount, why error) {
	for _, a := range answers {
		if a.Error == nil {
			made = append(made, a)
			continue
		}
		missing = append(missing, newAccount{a.Name, a.Kind})
		if why == nil {
			code, _ := cimpb.ParseCode(a.Error.Code)
			why = &client.StatusError{Code: code, Text: a.Error.Message}
		}
	}
	return made, missing, why
}

// passes reports whether what an account failed of may be over in a moment.
func passes(err error) bool {
	code := client.CodeOf(err)
	return code == cimpb.CodeStoreUnavailable || code == cimpb.CodeOverloaded
}

// mayHaveMade reports whether some of the accounts of a request that failed may exist now: a store that gave no answer may
// have made them.
func mayHaveMade(err error) bool {
	e, refused := errors.AsType[*client.StatusError](err)
	return errors.Is(err, errNoAnswer) || refused && e.HTTPStatus >= http.StatusInternalServerError
}

// madeAccount is an account as the route answers for it.
type madeAccount struct {
	UserID int64                           `json:"user_id"`
	Name   string                          `json:"name"`
	Kind   string                          `json:"kind"`
	Secret string                          `json:"secret"` // empty: the account was there before, or needs none
	Error  *struct{ Code, Message string } `json:"error"`  // why it was not made
}

// register makes those accounts that do not exist, at most itemsACall at once. It is not repeated when the
// answer was lost: the accounts would then exist, and their secrets would not be told.
func (a *application) register(ctx context.Context, accounts []newAccount) ([]madeAccount, error) {
	in := struct {
		Accounts []newAccount `json:"accounts"`
	}{accounts}
	var out struct{ Accounts []madeAccount }
	if err := a.post(ctx, "/v1/accounts", in, &out, onceOnly); err != nil {
		return nil, err
	}
	if len(out.Accounts) != len(accounts) {
		return out.Accounts, fmt.Errorf("%d accounts were asked for and %d came", len(accounts), len(out.Accounts))
	}
	return out.Accounts, nil
}
