package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"cim/internal/buildinfo"
)

// serverCmd runs one IM server of a cluster.
type serverCmd struct {
	Listen        string        `help:"Where clients connect: host:port." default:":11211"`
	Push          string        `help:"Where the cluster reaches this server, by HTTP: host:port. It speaks no TLS, so keep it on the cluster's own network." default:":8081"`
	AdvertisePush string        `name:"advertise-push" help:"Host by which the cluster reaches --push, if it is not that of --advertise." placeholder:"HOST"`
	Zone          string        `help:"Where this server stands, for who looks at the list of servers." placeholder:"NAME"`
	Drain         time.Duration `help:"How long a stop takes to move the clients to other servers." default:"30s"`
	clusterFlags
	imFlags
	processFlags
}

// Validate is called by kong after parsing.
func (c *serverCmd) Validate() error {
	if _, _, err := net.SplitHostPort(c.Push); err != nil {
		return fmt.Errorf("--push %q is not host:port", c.Push)
	}
	if c.Drain < 0 {
		return errors.New("--drain must not be negative")
	}
	return firstOf(c.imFlags.check(c.Listen), c.clusterFlags.check(), c.processFlags.check())
}

// Run serves until ctx ends, then drains.
func (c *serverCmd) Run(ctx context.Context, io streams) error {
	log := newLogger(io.err, c.LogLevel, c.LogFormat)
	cfg := nodeConfig{
		listen: c.Listen, http: c.Push, httpFlag: "--push", advertise: c.Advertise, metrics: c.Metrics,
		idleTimeout: c.IdleTimeout, maxConns: c.MaxConns, admitRate: c.AdmitRate, httpConns: c.HTTPConns, loops: eventLoops(),
		kickDuplicates: c.Duplicate == duplicateKick, log: log, auth: c.Auth, proxyFrom: c.ProxyFrom,
		cluster: &c.clusterFlags, advertisePush: c.AdvertisePush, zone: c.Zone, drain: c.Drain,
	}
	var err error
	if cfg.certs, err = loadCertificates(c.tlsFlags); err != nil {
		return err
	}
	n, err := startServerNode(ctx, cfg)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(io.out, "stopped before it was up")
		return nil
	}
	if err != nil {
		return startError(err)
	}
	c.announce(io.out, n)
	return n.serve(ctx, io.out, c.Drain+drainTime)
}

// announce tells an operator what runs.
func (c *serverCmd) announce(out io.Writer, n *node) {
	fmt.Fprintf(out, "cim %s server is up: clients on %s, the cluster on %s, instance %s\n",
		buildinfo.Version(), n.server.Addr(), n.httpAddr, n.instance)
	fmt.Fprintf(out, "holds up to %d connections (open-file limit less %d for HTTP and files)\n", n.server.Capacity(), filesForOthers(c.HTTPConns))
	warnOfCIM(out, c.Auth)
}
