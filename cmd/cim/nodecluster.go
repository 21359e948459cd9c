package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"cim/route"
	"cim/route/auth"
	"cim/route/balance"
	"cim/route/peer"
	"cim/route/redisstore"
	"cim/route/token"
	"cim/route/zkregistry"
)

// startServerNode joins a cluster as an IM server. It waits for Redis and ZooKeeper, until ctx ends.
func startServerNode(ctx context.Context, cfg nodeConfig) (*node, error) {
	return startWith(cfg, func(n *node, cfg nodeConfig) error { return n.startClusterServer(ctx, cfg) })
}

// startRouteNode joins a cluster as a route. It waits as startServerNode does.
func startRouteNode(ctx context.Context, cfg nodeConfig) (*node, error) {
	return startWith(cfg, func(n *node, cfg nodeConfig) error { return n.startClusterRoute(ctx, cfg) })
}

// startClusterServer opens the HTTP port first, so that operators can ask what is waited for, and the client port when
// clients could log in. It is listed last.
func (n *node) startClusterServer(ctx context.Context, cfg nodeConfig) (err error) {
	local := &clusterPeer{}
	n.local = local
	if err := n.openCluster(cfg, local); err != nil {
		return err
	}
	rc := n.routerConfig(cfg, n.peers)
	rc.Local = n.instance
	if n.router, err = route.New(rc); err != nil {
		return err
	}
	if err := n.newServer(cfg); err != nil {
		return err
	}
	local.server = n.server
	n.swept.Store(n.server)
	if err := tryListen(cfg.listen, "--listen"); err != nil { // it may be long until the server does
		return err
	}
	if err := n.startDoors(cfg); err != nil {
		return err
	}
	monitors := n.startMonitors(cfg)
	if err := n.awaitCluster(ctx, cfg); err != nil {
		return err
	}
	if err := n.startServer(cfg); err != nil {
		return err
	}
	if store, ok := n.store.(incarnate); ok {
		n.wg.Go(func() { n.monitorStore(monitors, store, &local.storeAway) })
	}
	if err := n.joinCluster(ctx, cfg); err != nil {
		return err
	}
	n.api.Started()
	return nil
}

func (n *node) startClusterRoute(ctx context.Context, cfg nodeConfig) error {
	if err := n.openCluster(cfg, nil); err != nil {
		return err
	}
	if n.keys != nil {
		key, err := auth.ApplicationKey(cfg.keyFile)
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		n.keys.application = key
	}
	pick, err := balance.New(cfg.balance, n.peers)
	if err != nil {
		return err
	}
	rc := n.routerConfig(cfg, n.peers)
	rc.Pick = pick.Pick
	if n.router, err = route.New(rc); err != nil {
		return err
	}
	if err := n.startDoors(cfg); err != nil {
		return err
	}
	n.startMonitors(cfg)
	if err := n.awaitCluster(ctx, cfg); err != nil {
		return err
	}
	n.api.Started()
	return nil
}

// openCluster reads the secret and begins to connect to what keeps the cluster together. Only routes sign.
func (n *node) openCluster(cfg nodeConfig, local *clusterPeer) (err error) {
	secrets, err := readSecrets(cfg.cluster.SecretFile)
	if err != nil {
		return err
	}
	n.secrets = secrets
	if cfg.auth != authCIM {
		n.keys = &nodeKeys{tokens: token.Derive(secrets.Current(), secrets.Previous(), cfg.isRoute())}
	}
	if err := n.openStore(cfg); err != nil {
		return err
	}
	if err := n.openRegistry(cfg); err != nil {
		return err
	}
	pc := peer.Config{
		Instance: n.instance, Secrets: secrets, Servers: n.registry, Logger: cfg.log,
		KeepLoads: cfg.balance == balance.LeastConnections,
	}
	if local != nil {
		pc.Local = local
	}
	if n.peers, err = peer.New(pc); err != nil {
		return err
	}
	close(n.connectedCh)
	n.closers = append(n.closers, func() error { n.peers.Close(); return nil })
	return nil
}

func (n *node) openStore(cfg nodeConfig) error {
	store, err := redisstore.Open(redisstore.Config{
		URL: cfg.cluster.Redis, WaitReplicas: cfg.cluster.RedisWait, Logger: cfg.log,
		InboxMessages: cfg.cluster.InboxLimit, InboxBytes: cfg.cluster.InboxBytes,
	})
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	n.store = store
	return nil
}

func (n *node) openRegistry(cfg nodeConfig) error {
	credential, err := readZKAuth(cfg.cluster.ZKAuthFile)
	if err != nil {
		return err
	}
	registry, err := zkregistry.Start(zkregistry.Config{
		Servers: cfg.cluster.ZK, Auth: credential, Probe: n.probe, OnExpired: n.sweep, Logger: cfg.log,
	})
	if err != nil {
		return fmt.Errorf("--zk: %w", err)
	}
	n.registry = registry
	n.closers = append(n.closers, func() error { registry.Close(); return nil })
	return nil
}

// probe asks a server that ZooKeeper does not list any more whether it still serves. One that drains has left on
// purpose. The registry asks from the moment it is open, which is before the others can be reached: meanwhile who was
// listed stays.
func (n *node) probe(ctx context.Context, s route.Server) bool {
	select {
	case <-n.connectedCh:
	case <-ctx.Done():
		return true
	}
	p, ok := n.peers.Peer(s)
	if !ok {
		return false
	}
	load, err := p.Load(ctx)
	return err == nil && !load.Draining
}

// sweep has every session looked at soon, after a time in which others could not know of them. It does not block.
func (n *node) sweep() {
	if s := n.swept.Load(); s != nil {
		s.SweepNow()
	}
}

// readZKAuth reads the file with who this is to ZooKeeper; without one, nobody in particular.
func readZKAuth(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := readSmallFile(path)
	if err != nil {
		return "", fmt.Errorf("--zk-auth-file: %w", err)
	}
	credential := strings.TrimRight(string(text), "\r\n")
	if zkregistry.CheckAuth(credential) != nil {
		return "", fmt.Errorf("--zk-auth-file %s has to hold user:password, on one line", path)
	}
	return credential, nil
}

// readSecrets reads the file that all processes of a cluster share.
func readSecrets(path string) (*peer.Secrets, error) {
	text, err := readSmallFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("--secret-file: %s is missing: make it once with \"cim keys secret --file %s\", and copy it to every machine of the cluster", path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("--secret-file: %w", err)
	}
	s, err := peer.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("--secret-file %s: %w", path, err)
	}
	return s, nil
}

// monitorSecret reads the secret file again, now and then and on SIGHUP.
func (n *node) monitorSecret(ctx context.Context, cfg nodeConfig) {
	hupCh := make(chan os.Signal, 1)
	signal.Notify(hupCh, syscall.SIGHUP)
	defer signal.Stop(hupCh)
	tick := time.NewTicker(keysReload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hupCh:
			n.log.Info("SIGHUP: reading the secret of the cluster again")
		case <-tick.C:
		}
		before := n.secrets.Current()
		if err := n.followSecret(cfg); err != nil {
			n.log.Warn("the secret of the cluster could not be read; the old one stays", "err", err)
		} else if !bytes.Equal(before, n.secrets.Current()) {
			n.log.Info("signing with another secret of the cluster")
		}
	}
}

// followSecret takes over a changed secret file, for signatures between servers and for tokens.
func (n *node) followSecret(cfg nodeConfig) error {
	text, err := readSmallFile(cfg.cluster.SecretFile)
	if err != nil {
		return err
	}
	if err := n.secrets.Replace(text); err != nil {
		return err
	}
	if n.keys != nil {
		n.keys.tokens.Follow(n.secrets.Current(), n.secrets.Previous(), cfg.isRoute())
	}
	return nil
}

// clusterHandler is where other processes of the cluster reach the server of this one; nil in other processes.
func (n *node) clusterHandler(cfg nodeConfig) (fasthttp.RequestHandler, error) {
	if !cfg.isServer() {
		return nil, nil
	}
	ingress, err := peer.NewIngress(peer.IngressConfig{
		Local: n.local, Instance: n.instance, Secrets: n.secrets,
	})
	if err != nil {
		return nil, err
	}
	n.ingress = ingress
	return ingress.Handle, nil
}
