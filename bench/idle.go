package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"cim/internal/buildinfo"
)

// Idle holds connections that only heartbeat, and sees what they cost and whether they stay.
type Idle struct {
	// Immutable after NewIdle.
	cfg      IdleConfig
	workers  int // processes
	route    *routeClient
	trust    *tls.Config
	screen   *screen
	progress time.Duration    // distance of the workers' notices
	started  func(pids []int) // for tests, which kill workers
	enough   func(tally) bool // for tests, which end the hold by what has happened

	tls bool // Run's: the server speaks TLS
}

// NewIdle checks the configuration and the limit of open files. Errors: ErrConfig, ErrLimits,
// ErrUnsupported.
func NewIdle(cfg IdleConfig) (*Idle, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	limit, err := openFiles()
	if err != nil {
		return nil, err
	}
	workers, err := planWorkers(cfg.Connections, cfg.Workers, limit)
	if err != nil {
		return nil, err
	}
	trust, err := cfg.TLS.config()
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	return &Idle{
		cfg: cfg, workers: workers, route: newRouteClient(cfg.Route, cfg.Key, 1).trusting(trust), trust: trust, screen: newScreen(cfg.Log),
		progress: progressEvery, started: func([]int) {}, enough: func(tally) bool { return false },
	}, nil
}

// Run makes the connections, holds them and reports. It may be called once.
// Errors: ErrLimits; ErrDropped and ErrWorker come with a complete report; without one, what kept the run
// from its end.
func (r *Idle) Run(ctx context.Context) (*Report, error) {
	defer r.route.close()
	r.screen.line("cim bench idle %s: %s connections, heartbeat %s, for %s, at most %.0f connects/s, %d worker(s), seed %d",
		buildinfo.Version(), group(r.cfg.Connections), r.cfg.Heartbeat, r.cfg.For, r.cfg.Rate, r.workers, r.cfg.Seed)
	users, probe, err := r.prepare(ctx)
	if err != nil {
		return nil, err
	}
	before, err := probe.sample(ctx)
	if err != nil {
		return nil, err
	}
	return r.load(ctx, users, probe, before)
}

// prepare registers the accounts and finds out where the server is.
func (r *Idle) prepare(ctx context.Context) ([]account, *probe, error) {
	prefix := r.cfg.prefix()
	first, err := r.route.register(ctx, []string{accountName(prefix, 0)})
	if err != nil {
		return nil, nil, err
	}
	server, err := r.findServer(ctx, first[0])
	if err != nil {
		return nil, nil, err
	}
	users, err := r.registerAll(ctx, prefix, first[0])
	if err != nil {
		return nil, nil, err
	}
	local := server.Addr().IsLoopback()
	proc := os.DirFS("/proc")
	return users, &probe{route: r.route, proc: proc, pid: r.cfg.ServerPID, others: processes{proc, r.cfg.PIDs}, local: local}, nil
}

// findServer logs one device in, which claims nothing, and checks that this machine has the ports for the
// server that it is sent to.
func (r *Idle) findServer(ctx context.Context, user account) (netip.AddrPort, error) {
	p, err := r.route.login(ctx, user)
	if err != nil {
		return netip.AddrPort{}, err
	}
	server, err := resolveServer(ctx, p)
	if err != nil {
		return server, err
	}
	ports, err := localPorts()
	if err != nil {
		return server, err
	}
	transport := "plain"
	if r.tls = r.cfg.TLS.usedAt(p); r.tls {
		transport = "TLS"
		if err := tryTLS(ctx, server, p, r.trust, r.cfg.Timeout); err != nil {
			return server, err
		}
	}
	r.screen.line("server %s, %s", server, transport)
	return server, checkPorts(ports, manySources(server.Addr()), r.cfg.Connections)
}

func (r *Idle) registerAll(ctx context.Context, prefix string, first account) ([]account, error) {
	began := time.Now()
	users := append(make([]account, 0, r.cfg.Connections), first)
	for len(users) < r.cfg.Connections {
		names := make([]string, min(accountsACall, r.cfg.Connections-len(users)))
		for i := range names {
			names[i] = accountName(prefix, len(users)+i)
		}
		made, err := r.route.register(ctx, names)
		if err != nil {
			return nil, err
		}
		users = append(users, made...)
	}
	r.screen.line("registered %s accounts %s-... in %s", group(len(users)), prefix, round(time.Since(began)))
	return users, nil
}

// jobs splits the run over the workers.
func (r *Idle) jobs(users []account, start time.Time) []job {
	silent := silentOnes(r.cfg.Silent, r.cfg.Connections, r.cfg.Seed)
	jobs := make([]job, r.workers)
	for w, s := range split(r.cfg.Connections, r.workers) {
		mine := make([]account, s.Count)
		for i := range mine {
			mine[i] = users[s.index(i)]
		}
		jobs[w] = job{
			Route: r.cfg.Route, Prefix: r.cfg.prefix(), Share: s, Total: r.cfg.Connections, Users: mine,
			Silent: silentOf(s, silent), Start: start, Heartbeat: r.cfg.Heartbeat,
			Rate: r.cfg.Rate / float64(r.workers), Timeout: r.cfg.Timeout, HTTPConns: r.cfg.HTTPConns, Progress: r.progress,
			TLS: r.cfg.TLS,
		}
	}
	return jobs
}

// load runs the fleet through its three phases.
func (r *Idle) load(ctx context.Context, users []account, probe *probe, before sample) (*Report, error) {
	others, err := probe.others.sample()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	began := time.Now()
	f, err := startFleet(ctx, r.cfg.Command, r.jobs(users, began), r.screen)
	if err != nil {
		cancel()
		return nil, err
	}
	defer f.close()
	defer cancel()
	r.started(f.pids())

	if err := r.ramp(ctx, f, began); err != nil {
		return nil, err
	}
	ramp := time.Since(began)
	if err := r.holdAll(ctx, f); err != nil {
		return nil, err
	}
	held := time.Since(began) - ramp
	open := f.tally().Open
	after, err := probe.sample(ctx)
	if err != nil {
		return nil, err
	}
	uses := probe.others.use(others)
	f.send(command{Finish: true})
	if err := r.follow(ctx, f, nil, f.done, nil); err != nil {
		return nil, err
	}
	rep := r.report(f, ramp, held)
	rep.Processes = uses
	rep.Memory, rep.MemoryConnections = compare(before, after, open), open
	return rep, verdict(rep)
}

// ramp ends when each connection has been tried.
func (r *Idle) ramp(ctx context.Context, f *fleet, began time.Time) error {
	last := 0
	err := r.follow(ctx, f, nil, f.ready, func(t tally) {
		r.screen.line("connecting: %s of %s connected (%s new), %s dropped",
			group(t.Connected), group(r.cfg.Connections), group(t.Connected-last), group(t.dropped()))
		last = t.Connected
	})
	if err != nil {
		return err
	}
	t, took := f.tally(), time.Since(began)
	r.screen.line("connected %s of %s in %s (%.0f/s); granted: %s", group(t.Connected), group(r.cfg.Connections), round(took),
		float64(t.Connected)/took.Seconds(), t.Granted.describe(r.cfg.Heartbeat))
	return nil
}

// holdAll keeps the connections until the time is over, or until nobody holds any.
func (r *Idle) holdAll(ctx context.Context, f *fleet) error {
	began := time.Now()
	if idle := f.tally().Granted.IdleTimeoutMax; r.cfg.Silent > 0 && r.cfg.For.Milliseconds() < int64(idle) {
		r.screen.line("the silent ones may outlive the run: --for is below the idle timeout")
	}
	f.send(command{Hold: true})
	over := func() bool { return f.done() || r.enough(f.tally()) }
	return r.follow(ctx, f, time.After(r.cfg.For), over, func(t tally) {
		r.screen.line("holding %s of %s: %s open, %s PINGs, %s late, %s dropped%s", round(time.Since(began)), r.cfg.For,
			group(t.Open), group(int(t.Pings)), group(int(t.Late)), group(t.dropped()), silentStatus(r.cfg.Silent, t))
	})
}

func silentStatus(silent int, t tally) string {
	if silent == 0 {
		return ""
	}
	return fmt.Sprintf(", %s of %s silent ones closed", group(t.silentClosed()), group(silent))
}

// follow takes the workers' news until until says so, or end fires, and calls status now and then.
func (r *Idle) follow(ctx context.Context, f *fleet, end <-chan time.Time, until func() bool, status func(tally)) error {
	ticker := time.NewTicker(r.cfg.StatusEvery)
	defer ticker.Stop()
	for !until() {
		select {
		case n := <-f.news:
			f.take(n)
		case <-ticker.C:
			if status != nil {
				status(f.tally())
			}
		case <-end:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("stopped before the end: %w", context.Cause(ctx))
		}
	}
	return nil
}

// verdict is nil when every connection that was to stay has stayed.
func verdict(r *Report) error {
	var err error
	if r.Dropped > 0 {
		err = fmt.Errorf("%w: %s of %s", ErrDropped, group(r.Dropped), group(r.Config.Connections))
	}
	if len(r.WorkerFailures) > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %s", ErrWorker, r.WorkerFailures[0]))
	}
	return err
}
