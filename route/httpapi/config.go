package httpapi

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// Config says what an API stands on. Router is required, and one of AuthCIM and Auth.
type Config struct {
	Router Router
	// AuthCIM lets anyone be anyone, as CIM does. Without it CIM's endpoints answer 403, Auth is required, and
	// each endpoint asks for the caller that routes says.
	AuthCIM bool
	Auth    Authenticator
	// ApplicationsRegister lets only applications make accounts. By default anyone may.
	ApplicationsRegister bool
	// Hosts are the names by which clients reach this service, besides localhost and IP addresses; a port
	// in them is ignored. A request for another name is refused, because a page from the web can
	// make any name of its own point here. "*" allows all: only behind a proxy that checks.
	Hosts []string
	// ProxyFrom are the addresses of proxies whose X-Forwarded-For is believed, for limits that count by client address.
	// Without it, everyone behind a proxy shares its address.
	ProxyFrom []netip.Prefix
	// Cluster answers other processes of the cluster at POST /cluster/push; nil: there is no such path. It sees requests
	// of up to twice Limits.Body as they come, and has to know itself whom to believe.
	Cluster fasthttp.RequestHandler
	// ServerOnly leaves out what routes are for: what stays are Cluster, CIM's /sendMsg, health and metrics.
	ServerOnly bool
	// Starting has the API answer only Cluster and what operators ask (health, metrics) until Started is called: what the
	// Router stands on is not there yet, and its answers would be wrong.
	Starting bool
	// Metrics is what /metrics shows, Registerer where the API registers its own. Default: a registry that
	// serves as both.
	Metrics    prometheus.Gatherer
	Registerer prometheus.Registerer
	Logger     *slog.Logger     // default: slog.Default()
	Now        func() time.Time // default: time.Now
	Limits     Limits
}

// Limits bounds what a caller can cost. Zero means the default.
type Limits struct {
	Body   int           // bytes of a request's body; 1 MiB
	Read   time.Duration // from a request's first byte to its last; 10 s
	Write  time.Duration // of a response; 10 s
	Idle   time.Duration // between two requests of a connection; 60 s
	Handle time.Duration // of the work for a request; 10 s
	Items  int           // of a list, in a request or on a page; 1,000
	Conns  int           // open connections; 1,024
	// Of one client address (of IPv6 one /64), a minute; twice as many at once. Applications are exempt.
	Registers int // accounts; 30
	BadLogins int // logins with a wrong secret; 30
	// Of one user, a minute, at one route; twice as many at once.
	Logins int // 60: each takes a place at a server
	// Of one user, a second, at one route; as many as the client wire takes of a session. Applications are exempt.
	Sends    int // messages, each receiver counted; 500, and twice as many at once
	Everyone int // messages to everyone; 20, and 100 at once
}

// MaxContentBytes bounds what a message carries: the client wire's frame limit of 64 KiB less
// what a frame says besides (names, properties of CIM, numbers).
const MaxContentBytes = 60 << 10

const (
	defaultPage    = 100 // items when a caller names no limit
	maxCursorBytes = 256
	readyTimeout   = 2 * time.Second // an orchestrator's probe does not wait longer
	bulkRegisters  = 64              // at a time: enough for a store to sync them in groups
)

func (c *Config) complete() error {
	if c.Router == nil {
		return fmt.Errorf("%w: Router is missing", ErrConfig)
	}
	if !c.AuthCIM && c.Auth == nil {
		return fmt.Errorf("%w: Auth is missing", ErrConfig)
	}
	if c.Metrics == nil && c.Registerer == nil {
		r := prometheus.NewRegistry()
		c.Metrics, c.Registerer = r, r
	}
	if c.Metrics == nil || c.Registerer == nil {
		return fmt.Errorf("%w: Metrics and Registerer go together", ErrConfig)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c.Limits.complete()
}

func (l *Limits) complete() error {
	for _, n := range []struct {
		name  string
		value *int
		usual int
	}{{"Body", &l.Body, 1 << 20}, {"Items", &l.Items, 1000}, {"Conns", &l.Conns, 1024}, {"Registers", &l.Registers, 30}, {"BadLogins", &l.BadLogins, 30}, {"Logins", &l.Logins, 60}, {"Sends", &l.Sends, 500}, {"Everyone", &l.Everyone, 20}} {
		if err := usually(n.name, n.value, n.usual); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"Read", &l.Read, 10 * time.Second},
		{"Write", &l.Write, 10 * time.Second},
		{"Idle", &l.Idle, time.Minute},
		{"Handle", &l.Handle, 10 * time.Second},
	} {
		if err := usually(d.name, d.value, d.usual); err != nil {
			return err
		}
	}
	return nil
}

func usually[T int | time.Duration](name string, value *T, usual T) error {
	if *value < 0 {
		return fmt.Errorf("%w: Limits.%s is negative", ErrConfig, name)
	}
	if *value == 0 {
		*value = usual
	}
	return nil
}
