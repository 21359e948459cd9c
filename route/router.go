package route

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Duplicate is what happens to a login while the user is connected from another device.
type Duplicate uint8

const (
	DuplicateRefuse Duplicate = iota // the new one is refused, on proof that the old one lives
	DuplicateKick                    // the old one is ended
)

// Config names what a Router stands on. Accounts, Directory, Inbox, Registry and Peers are required.
type Config struct {
	Accounts  Accounts
	Directory Directory
	Inbox     Inbox
	Registry  Registry
	Peers     Peers
	Duplicate Duplicate
	// Local is the instance of the server in this process, which is asked first for users whom the Directory cannot find
	// while it does not answer. Default: there is none.
	Local string
	// Pick chooses among servers that can take the user; never called with none. Default: the first.
	Pick func(user int64, servers []Server) Server
	// ProofTimeout bounds how long a server may take to answer what a login asks of it: to prove that it holds a
	// session, to have a place, to take a reservation. Default 1 s, and not to be more: a reservation that takes
	// longer than 2 s to arrive can be taken over.
	ProofTimeout time.Duration
	// PushPatience bounds how long the answers of a whole Deliver wait for one server to take its part, what is not stored
	// for the Directory, and a login for the server of the session that it replaces. A slow server gets what is stored, and the end of the session, later
	// all the same. Default 500 ms; less than the second for which a granted claim needs no proof.
	PushPatience time.Duration
	Logger       *slog.Logger // default: slog.Default()
}

// Router delivers messages and keeps sessions. It has no state of its own besides caches, so that any
// number of them serve one cluster. Safe for concurrent use.
type Router struct {
	cfg    Config
	known  *knownUsers
	outage outage
}

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Router, error) {
	if cfg.Accounts == nil || cfg.Directory == nil || cfg.Inbox == nil || cfg.Registry == nil || cfg.Peers == nil {
		return nil, errors.New("route: Accounts, Directory, Inbox, Registry and Peers are required")
	}
	if cfg.Pick == nil {
		cfg.Pick = func(_ int64, servers []Server) Server { return servers[0] }
	}
	if cfg.ProofTimeout == 0 {
		cfg.ProofTimeout = time.Second
	}
	if cfg.PushPatience == 0 {
		cfg.PushPatience = 500 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Router{cfg: cfg, known: newKnownUsers(knownUsersMax)}, nil
}

// peer finds the running server of an instance.
func (r *Router) peer(instance string) (Peer, bool) {
	s, ok := r.cfg.Registry.Server(instance)
	if !ok {
		return nil, false
	}
	return r.cfg.Peers.Peer(s)
}

// Ready lists what keeps the Router from doing its work; nothing when it is ready.
func (r *Router) Ready(ctx context.Context) []Problem {
	var problems []Problem
	if _, err := r.cfg.Accounts.ByID(ctx, []int64{MaxID}); err != nil {
		problems = append(problems, Problem{Component: "store", Detail: err.Error()})
	}
	for _, part := range []any{r.cfg.Inbox, r.cfg.Registry, r.cfg.Peers} {
		if reporter, ok := part.(Reporter); ok {
			problems = append(problems, reporter.Problems(ctx)...)
		}
	}
	if len(r.cfg.Registry.Servers()) == 0 {
		problems = append(problems, Problem{Component: "registry", Detail: "no IM server is listed"})
	}
	return problems
}
