// Package httpapi is the HTTP face of CIM: the endpoints of the Java system at the root, byte for byte, and
// /v1 beside them. It turns requests into calls of a Router and outcomes into answers. It must not know
// stores, sockets of the client wire, or how a message travels.
package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"cim/route"
)

// Router is what the endpoints need of routing. Safe for concurrent use; *route.Router is one.
type Router interface {
	// Register makes an account with the hash of its secret (zero: none) or returns the one that has the name.
	// Errors: route.ErrInvalidName.
	Register(ctx context.Context, name string, kind route.Kind, secret route.SecretHash) (a route.Account, created bool, err error)
	// Authenticate finds the account of an id (0: not given), a name or both, if the secret is its own.
	// Errors: route.ErrBadCredentials, route.ErrDisabled.
	Authenticate(ctx context.Context, id int64, name, secret string) (route.Credentials, error)
	// ReplaceSecret gives an account a new secret and ends its session. Errors: route.ErrUnknownUser.
	ReplaceSecret(ctx context.Context, id int64) (secret string, err error)
	// SetDisabled keeps an account from connecting, ending its session, or lets it again. Errors: route.ErrUnknownUser.
	SetDisabled(ctx context.Context, id int64, disabled bool) error
	// Account finds an account by id. Errors: route.ErrUnknownUser.
	Account(ctx context.Context, id int64) (route.Account, error)
	// AccountByName finds an account by name. Errors: route.ErrUnknownUser.
	AccountByName(ctx context.Context, name string) (route.Account, error)
	// AccountsByPrefix lists accounts whose names begin with prefix.
	AccountsByPrefix(ctx context.Context, prefix string, limit int) ([]route.Account, error)
	// Place chooses a server that takes the user's connection, and says from when on. Errors: route.ErrNoServer.
	Place(ctx context.Context, user int64) (route.Server, route.Admission, error)
	// Reserve is CIM's login. Errors: route.ErrUnknownUser, ErrNameMismatch, ErrHeld, ErrNoServer.
	Reserve(ctx context.Context, user int64, name string) (route.Server, error)
	// Logout ends the user's session, if there is one.
	Logout(ctx context.Context, user int64) error
	// Deliver routes sends and answers each, in order.
	Deliver(ctx context.Context, sends []route.Send) []route.Outcome
	// Online lists connected users page by page; next is empty at the end. Errors: route.ErrInvalidCursor.
	Online(ctx context.Context, cursor string, limit int) (page []route.Account, next string, err error)
	// OnlineCount counts sessions.
	OnlineCount(ctx context.Context) (int, error)
	// FetchOffline has what waits for the user sent on their connection. Errors: route.ErrOffline.
	FetchOffline(ctx context.Context, user int64) error
	// Ready names what is broken; nothing when all is well.
	Ready(ctx context.Context) []route.Problem
}

// API serves HTTP. Safe for concurrent use.
type API struct {
	// Immutable after New.
	cfg       Config
	log       *slog.Logger
	hosts     hostSet
	endpoints map[string]map[string]*endpoint // path, then method
	server    *fasthttp.Server
	metrics   *metrics
	base      context.Context // of all requests; ends when Shutdown does
	cancel    context.CancelFunc
	conns     *connSet
	limits    *limiters

	mu      sync.Mutex
	serving []*serving
	closed  bool

	starting atomic.Bool
	stopping atomic.Bool
}

// New builds an API that does not listen yet. Errors: ErrConfig; a metric that the registry already has.
func New(cfg Config) (*API, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	a := &API{cfg: cfg, log: cfg.Logger, hosts: newHostSet(cfg.Hosts)}
	a.conns = newConnSet(cfg.Limits.Conns, func(addr netip.Addr) bool { return !addr.IsValid() || a.isProxy(addr) })
	a.base, a.cancel = context.WithCancel(context.Background())
	a.limits = newLimiters(cfg.Limits)
	a.starting.Store(cfg.Starting)
	a.endpoints = index(a.served())
	a.server = a.newServer()
	var err error
	if a.metrics, err = newMetrics(cfg.Registerer, a.server, a.conns); err != nil {
		a.cancel()
		return nil, err
	}
	return a, nil
}

func (a *API) newServer() *fasthttp.Server {
	l := a.cfg.Limits
	return &fasthttp.Server{
		Handler:      a.handle,
		ErrorHandler: a.unreadable,
		ConnState:    a.conns.track,
		Logger:       serverLog{a.log},
		Concurrency:  l.Conns,
		// A client that is a little over the limit reads an answer instead of a reset; the handler refuses.
		MaxRequestBodySize: 2 * l.Body,
		HeaderReceived:     a.limitBody,
		// Nobody sends forms here, and fasthttp would read them before anybody is asked who they are.
		DisablePreParseMultipartForm: true,
		ReadTimeout:                  l.Read,
		WriteTimeout:                 l.Write,
		IdleTimeout:                  l.Idle,
		NoDefaultServerHeader:        true,
		CloseOnShutdown:              true,
		// What it says of a request that it cannot read must not hold the request's credentials.
		SecureErrorLogMessage: true,
	}
}

// serving is one call of Serve.
type serving struct {
	ln   net.Listener
	done chan struct{} // closed when the call returns
}

// Serve answers on ln until Shutdown, and then returns nil. It closes ln. It may be called for several
// listeners. Errors: ErrClosed after Shutdown; those of Accept.
func (a *API) Serve(ln net.Listener) error {
	s := &serving{ln: &closeOnce{Listener: ln}, done: make(chan struct{})}
	defer close(s.done)
	defer s.ln.Close()
	if !a.enter(s) {
		return ErrClosed
	}
	return a.server.Serve(s.ln)
}

func (a *API) enter(s *serving) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.serving = append(a.serving, s)
	}
	return !a.closed
}

// Started ends what Config.Starting began: from now on everything is answered.
func (a *API) Started() { a.starting.Store(false) }

// Shutdown stops listening, closes idle connections and waits for requests that run. When ctx ends first,
// it cancels those requests, cuts their connections and returns the error of ctx. /readyz says so meanwhile.
func (a *API) Shutdown(ctx context.Context) error {
	a.stopping.Store(true)
	ended := a.close()
	defer a.cancel()
	defer a.conns.closeAll()
	if err := a.server.ShutdownWithContext(ctx); err != nil {
		return err
	}
	for _, s := range ended {
		select {
		case <-s.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// close ends all listeners. The server's own Shutdown would miss one whose Serve has just begun.
func (a *API) close() []*serving {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, s := range a.serving {
		_ = s.ln.Close()
	}
	return a.serving
}
