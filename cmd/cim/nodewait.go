package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cim/route"
	"cim/route/redisstore"
	"cim/route/zkregistry"
)

// A start waits for Redis and ZooKeeper as long as it takes: where everything is started at once, they are often last.
const (
	quietWait   = 2 * time.Second  // what comes within it is not worth a line
	lookupWait  = 10 * time.Second // names may be unknown for so long: those of containers are until they run
	lookupTime  = 5 * time.Second  // for all names once
	firstPause  = 250 * time.Millisecond
	longestWait = 5 * time.Second // between two looks
)

// dependency is what a process of a cluster stands on.
type dependency struct {
	name, flag string
	addrs      []string // host:port
	// await returns nil when it is there, and otherwise when ctx ends, with what was last wrong. What waiting does not mend comes
	// back at once.
	await func(ctx context.Context) error
	// lookup is that of net.Resolver; tests have another one.
	lookup func(ctx context.Context, host string) ([]string, error)
}

// awaitCluster returns when Redis answers and the list of servers was read. Meanwhile /readyz says what is missed.
func (n *node) awaitCluster(ctx context.Context, cfg nodeConfig) error {
	group, both := errgroup.WithContext(ctx)
	for _, d := range n.dependencies(cfg.cluster) {
		group.Go(func() error { return d.wait(both, cfg.log) })
	}
	if err := group.Wait(); err != nil {
		return cmp.Or(ctx.Err(), err) // whoever was told to stop does not miss anything
	}
	return nil
}

func (n *node) dependencies(f *clusterFlags) []dependency {
	var all []dependency
	add := func(name, flag string, addrs []string, await func(context.Context) error) {
		all = append(all, dependency{name, flag, addrs, await, net.DefaultResolver.LookupHost})
	}
	if store, ok := n.store.(*redisstore.Store); ok {
		addrs, _ := redisstore.Addresses(f.Redis) // looked at when the flags were
		add("Redis", "--redis", addrs, func(ctx context.Context) error { return awaitStore(ctx, store.Inspect) })
	}
	if registry, ok := n.registry.(*zkregistry.Registry); ok {
		add("ZooKeeper", "--zk", f.ZK, registry.Await)
	}
	return all
}

// wait says once that it waits, and once that it does not any more.
func (d dependency) wait(ctx context.Context, log *slog.Logger) error {
	away, err := d.awaitFor(ctx, quietWait)
	if !away {
		return d.explain(err)
	}
	log.Warn("waiting for "+d.name+": start it, or say where it is with "+d.flag, "at", strings.Join(d.addrs, ","), "err", err)
	if away, err = d.awaitFor(ctx, lookupWait); away {
		if err := d.known(ctx, log); err != nil {
			return err
		}
		err = d.await(ctx)
	}
	if err == nil {
		log.Info(d.name + " answers")
	}
	return d.explain(err)
}

// awaitFor reports whether the time was too short.
func (d dependency) awaitFor(ctx context.Context, limit time.Duration) (away bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = d.await(limited)
	return err != nil && limited.Err() != nil && ctx.Err() == nil, err
}

// known fails when the names are certain to lead nowhere. A resolver that does not answer may do so later.
func (d dependency) known(ctx context.Context, log *slog.Logger) error {
	limited, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	var unknown []string
	for _, addr := range d.addrs {
		host, _, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = d.lookup(limited, host)
		}
		var ofDNS *net.DNSError
		if errors.As(err, &ofDNS) && ofDNS.IsNotFound {
			unknown = append(unknown, host)
		}
	}
	hosts := strings.Join(slices.Compact(slices.Clone(unknown)), ",")
	switch {
	case len(unknown) == 0 || ctx.Err() != nil:
		return nil
	case len(unknown) < len(d.addrs):
		log.Warn("hosts of "+d.name+" are not known: check "+d.flag, "hosts", hosts)
		return nil
	}
	return fmt.Errorf("%s: no host has the name %s", d.flag, hosts)
}

// explain says which flag is about what waiting does not mend.
func (d dependency) explain(err error) error {
	if err == nil || errors.Is(err, zkregistry.ErrDenied) { // of which startError knows more
		return err
	}
	return fmt.Errorf("%s: %w", d.flag, err)
}

// awaitStore looks until Redis answers, ever less often, and each process at times of its own.
func awaitStore(ctx context.Context, look func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		err := look(ctx)
		if !errors.Is(err, route.ErrStoreUnavailable) {
			return err
		}
		if waitAWhile(ctx, pause/2+rand.N(pause/2)) != nil {
			return err
		}
	}
}

// joinCluster has the server listed. ZooKeeper may have gone away again since it was waited for.
func (n *node) joinCluster(ctx context.Context, cfg nodeConfig) error {
	for said := false; ; said = true {
		err := n.join(ctx, cfg)
		if !errors.Is(err, zkregistry.ErrUnavailable) {
			return err
		}
		if !said {
			n.log.Warn("waiting for ZooKeeper, to be listed there", "at", strings.Join(cfg.cluster.ZK, ","), "err", err)
		}
	}
}
