package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cim/internal/buildinfo"
)

// Hostile attacks a server with bytes and connections that do it no good, and sees what honest users notice of
// it. It attacks no address but --target, or the server that the route names.
type Hostile struct {
	// Immutable after NewHostile.
	cfg     HostileConfig
	trusted *tls.Config
	route   *routeClient
	screen  *screen
}

// graceTime is for what was acknowledged and has not arrived, and for who is not back yet, at the end.
const graceTime = 20 * time.Second

// warmUp is how long honest users go on before anything is measured.
const warmUp = 2 * time.Second

// NewHostile checks the configuration. Errors: ErrConfig.
func NewHostile(cfg HostileConfig) (*Hostile, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	trusted, err := TLSFiles{CA: cfg.TLSCA}.config()
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	return &Hostile{
		cfg: cfg, trusted: trusted, route: newRouteClient(cfg.Route, cfg.Key, defaultHTTPConns).trusting(trusted), screen: newScreen(cfg.Log),
	}, nil
}

// hostileRun is one run of a Hostile.
type hostileRun struct {
	*Hostile
	target   string
	insiders []account
	crowd    *crowd
	ledger   *ledger
	probe    *probe
	quiet    context.CancelFunc

	tally         hostileTally
	heldMost      int64
	attacked      time.Duration
	before, after counts
	died          string
	failures      []string

	memoryBefore, memoryPeak, memoryAfter sample
}

// Run measures honest users before, during and after the attack, and reports. It may be called once.
// Errors: ErrServerDied, ErrLost and ErrWorker come with a complete report; without one, what kept the run from
// its end.
func (r *Hostile) Run(ctx context.Context) (*HostileReport, error) {
	defer r.route.close()
	h := &hostileRun{Hostile: r, ledger: newLedger()}
	r.screen.line("cim bench hostile %s: %s frames, %s dribbling, %s stalling and %s silent connections, %d process(es), %d honest users, seed %d",
		buildinfo.Version(), group(r.cfg.Frames), group(r.cfg.Dribble), group(r.cfg.Stall), group(r.cfg.Silent),
		r.cfg.Processes, r.cfg.Honest, r.cfg.Seed)
	if err := h.prepare(ctx); err != nil {
		return nil, err
	}
	online, offline := context.WithCancel(ctx)
	writing, quiet := context.WithCancel(ctx)
	defer h.crowd.wait()
	defer offline()
	defer quiet()
	h.quiet = quiet
	h.crowd.start(online, writing)
	peak := &memoryPeak{peak: sample{}} // looks all the time: a look costs the server something too
	h.crowd.wg.Go(func() { peak.monitor(online, h.probe) })
	if err := h.phases(ctx); err != nil {
		return nil, err
	}
	offline()
	h.crowd.wait()
	h.memoryPeak = peak.read()
	rep := h.report()
	return rep, hostileVerdict(rep)
}

// prepare makes the accounts and finds the target.
func (h *hostileRun) prepare(ctx context.Context) error {
	names := make([]string, h.cfg.Honest+h.cfg.Insiders)
	for i := range names {
		names[i] = accountName(h.cfg.prefix(), i)
	}
	var users []account
	for len(users) < len(names) {
		made, err := h.route.register(ctx, names[len(users):min(len(users)+accountsACall, len(names))])
		if err != nil {
			return err
		}
		users = append(users, made...)
	}
	h.insiders = users[h.cfg.Honest:]
	if err := h.findTarget(ctx, users[0]); err != nil {
		return err
	}
	var secured *tls.Config
	if h.cfg.TLS {
		secured = h.trusted
	}
	h.crowd = newCrowd(h.route, secured, users[:h.cfg.Honest], h.cfg.Beat, h.ledger)
	return nil
}

// findTarget takes the server that the route names, unless another one is given.
func (h *hostileRun) findTarget(ctx context.Context, user account) error {
	p, err := h.route.login(ctx, user)
	if err != nil {
		return err
	}
	if h.target = h.cfg.Target; h.target == "" {
		h.target = p.addr()
	}
	addr, err := resolveTarget(ctx, h.target)
	if err != nil {
		return err
	}
	h.probe = &probe{route: h.route, proc: os.DirFS("/proc"), pid: h.cfg.ServerPID, local: addr.Addr().IsLoopback()}
	h.screen.line("target %s, honest users at %s", h.target, p.addr())
	return nil
}

// phases is the run from the first honest login to the last look.
func (h *hostileRun) phases(ctx context.Context) error {
	everybody := func() bool { online, _ := h.ledger.standing(); return online == h.cfg.Honest }
	if err := h.waitFor(ctx, graceTime, everybody); err != nil {
		return err
	}
	if !everybody() {
		return fmt.Errorf("honest users did not get in before the attack: %v", h.ledger.report(phaseWarmUp).Ended)
	}
	if err := h.waitFor(ctx, warmUp, nil); err != nil {
		return err
	}
	if err := h.measureBefore(ctx); err != nil {
		return err
	}
	if err := h.attack(ctx); err != nil {
		return err
	}
	return h.measureAfter(ctx, everybody)
}

func (h *hostileRun) measureBefore(ctx context.Context) (err error) {
	h.screen.line("measuring %d honest users before the attack for %s", h.cfg.Honest, h.cfg.Before)
	h.ledger.begin(phaseBefore, time.Now())
	if err := h.waitFor(ctx, h.cfg.Before, nil); err != nil {
		return err
	}
	h.before = watchedCounts(ctx, h.route)
	h.memoryBefore, err = h.probe.sample(ctx)
	return err
}

func (h *hostileRun) measureAfter(ctx context.Context, everybody func() bool) error {
	h.screen.line("the attack is over; measuring for %s", h.cfg.After)
	h.ledger.begin(phaseAfter, time.Now())
	if err := h.waitFor(ctx, h.cfg.After, nil); err != nil {
		return err
	}
	h.quiet()
	settled := func() bool { _, missing := h.ledger.standing(); return missing == 0 && everybody() }
	if err := h.waitFor(ctx, graceTime, settled); err != nil {
		return err
	}
	h.after = watchedCounts(ctx, h.route)
	var err error
	if h.memoryAfter, err = h.probe.sample(ctx); err != nil {
		h.died = "its process is gone: " + err.Error()
	}
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	switch n := len(h.ledger.instances); {
	case h.died != "":
	case n > 1:
		h.died = fmt.Sprintf("it was started again: honest users met %d instances", n)
	case h.ledger.online == 0:
		h.died = "no honest user can reach it any more"
	}
	return nil
}

// waitFor waits until is true, if that is given, and d at most.
func (h *hostileRun) waitFor(ctx context.Context, d time.Duration, is func() bool) error {
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for is == nil || !is() {
		select {
		case <-look.C:
		case <-end.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("stopped before the end: %w", context.Cause(ctx))
		}
	}
	return nil
}

// lookEvery is the distance of looks at what a run waits for.
const lookEvery = 50 * time.Millisecond

// hostileVerdict is nil when the server lived and nothing acknowledged was lost.
func hostileVerdict(r *HostileReport) error {
	var errs []error
	if r.ServerDied != "" {
		errs = append(errs, fmt.Errorf("%w: %s", ErrServerDied, r.ServerDied))
	}
	if r.Missing > 0 {
		errs = append(errs, fmt.Errorf("%w: %s of %s messages", ErrLost, group(r.Missing), group(r.Stored)))
	}
	if len(r.Failures) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrWorker, r.Failures[0]))
	}
	return errors.Join(errs...)
}
