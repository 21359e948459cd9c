package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cim/internal/buildinfo"
)

// Send has pairs of users write to each other, and holds the server to what it acknowledged: once each, in order.
type Send struct {
	// Immutable after NewSend.
	cfg    SendConfig
	idle   *Idle            // connects and follows the workers
	drain  time.Duration    // for what is under way at the end
	enough func(tally) bool // for tests, which end the run by what has happened
}

// NewSend checks the configuration and the limit of open files. Errors: ErrConfig, ErrLimits, ErrUnsupported.
func NewSend(cfg SendConfig) (*Send, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	idle, err := NewIdle(cfg.idle())
	if err != nil {
		return nil, err
	}
	idle.workers = min(idle.workers, cfg.Pairs)
	return &Send{cfg: cfg, idle: idle, drain: cfg.drain(), enough: func(tally) bool { return false }}, nil
}

// Run connects everybody, has them write for the configured time, waits for what is under way and reports. It may be
// called once. Errors: ErrLimits; ErrLost, ErrDoubled, ErrDropped and ErrWorker come with a complete report; without
// one, what kept the run from its end.
func (r *Send) Run(ctx context.Context) (*SendReport, error) {
	defer r.idle.route.close()
	c := r.cfg
	r.idle.screen.line("cim bench send %s: %s pairs, %d bytes a message, QoS %d, %s, for %s, %d worker(s), seed %d",
		buildinfo.Version(), group(c.Pairs), c.Size, c.QoS, c.describeRate(), c.For, r.idle.workers, c.Seed)
	users, probe, err := r.idle.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := probe.others.sample(); err != nil { // better now than after the users have connected
		return nil, err
	}
	return r.load(ctx, users, probe)
}

// jobs splits the run over the workers, pairs together.
func (r *Send) jobs(users []account, start time.Time) []job {
	jobs := r.idle.jobs(users, start)
	first := firstMessageID(start)
	for w, s := range sendShares(r.cfg.Pairs, len(jobs)) {
		j := &jobs[w]
		j.Share, j.Users = s, users[s.First:s.First+s.Count]
		j.Send = &sendJob{
			Size: r.cfg.Size, QoS: r.cfg.QoS, First: first, Drain: r.drain,
			Rate: r.cfg.Rate * float64(s.Count) / float64(len(users)),
		}
	}
	return jobs
}

// load runs the fleet: connect, send, wait for the rest.
func (r *Send) load(ctx context.Context, users []account, probe *probe) (*SendReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	began := time.Now()
	f, err := startFleet(ctx, r.cfg.Command, r.jobs(users, began), r.idle.screen)
	if err != nil {
		cancel()
		return nil, err
	}
	defer f.close()
	defer cancel()
	r.idle.started(f.pids())
	if err := r.idle.ramp(ctx, f, began); err != nil {
		return nil, err
	}
	before, err := probe.others.sample()
	if err != nil {
		return nil, err
	}
	if err := r.send(ctx, f); err != nil {
		return nil, err
	}
	f.send(command{Finish: true})
	if err := r.idle.follow(ctx, f, nil, f.done, nil); err != nil {
		return nil, err
	}
	rep := r.report(f)
	rep.Processes = probe.others.use(before)
	err = rep.verdict()
	return rep, err
}

// send lasts until the time is over, or nobody is left.
func (r *Send) send(ctx context.Context, f *fleet) error {
	began := time.Now()
	last, at := int64(0), began
	f.send(command{Hold: true})
	over := func() bool { return f.done() || r.enough(f.tally()) }
	return r.idle.follow(ctx, f, time.After(r.cfg.For), over, func(t tally) {
		s, now := t.Sends, time.Now()
		r.idle.screen.line("sending %s of %s: %s acknowledged (%.0f/s), %s delivered, %s refused, %s dropped", round(now.Sub(began)), r.cfg.For,
			group(s.Acknowledged), float64(s.Acknowledged-last)/now.Sub(at).Seconds(), group(s.Delivered), group(s.refusals()), group(t.dropped()))
		last, at = s.Acknowledged, now
	})
}

// report puts together what the workers left.
func (r *Send) report(f *fleet) *SendReport {
	t := f.tally()
	rep := &SendReport{
		Scenario: "send", Version: buildinfo.Version(), Config: r.reportConfig(), Connected: t.Connected, Dropped: t.dropped(),
		Drops: t.Drops, Servers: t.Servers, Counts: t.Sends, Lost: t.Sends.lost(), Unanswered: t.Sends.unanswered(), WorkerFailures: f.failures(),
	}
	sents, arrivals := newHistogram(), newHistogram()
	for _, w := range f.workers {
		if w.result == nil || w.result.Send == nil {
			continue
		}
		if err := rep.add(w.result.Send, sents, arrivals); err != nil {
			rep.WorkerFailures = append(rep.WorkerFailures, err.Error())
		}
	}
	rep.SentLatency, rep.ArrivalLatency = sents.latency(), arrivals.latency()
	return rep
}

func (r *Send) reportConfig() SendReportConfig {
	c := r.cfg
	return SendReportConfig{
		Route: c.Route, TLS: r.idle.tls, Pairs: c.Pairs, Size: c.Size, QoS: int(c.QoS), Rate: c.Rate, ForSeconds: c.For.Seconds(),
		Processes: r.idle.workers, Seed: c.Seed,
	}
}

// verdict is nil when everything that was acknowledged came once and in order, and everybody stayed. Without a store a
// message may be lost, but never come twice.
func (r *SendReport) verdict() error {
	var errs []error
	if r.Lost > 0 && r.Config.QoS > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrLost, group(r.Lost)))
	}
	if wrong := r.Counts.Doubled + r.Counts.Disordered; wrong > 0 {
		errs = append(errs, fmt.Errorf("%w: %s doubled, %s out of order", ErrDoubled, group(r.Counts.Doubled), group(r.Counts.Disordered)))
	}
	if r.Dropped > 0 {
		errs = append(errs, fmt.Errorf("%w: %s of %s", ErrDropped, group(r.Dropped), group(2*r.Config.Pairs)))
	}
	if len(r.WorkerFailures) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrWorker, r.WorkerFailures[0]))
	}
	if len(errs) == 0 && r.Counts.Acknowledged == 0 {
		errs = append(errs, fmt.Errorf("%w: none of %s sends was acknowledged", ErrNothingSent, group(r.Counts.Sent)))
	}
	return errors.Join(errs...)
}
