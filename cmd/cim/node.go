package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cim/internal/buildinfo"
	"cim/netcore"
	"cim/route"
	"cim/route/auth"
	"cim/route/embedded"
	"cim/route/httpapi"
	"cim/route/peer"
)

// nodeConfig is a node's part of the flags.
type nodeConfig struct {
	listen, http, data, advertise, metrics string
	idleTimeout                            time.Duration
	maxConns, httpConns                    int
	loops                                  int // event loops; 0: as the server has them by itself
	admitRate                              int // logins a second that are let in; 0: the server's own
	kickDuplicates                         bool
	auth                                   string // cim: anyone may be anyone; token
	register                               string // anyone, applications
	log                                    *slog.Logger
	certs                                  *certificates // nil: no TLS
	proxyFrom                              []netip.Prefix
	hosts                                  []string // names of the HTTP port, besides those that follow from the others
	inboxMessages                          int      // of one user; 0: the store's own limit
	inboxBytes                             int64    // of their bodies; 0: the store's own limit

	// Of a process of a cluster.
	cluster             *clusterFlags // nil: everything in one process
	httpFlag            string        // by which http was set
	advertisePush, zone string
	balance, keyFile    string // of a route
	drain               time.Duration
}

// isRoute: it signs tokens and has no clients.
func (c nodeConfig) isRoute() bool { return c.cluster != nil && c.listen == "" }

// isServer: routes are elsewhere.
func (c nodeConfig) isServer() bool { return c.cluster != nil && c.listen != "" }

// stores are what a node keeps its state in.
type stores interface {
	route.Accounts
	route.Directory
	route.Inbox
	Close() error
}

// node is what runs in a process: a server, a route and their store, or one of the first two. Tests build whole nodes with it.
type node struct {
	log      *slog.Logger
	store    stores
	instance string
	registry route.Registry
	router   *route.Router
	peers    *peer.Client  // the other servers; nil without a cluster
	ingress  *peer.Ingress // of a server of a cluster
	local    *clusterPeer  // the server of this process as the cluster sees it; nil in others
	secrets  *peer.Secrets // of the cluster
	keys     *nodeKeys     // nil with --auth cim
	drain    time.Duration // that a stop takes to move clients
	refused  *prometheus.CounterVec
	strays   *strays
	server   *netcore.Server
	api      *httpapi.API
	httpAddr *net.TCPAddr
	leave    func()         // the registry; nil: it never joined
	closers  []func() error // of what the router stands on besides the store; called last to first
	side     *http.Server
	sideAddr *net.TCPAddr
	gate     *auth.Gate // nil: logins need no ticket
	wg       sync.WaitGroup
	// stopMonitors ends what only watches.
	stopMonitors context.CancelFunc
	failedCh     chan error // why the node cannot go on

	// What the registry calls may come before the rest of the node is there.
	connectedCh chan struct{}                  // closed when peers is set
	swept       atomic.Pointer[netcore.Server] // server, when it is there
}

// addressInUseError says which flag to change.
type addressInUseError struct{ addr, flag string }

func (e *addressInUseError) Error() string { return e.addr + " is in use" }

// startNode opens the store first and the doors last. On an error nothing is left running.
func startNode(cfg nodeConfig) (*node, error) {
	return startWith(cfg, (*node).startUp)
}

func startWith(cfg nodeConfig, start func(*node, nodeConfig) error) (*node, error) {
	n := &node{
		log: cfg.log, instance: newInstance(), drain: cfg.drain, refused: newLoginsRefused(),
		failedCh: make(chan error, 4), connectedCh: make(chan struct{}),
	}
	n.strays = newStrays(n.instance)
	if err := start(n, cfg); err != nil {
		return nil, errors.Join(err, n.Close(context.Background()))
	}
	return n, nil
}

// startUp starts server, route and store in this process.
func (n *node) startUp(cfg nodeConfig) error {
	store, err := embedded.Open(embedded.Config{
		Dir: storeDir(cfg.data), Logger: cfg.log, InboxMessages: cfg.inboxMessages, InboxBytes: cfg.inboxBytes,
	})
	if err != nil {
		return err
	}
	local := &localPeers{}
	n.store, n.registry = store, embedded.NewRegistry()
	if cfg.auth != authCIM {
		if n.keys, err = openKeys(cfg.data); err != nil {
			return err
		}
	}
	if n.router, err = route.New(n.routerConfig(cfg, local)); err != nil {
		return err
	}
	if err := n.newServer(cfg); err != nil {
		return err
	}
	local.server = n.server
	if err := n.startServer(cfg); err != nil {
		return err
	}
	if err := n.startDoors(cfg); err != nil {
		return err
	}
	ctx := n.startMonitors(cfg)
	n.wg.Go(func() { n.monitorDisk(ctx, store) })
	return n.join(ctx, cfg)
}

// startDoors opens the HTTP ports.
func (n *node) startDoors(cfg nodeConfig) error {
	metrics := newMetrics(n.server)
	metrics.MustRegister(n.refused)
	if err := n.startHTTP(cfg, metrics); err != nil {
		return err
	}
	if n.peers != nil {
		metrics.MustRegister(clusterCollector{n})
	}
	return n.startSide(cfg.metrics, metrics)
}

// startMonitors starts what watches; it ends with the context that is returned, and that with Close.
func (n *node) startMonitors(cfg nodeConfig) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	n.stopMonitors = cancel
	n.surviveHangup(ctx)
	if n.server != nil {
		server := n.server // n's own is forgotten when it fails to listen
		n.wg.Go(func() { n.monitorMemory(ctx, server) })
		n.wg.Go(func() { n.strays.monitorStrays(ctx, n.router, server, cfg.log) })
	}
	switch {
	case cfg.cluster != nil:
		n.wg.Go(func() { n.monitorSecret(ctx, cfg) })
	case n.keys != nil:
		n.wg.Go(func() { n.keys.monitorKeys(ctx, cfg.log) })
	}
	if cfg.certs != nil {
		n.wg.Go(func() { cfg.certs.monitorReload(ctx, cfg.log) })
	}
	return ctx
}

// surviveHangup keeps SIGHUP, which asks for files to be read again, from ending a process that has none, or that has not
// come to listen for it yet.
func (n *node) surviveHangup(ctx context.Context) {
	hupCh := make(chan os.Signal, 1)
	signal.Notify(hupCh, syscall.SIGHUP)
	n.wg.Go(func() {
		<-ctx.Done()
		signal.Stop(hupCh)
	})
}

// join has the server listed, when all else stands.
func (n *node) join(ctx context.Context, cfg nodeConfig) (err error) {
	n.leave, err = n.registry.Join(ctx, n.listing(cfg))
	return err
}

// monitorDisk ends the node when its disk has failed: a process that refuses everything is of less use than
// one that is started again.
func (n *node) monitorDisk(ctx context.Context, store *embedded.Store) {
	select {
	case <-ctx.Done():
	case <-store.Failed():
		n.fail("the store", store.Err())
	}
}

// storeDir leaves room in the data folder for what is not the store's.
func storeDir(data string) string {
	if data == embedded.Memory {
		return data
	}
	return filepath.Join(data, "store")
}

func (n *node) routerConfig(cfg nodeConfig, peers route.Peers) route.Config {
	rc := route.Config{
		Accounts: n.store, Directory: n.store, Inbox: n.store, Registry: n.registry, Peers: peers, Logger: cfg.log,
	}
	if cfg.kickDuplicates {
		rc.Duplicate = route.DuplicateKick
	}
	return rc
}

// newInstance names this process among all that ever ran.
func newInstance() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// newServer makes the server, which does not listen yet.
func (n *node) newServer(cfg nodeConfig) (err error) {
	maxConns := cfg.maxConns
	ceiling, err := netcore.DefaultMaxConns(cfg.httpConns)
	if err != nil {
		return err
	}
	if maxConns == 0 {
		maxConns = ceiling
	}
	if maxConns > ceiling {
		return fmt.Errorf("--max-conns %d is more than the limit of open files allows (%d): raise the limit (ulimit -n)", maxConns, ceiling)
	}
	n.server, err = netcore.New(netcore.Config{
		Listen: cfg.listen, Instance: n.instance, Backend: n.newBackend(cfg),
		AllowCIM: cfg.auth == authCIM, MaxConns: maxConns, AdmitRate: cfg.admitRate, IdleTimeout: cfg.idleTimeout, Logger: cfg.log,
		Loops: cfg.loops, TLS: cfg.certs.config(), ProxyFrom: cfg.proxyFrom,
	})
	return err
}

// startServer opens the client port.
func (n *node) startServer(cfg nodeConfig) error {
	err := n.server.Start()
	if err != nil {
		n.server = nil
	}
	if errors.Is(err, netcore.ErrAddressInUse) {
		return &addressInUseError{cfg.listen, "--listen"}
	}
	return err
}

func (n *node) startHTTP(cfg nodeConfig, metrics *prometheus.Registry) error {
	cluster, err := n.clusterHandler(cfg)
	if err != nil {
		return err
	}
	api, err := httpapi.New(httpapi.Config{
		Router: n.router, AuthCIM: cfg.auth == authCIM, Auth: n.authenticator(), ApplicationsRegister: cfg.register == registerApplications,
		Hosts: hostsOf(cfg), ProxyFrom: cfg.proxyFrom, ServerOnly: cfg.isServer(), Cluster: cluster, Starting: cfg.cluster != nil,
		Metrics: metrics, Registerer: metrics, Logger: cfg.log,
		Limits: httpapi.Limits{Conns: cfg.httpConns},
	})
	if err != nil {
		return err
	}
	ln, err := listen(cfg.http, cfg.httpFlag)
	if err != nil {
		return err
	}
	n.api, n.httpAddr = api, ln.Addr().(*net.TCPAddr)
	if cfg.certs != nil && !cfg.isServer() { // the cluster's own network has no TLS; its requests are signed
		ln = &tlsListener{ln, cfg.certs.config()}
	}
	n.wg.Go(func() { n.fail("HTTP", api.Serve(ln)) })
	return nil
}

// hostsOf are the names by which clients may call the HTTP port, besides loopback and addresses.
func hostsOf(cfg nodeConfig) []string {
	hosts := slices.Clone(cfg.hosts)
	if cfg.advertise != "" {
		hosts = append(hosts, cfg.advertise)
	}
	if host, _, err := net.SplitHostPort(cfg.http); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	return hosts
}

func listen(addr, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &addressInUseError{addr, flag}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return ln, nil
}

// tryListen reports what would keep a listener from addr now.
func tryListen(addr, flag string) error {
	ln, err := listen(addr, flag)
	if err != nil {
		return err
	}
	return ln.Close()
}

// fail reports what ended although nobody asked it to.
func (n *node) fail(what string, err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		n.failedCh <- fmt.Errorf("%s ended: %w", what, err)
	}
}

// listing is what the registry tells others of this node.
func (n *node) listing(cfg nodeConfig) route.Server {
	host := cfg.advertise
	if host == "" {
		host = n.server.Addr().IP.String()
	}
	return route.Server{
		Instance: n.instance, Host: host, Port: n.server.Addr().Port, TLS: cfg.certs != nil, HTTPPort: n.httpAddr.Port,
		PeerHost: cfg.advertisePush, Version: buildinfo.Version(), Zone: cfg.zone, Capacity: n.server.Capacity(),
	}
}
