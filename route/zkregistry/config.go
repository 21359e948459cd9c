package zkregistry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"cim/route"
)

// Config is how a Registry finds ZooKeeper. Zero values mean the defaults that are named.
type Config struct {
	Servers []string // host:port each, of one ensemble; names are resolved at each connect
	Root    string   // the parent of the servers' nodes; "/cim"
	// Auth is user:password, for ZooKeeper's digest scheme: the nodes that are made belong to that user, and others may
	// only read them. Empty: everybody may do everything with them, as with CIM's.
	Auth string
	// SessionTimeout is how long a dead server stays listed, and how long ZooKeeper may be silent before
	// another of its servers is tried (two thirds of it). ZooKeeper bounds it: 2 to 20 of its ticks. 10 s.
	SessionTimeout time.Duration
	CallTimeout    time.Duration // for one call, for Join and for leaving; 5 s
	RefreshEvery   time.Duration // the list is read so often without a reason, too; 1 min

	// Probe reports whether a server that vanished from ZooKeeper still serves; it stays listed while it does. Probe has ProbeTimeout (1 s), and is
	// called again every ProbeEvery (5 s) while it says yes. One that drains has said goodbye, so the answer for it
	// is no. nil: what ZooKeeper says is believed at once. Several calls may run at the same time.
	Probe        func(ctx context.Context, s route.Server) bool
	ProbeTimeout time.Duration
	ProbeEvery   time.Duration

	// OnExpired is called when a new session has taken the place of an expired one and this process's servers
	// are listed again: others may have taken over their users meanwhile. It must not block.
	OnExpired func()
	Logger    *slog.Logger // nil: slog.Default()
}

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Root, "/cim")
	setDefault(&c.SessionTimeout, 10*time.Second)
	setDefault(&c.CallTimeout, 5*time.Second)
	setDefault(&c.RefreshEvery, time.Minute)
	setDefault(&c.ProbeTimeout, time.Second)
	setDefault(&c.ProbeEvery, 5*time.Second)
	if c.OnExpired == nil {
		c.OnExpired = func() {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, c.check()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) check() error {
	if c.Auth != "" {
		if err := CheckAuth(c.Auth); err != nil {
			return err
		}
	}
	switch {
	case len(c.Servers) == 0 || slices.Contains(c.Servers, ""):
		return fmt.Errorf("%w: Servers needs the host:port of each ZooKeeper server", ErrConfig)
	case !strings.HasPrefix(c.Root, "/") || strings.HasSuffix(c.Root, "/"):
		return fmt.Errorf("%w: Root %q begins with a slash and does not end with one", ErrConfig, c.Root)
	case c.SessionTimeout < 0 || c.CallTimeout < 0 || c.RefreshEvery < 0,
		c.ProbeTimeout < 0 || c.ProbeEvery < 0:
		return fmt.Errorf("%w: a time is negative", ErrConfig)
	}
	return nil
}
