package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cim/route"
	"cim/route/token"
)

// keysSecretCmd makes the secret of a cluster.
type keysSecretCmd struct {
	File string `help:"Where to write it, with mode 0600." placeholder:"FILE" type:"path" required:""`
	Keep bool   `help:"Leave a file that is there as it is, for scripts that run more than once."`
}

// Run never replaces a secret: processes that have the old one would not be heard any more.
func (c *keysSecretCmd) Run(_ context.Context, io streams) error {
	_, err := os.Stat(c.File)
	switch {
	case err == nil && c.Keep:
		fmt.Fprintf(io.out, "%s stays as it is\n", c.File)
		return nil
	case err == nil:
		return fmt.Errorf("%s is there already; to replace a secret while the cluster runs, see docs/operations.md", c.File)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.File), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if err := token.WriteSecretFile(c.File, []byte(route.NewSecret()+"\n")); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "secret of a cluster in %s: copy it to each machine that runs cim server or cim route\n", c.File)
	return nil
}
