package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/text/unicode/norm"

	"cim/client"
	cimpb "cim/proto"
	"cim/route"
)

// accountCmd is what an operator does with accounts.
type accountCmd struct {
	Import  accountImportCmd  `cmd:"" help:"Make the accounts of a CSV file, and keep their secrets in another."`
	Secret  accountSecretCmd  `cmd:"" help:"Replace the secret of an account, print the new one and end its session."`
	Disable accountDisableCmd `cmd:"" help:"Keep an account from logging in, and end its session."`
	Enable  accountEnableCmd  `cmd:"" help:"Let a disabled account log in again."`
}

// oneAccount names one account of a route.
type oneAccount struct {
	Application applicationFlags `embed:""`
	Who         string           `arg:"" name:"account" help:"Id or name of the account."`
}

// Validate is called by kong after parsing.
func (c *oneAccount) Validate() error {
	if _, isID := accountID(c.Who); !isID && route.CheckName(norm.NFC.String(c.Who)) != nil {
		return fmt.Errorf("%q is neither an id nor a name", c.Who)
	}
	return c.Application.check()
}

// post calls /v1/accounts/{id}/what.
func (c *oneAccount) post(ctx context.Context, what string, out any, r repeating) error {
	app, err := c.Application.open()
	if err != nil {
		return err
	}
	id, err := app.account(ctx, norm.NFC.String(c.Who))
	if client.CodeOf(err) == cimpb.CodeUnknownUser || err == nil && id == 0 {
		return fmt.Errorf("there is no account %q at %s", c.Who, c.Application.Route)
	}
	if err != nil {
		return err
	}
	return app.post(ctx, "/v1/accounts/"+strconv.FormatInt(id, 10)+"/"+what, struct{}{}, out, r)
}

// accountSecretCmd prints the secret alone, so that a script can take it.
type accountSecretCmd struct {
	Account oneAccount `embed:""`
}

// Help is shown by cim account secret --help.
func (*accountSecretCmd) Help() string {
	return `The secret is all that it prints, so that it can go to the file from which cim chat reads it, which chat names when it asks for a secret:

    cim account secret --key-file cim-data/application.key alice > FILE`
}

// Run replaces the secret. Of two new ones the last counts, so a repetition after a lost answer is safe.
func (c *accountSecretCmd) Run(ctx context.Context, io streams) error {
	var out struct{ Secret, Warning string }
	if err := c.Account.post(ctx, "secret", &out, asOften); err != nil {
		return err
	}
	if out.Secret == "" {
		return errors.New("the route gave no secret: with --auth cim it asks for none")
	}
	if out.Warning != "" {
		fmt.Fprintln(io.err, out.Warning)
	}
	_, err := fmt.Fprintln(io.out, out.Secret)
	if isTerminal(io.out) {
		fmt.Fprintln(io.err, "(it goes to the file that cim chat names; with > FILE it is written there)")
	}
	return err
}

type accountDisableCmd struct {
	Account oneAccount `embed:""`
}

// Run prints id<TAB>disabled.
func (c *accountDisableCmd) Run(ctx context.Context, io streams) error {
	return c.Account.able(ctx, "disable", io.out)
}

type accountEnableCmd struct {
	Account oneAccount `embed:""`
}

// Run prints id<TAB>enabled.
func (c *accountEnableCmd) Run(ctx context.Context, io streams) error {
	return c.Account.able(ctx, "enable", io.out)
}

func (c *oneAccount) able(ctx context.Context, what string, w io.Writer) error {
	var out struct {
		UserID   int64 `json:"user_id"`
		Disabled bool
	}
	if err := c.post(ctx, what, &out, asOften); err != nil {
		return err
	}
	state := "enabled"
	if out.Disabled {
		state = "disabled"
	}
	_, err := fmt.Fprintf(w, "%d\t%s\n", out.UserID, state)
	return err
}

// accountImportCmd makes many accounts.
type accountImportCmd struct {
	Application applicationFlags `embed:""`
	File        string           `arg:"" help:"CSV file with a header: name, and kind (user or device; user where it is left out)." type:"path"`
	Out         string           `help:"CSV file to make, with name, user_id and secret; it must not exist. Only its owner can read it." required:"" placeholder:"FILE" type:"path"`
}

// Validate is called by kong after parsing.
func (c *accountImportCmd) Validate() error { return c.Application.check() }

// newAccount is an account to be made.
type newAccount struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// Run makes the accounts. Each thousand is in the file, and on the disk, before the next is made: a secret is
// told once.
func (c *accountImportCmd) Run(ctx context.Context, io streams) error {
	app, err := c.Application.open()
	if err != nil {
		return err
	}
	accounts, err := readAccounts(c.File)
	if err != nil {
		return err
	}
	out, err := createSecrets(c.Out)
	if err != nil {
		return err
	}
	err = c.importAll(ctx, app, accounts, out)
	err = errors.Join(err, out.close())
	if _, printErr := fmt.Fprintf(io.out, "%d accounts in %s: %d with a new secret, %d without (they were there before, or need none)\n",
		out.rows, c.Out, out.secrets, out.rows-out.secrets); err == nil {
		err = printErr
	}
	return err
}

// secretsFile is the file with the secrets of an import.
type secretsFile struct {
	f       *os.File
	w       *csv.Writer
	rows    int
	secrets int
}

// createSecrets never overwrites: the secrets in a file are the only copy.
func createSecrets(path string) (*secretsFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("--out %s exists, and may hold secrets that are nowhere else: choose another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	return &secretsFile{f: f, w: csv.NewWriter(f)}, nil
}

// add returns when the accounts are on the disk.
func (s *secretsFile) add(made []madeAccount) error {
	if s.rows == 0 {
		_ = s.w.Write([]string{"name", "user_id", "secret"}) // its error comes with Flush
	}
	for _, a := range made {
		_ = s.w.Write([]string{a.Name, strconv.FormatInt(a.UserID, 10), a.Secret})
		s.rows++
		if a.Secret != "" {
			s.secrets++
		}
	}
	s.w.Flush()
	if err := errors.Join(s.w.Error(), s.f.Sync()); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	return nil
}

// close leaves no file behind that nothing was written to.
func (s *secretsFile) close() error {
	err := s.f.Close()
	if s.rows == 0 {
		err = errors.Join(err, os.Remove(s.f.Name()))
	}
	return err
}
