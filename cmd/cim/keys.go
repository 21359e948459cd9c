package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"cim/route"
	"cim/route/auth"
	"cim/route/embedded"
	"cim/route/httpapi"
	"cim/route/token"
)

// Values of flags.
const (
	authCIM              = "cim"
	registerApplications = "applications"
)

// keysReload is how often a node looks whether its keys were rotated.
const keysReload = 10 * time.Second

// keysCmd is about the keys in a data folder.
type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"Sign with a new key; cim up takes it while it runs."`
	Secret keysSecretCmd `cmd:"" help:"Make the secret of a cluster, for --secret-file of its servers and routes."`
}

// keysRotateCmd makes a new signing key.
type keysRotateCmd struct {
	Data string `help:"Data folder of cim up." default:"./cim-data"`
}

// Run replaces the key on the disk. It makes none where there was none, which would be a wrong folder.
func (c *keysRotateCmd) Run(_ context.Context, io streams) error {
	dir := keysDir(c.Data)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no keys: name the data folder of a cim up that ran with --auth token (--data)", c.Data)
	}
	keys, err := token.OpenKeys(dir)
	if err != nil {
		return err
	}
	if err := keys.Rotate(); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "new signing key in %s; the previous one still checks what it signed\n", dir)
	fmt.Fprintf(io.out, "a cim up on this folder takes it within %s, or at once on SIGHUP\n", keysReload)
	return nil
}

func keysDir(data string) string { return filepath.Join(data, "keys") }

func applicationKeyFile(data string) string { return filepath.Join(data, "application.key") }

// nodeKeys are what a node signs with, and by what it knows its application.
type nodeKeys struct {
	tokens      *token.Keys
	application string
}

// openKeys reads the keys of a data folder and makes those that are missing.
func openKeys(data string) (*nodeKeys, error) {
	if data == embedded.Memory {
		return &nodeKeys{tokens: token.NewKeys(), application: auth.NewApplicationKey()}, nil
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	tokens, err := token.OpenKeys(keysDir(data))
	if err != nil {
		return nil, err
	}
	application, err := auth.ApplicationKey(applicationKeyFile(data))
	if err != nil {
		return nil, err
	}
	return &nodeKeys{tokens: tokens, application: application}, nil
}

// monitorKeys takes over what another process has rotated, now and then and on SIGHUP.
func (k *nodeKeys) monitorKeys(ctx context.Context, log *slog.Logger) {
	hupCh := make(chan os.Signal, 1)
	signal.Notify(hupCh, syscall.SIGHUP)
	defer signal.Stop(hupCh)
	tick := time.NewTicker(keysReload)
	defer tick.Stop()
	k.reloadOn(ctx, log, hupCh, tick.C)
}

// reloadOn reads the keys again whenever one of the channels says so. A SIGHUP is always answered in the log, the periodic
// look only when it found something.
func (k *nodeKeys) reloadOn(ctx context.Context, log *slog.Logger, hupCh <-chan os.Signal, tickCh <-chan time.Time) {
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-hupCh:
			asked = true
		case <-tickCh:
		}
		before := k.tokens.ID()
		switch err := k.tokens.Reload(); {
		case err != nil:
			log.Warn("the signing keys could not be read; the old ones stay", "err", err)
		case before != k.tokens.ID():
			log.Info("a new signing key is taken", "key", k.tokens.ID(), "before", before)
		case asked:
			log.Info("SIGHUP: the signing key is the same", "key", before)
		}
	}
}

// newBackend asks for tickets unless anyone may be anyone.
func (n *node) newBackend(cfg nodeConfig) *backend {
	b := &backend{router: n.router, instance: n.instance, log: cfg.log, refused: n.refused, strays: n.strays}
	if n.keys != nil {
		n.gate = auth.NewGate(n.keys.tokens, n.instance, time.Now)
		b.gate = n.gate
	}
	return b
}

// authenticator is nil if anyone may be anyone.
func (n *node) authenticator() httpapi.Authenticator {
	if n.keys == nil {
		return nil
	}
	return auth.New(n.keys.tokens, n.router, route.HashSecret(n.keys.application), time.Now)
}
