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
)

// drainTime bounds a graceful stop; what is acknowledged is on disk by then anyway.
const drainTime = 10 * time.Second

// upCmd runs server, route and store in one process.
type upCmd struct {
	Listen      string        `help:"Where clients connect: host:port." default:"127.0.0.1:11211"`
	HTTP        string        `name:"http" help:"Where the HTTP API listens: host:port." default:"127.0.0.1:8083"`
	Data        string        `help:"Folder of accounts and inboxes, or :memory:." default:"./cim-data"`
	Auth        string        `help:"How callers prove who they are: token (by secrets and keys) or cim (not at all, as CIM does)." enum:"token,cim" default:"token"`
	Advertise   string        `help:"Host that clients are told to connect to, and a name by which the HTTP API may be called; required when --listen is a wildcard." placeholder:"HOST"`
	IdleTimeout time.Duration `help:"Close a connection that sent nothing for so long; a client with hello gets 2.5 times its heartbeat." default:"90s"`
	MaxConns    int           `help:"Connections to hold at most; 0: what the limit of open files allows." default:"0"`
	HTTPConns   int           `name:"http-conns" help:"HTTP connections to hold at most." default:"1024"`
	Duplicate   string        `help:"When a user connects from a second device: refuse it, or kick the first." enum:"refuse,kick" default:"refuse"`
	Register    string        `help:"Who may make accounts; applications needs --auth token." enum:"anyone,applications" default:"anyone"`
	tlsFlags
	Metrics   string `help:"Also serve /metrics and /debug/pprof on this address; keep it private." placeholder:"ADDR"`
	LogLevel  string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"text or json." enum:"text,json" default:"text"`
}

// Validate is called by kong after parsing.
func (c *upCmd) Validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q is not host:port", c.Listen)
	case isWildcard(host) && c.Advertise == "":
		return errors.New("--listen on all addresses needs --advertise HOST: clients are told to connect there")
	case c.Register == registerApplications && c.Auth == authCIM:
		return errors.New("--register applications needs --auth token: under --auth cim nobody is asked who they are")
	case c.IdleTimeout < time.Second:
		return errors.New("--idle-timeout has to be at least 1s; write durations with their unit, as 45s")
	case c.MaxConns < 0 || c.HTTPConns < 1:
		return errors.New("--max-conns must not be negative, and --http-conns has to be at least 1")
	}
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
		return fmt.Errorf("--http %q is not host:port", c.HTTP)
	}
	return c.check()
}

func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
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
		return startError(err, c)
	}
	c.announce(io.out, n)
	select {
	case <-ctx.Done():
		fmt.Fprintf(io.out, "stopping; %s at most\n", drainTime)
	case err = <-n.failedCh:
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err = errors.Join(err, n.Close(stopCtx)); err == nil {
		fmt.Fprintln(io.out, "stopped")
	}
	return err
}

func (c *upCmd) nodeConfig(log *slog.Logger) nodeConfig {
	return nodeConfig{
		listen: c.Listen, http: c.HTTP, data: c.Data, advertise: c.Advertise, metrics: c.Metrics,
		idleTimeout: c.IdleTimeout, maxConns: c.MaxConns, httpConns: c.HTTPConns,
		kickDuplicates: c.Duplicate == "kick", log: log,
		auth: c.Auth, register: c.Register, proxyFrom: c.ProxyFrom,
	}
}

// startError says what to do about the usual reasons not to start.
func startError(err error, c *upCmd) error {
	var inUse *addressInUseError
	switch {
	case errors.As(err, &inUse):
		return fmt.Errorf("%s is in use: stop the other process, or choose another address with %s", inUse.addr, inUse.flag)
	case errors.Is(err, embedded.ErrLocked), errors.Is(err, embedded.ErrNotWritable),
		errors.Is(err, embedded.ErrForeign), errors.Is(err, embedded.ErrNewerFormat):
		return fmt.Errorf("%s (--data)", strings.TrimPrefix(err.Error(), "embedded: ")) // it says what to do; this says where
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

// announceAuth says where the keys are, or that there are none.
func (c *upCmd) announceAuth(out io.Writer, n *node) {
	switch {
	case n.keys == nil:
		fmt.Fprintln(out, "\nWARNING: --auth cim: anyone who reaches these ports can be anyone and read their messages.")
		fmt.Fprintln(out, "Keep them on a network that you trust.")
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
	return " --route " + c.routeURL(n)
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
