package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"cim/internal/buildinfo"
)

const registerAnyone = "anyone"

// routeCmd runs one route of a cluster.
type routeCmd struct {
	HTTP      string         `name:"http" help:"Where the HTTP API listens: host:port." default:":8083"`
	Balance   string         `help:"How a server is chosen for a login." enum:"round-robin,random,consistent-hash,least-connections" default:"least-connections"`
	Register  string         `help:"Who may make accounts: anyone or applications. Default: applications, and with --auth cim anyone." enum:",anyone,applications" default:""`
	Duplicate string         `help:"When a user logs in a second time by CIM's /login: refuse it, or kick the first. The same as at the servers." enum:"refuse,kick" default:"refuse"`
	KeyFile   string         `name:"key-file" help:"File of the application key, made when it is missing; the same for all routes. Default: application.key beside --secret-file." placeholder:"FILE" type:"path"`
	Hosts     []string       `name:"host" help:"Names by which clients reach the routes, besides localhost and addresses." placeholder:"NAME,..."`
	TLSCert   string         `name:"tls-cert" help:"Speak TLS, with this certificate and its chain (PEM); read again on SIGHUP." placeholder:"FILE"`
	TLSKey    string         `name:"tls-key" help:"Private key of --tls-cert (PEM)." placeholder:"FILE"`
	ProxyFrom []netip.Prefix `name:"proxy-from" help:"Networks of proxies in front: X-Forwarded-For of their requests says who the client is." placeholder:"CIDR,..."`
	clusterFlags
	processFlags
}

// Validate is called by kong after parsing.
func (c *routeCmd) Validate() error {
	if c.Register == registerApplications && c.Auth == authCIM {
		return errors.New("--register applications needs --auth token: under --auth cim nobody is asked who they are")
	}
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
		return fmt.Errorf("--http %q is not host:port", c.HTTP)
	}
	return firstOf(c.tls().check(), c.clusterFlags.check(), c.processFlags.check())
}

func (c *routeCmd) tls() tlsFlags { return tlsFlags{TLSCert: c.TLSCert, TLSKey: c.TLSKey} }

// register is who may make accounts.
func (c *routeCmd) register() string {
	switch {
	case c.Register != "":
		return c.Register
	case c.Auth == authCIM:
		return registerAnyone
	}
	return registerApplications
}

// Run serves until ctx ends.
func (c *routeCmd) Run(ctx context.Context, io streams) error {
	log := newLogger(io.err, c.LogLevel, c.LogFormat)
	cfg := nodeConfig{
		http: c.HTTP, httpFlag: "--http", metrics: c.Metrics, httpConns: c.HTTPConns, kickDuplicates: c.Duplicate == duplicateKick,
		log: log, auth: c.Auth, register: c.register(), hosts: c.Hosts, proxyFrom: c.ProxyFrom,
		cluster: &c.clusterFlags, balance: c.Balance, keyFile: c.keyFile(c.KeyFile),
	}
	var err error
	if cfg.certs, err = loadCertificates(c.tls()); err != nil {
		return err
	}
	n, err := startRouteNode(ctx, cfg)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(io.out, "stopped before it was up")
		return nil
	}
	if err != nil {
		return startError(err)
	}
	c.announce(io.out, n, cfg)
	return n.serve(ctx, io.out, drainTime)
}

// announce tells an operator what runs.
func (c *routeCmd) announce(out io.Writer, n *node, cfg nodeConfig) {
	fmt.Fprintf(out, "cim %s route is up: HTTP on %s, servers chosen by %s, %d listed\n",
		buildinfo.Version(), n.httpAddr, c.Balance, len(n.registry.Servers()))
	if c.Auth != authCIM {
		fmt.Fprintf(out, "application key in %s; %s may register\n", cfg.keyFile, cfg.register)
	}
	warnOfCIM(out, c.Auth)
}
