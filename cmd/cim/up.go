package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"cim/internal/buildinfo"
	"cim/netcore"
	"cim/route/embedded"
	"cim/route/zkregistry"
)

// drainTime bounds a graceful stop; what is acknowledged is on disk by then anyway.
const drainTime = 10 * time.Second

// drainGrace is how long a client may take to have its new connection before the old one ends.
const drainGrace = 5 * time.Second

// upCmd runs server, route and store in one process.
type upCmd struct {
	Listen     string `help:"Where clients connect: host:port." default:"127.0.0.1:11211"`
	HTTP       string `name:"http" help:"Where the HTTP API listens: host:port." default:"127.0.0.1:8083"`
	Data       string `help:"Folder of accounts and inboxes, or :memory:." default:"./cim-data"`
	Register   string `help:"Who may make accounts; applications needs --auth token." enum:"anyone,applications" default:"anyone"`
	InboxLimit int    `help:"Messages that may wait for one user; more are refused, and their sender is told." default:"10000"`
	InboxBytes int64  `help:"Bytes of messages that may wait for one user." default:"16777216"`
	imFlags
	processFlags
}

// Validate is called by kong after parsing.
func (c *upCmd) Validate() error {
	if c.Register == registerApplications && c.Auth == authCIM {
		return errors.New("--register applications needs --auth token: under --auth cim nobody is asked who they are")
	}
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
		return fmt.Errorf("--http %q is not host:port", c.HTTP)
	}
	return firstOf(checkInbox(c.InboxLimit, c.InboxBytes), c.imFlags.check(c.Listen), c.processFlags.check())
}

// Run serves until ctx ends, then drains.
func (c *upCmd) Run(ctx context.Context, io streams) error {
	log := newLogger(io.err, c.LogLevel, c.LogFormat)
	cfg := c.nodeConfig(log)
	var err error
	if cfg.certs, err = loadCertificates(c.tlsFlags); err != nil {
		return err
	}
	n, err := startNode(cfg)
	if err != nil {
		return startError(err)
	}
	c.announce(io.out, n)
	return n.serve(ctx, io.out, drainTime)
}

func (c *upCmd) nodeConfig(log *slog.Logger) nodeConfig {
	return nodeConfig{
		listen: c.Listen, http: c.HTTP, httpFlag: "--http", data: c.Data, advertise: c.Advertise, metrics: c.Metrics,
		idleTimeout: c.IdleTimeout, maxConns: c.MaxConns, admitRate: c.AdmitRate, httpConns: c.HTTPConns, loops: eventLoops(),
		kickDuplicates: c.Duplicate == duplicateKick, log: log,
		auth: c.Auth, register: c.Register, proxyFrom: c.ProxyFrom, inboxMessages: c.InboxLimit, inboxBytes: c.InboxBytes,
	}
}

// startError says what to do about the usual reasons not to start.
func startError(err error) error {
	var inUse *addressInUseError
	switch {
	case errors.As(err, &inUse):
		return fmt.Errorf("%s is in use: stop the other process, or choose another address with %s", inUse.addr, inUse.flag)
	case errors.Is(err, embedded.ErrLocked), errors.Is(err, embedded.ErrNotWritable),
		errors.Is(err, embedded.ErrForeign), errors.Is(err, embedded.ErrNewerFormat):
		return fmt.Errorf("%s (--data)", strings.TrimPrefix(err.Error(), "embedded: ")) // it says what to do; this says where
	case errors.Is(err, zkregistry.ErrDenied):
		return fmt.Errorf("%w: another user owns these nodes; give the --zk-auth-file that they were made with, or change their access list with ZooKeeper's setAcl", err)
	}
	return err
}

// announce tells a person how to go on.
func (c *upCmd) announce(out io.Writer, n *node) {
	route := c.routeURL(n)
	fmt.Fprintf(out, "cim %s is up: clients on %s, HTTP on %s, data in %s\n", buildinfo.Version(), n.server.Addr(), route, c.Data)
	fmt.Fprintf(out, "holds up to %d connections (open-file limit less %d for HTTP and files)\n", n.server.Capacity(), filesForOthers(c.HTTPConns))
	c.announceAuth(out, n)
	fmt.Fprintf(out, "\nTo talk, in two more terminals:\n")
	for _, name := range []string{"alice", "bob"} {
		fmt.Fprintf(out, "  %s chat%s --name %s\n", commandName(), c.routeFlag(n), name)
	}
	fmt.Fprintln(out)
}

// warnOfCIM says so when nobody is asked who they are.
func warnOfCIM(out io.Writer, mode string) {
	if mode == authCIM {
		fmt.Fprintln(out, "\nWARNING: --auth cim: anyone who reaches these ports can be anyone and read their messages.")
		fmt.Fprintln(out, "Keep them on a network that you trust.")
	}
}

// announceAuth says where the keys are, or that there are none.
func (c *upCmd) announceAuth(out io.Writer, n *node) {
	switch {
	case n.keys == nil:
		warnOfCIM(out, c.Auth)
	case c.Data == embedded.Memory:
		fmt.Fprintf(out, "asks who callers are (--auth token); the application key, until the end of this process: %s\n", n.keys.application)
	default:
		fmt.Fprintf(out, "asks who callers are (--auth token); application key in %s, signing keys in %s\n", applicationKeyFile(c.Data), keysDir(c.Data))
	}
}

// routeFlag is what chat needs to find this process, if it is not where chat looks first.
func (c *upCmd) routeFlag(n *node) string {
	if c.TLSCert == "" && n.httpAddr.Port == defaultRoutePort && n.httpAddr.IP.IsLoopback() {
		return ""
	}
	flags := " --route " + c.routeURL(n)
	if signedItself(c.TLSCert) {
		flags += " --tls-ca " + c.TLSCert
	}
	return flags
}

// routeURL is where others reach the HTTP API.
func (c *upCmd) routeURL(n *node) string {
	host := n.httpAddr.IP.String()
	if n.httpAddr.IP.IsUnspecified() && c.Advertise != "" {
		host = c.Advertise
	}
	return c.scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(n.httpAddr.Port))
}

// commandName is how the user calls this program.
func commandName() string {
	if isGoRun() {
		return "go run ./cmd/cim"
	}
	return os.Args[0]
}

func filesForOthers(httpConns int) int { return httpConns + netcore.FilesKept }
