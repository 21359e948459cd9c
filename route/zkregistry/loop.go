package zkregistry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"cim/route"
)

const (
	// retryEvery is the pause after an error of ZooKeeper.
	retryEvery = time.Second
	// resumePause keeps calls back after a new connection, while the library sets its watches again: it then reads
	// without a lock what an answer to a call writes (Conn.lastZxid, in zk v1.0.4).
	resumePause = 100 * time.Millisecond
)

// loop is the state of run.
type loop struct {
	view    *view
	roster  *roster
	began   time.Time // the library was told to connect
	quiet   time.Time // no calls before
	expired bool      // a session ended, and OnExpired has not been called for it
	probed  time.Time // the last round of probes began
	lastErr string    // what was logged
}

// run does a step whenever something happened, and now and then.
func (r *Registry) run(ctx context.Context) {
	defer close(r.doneCh)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.events.wakeCh:
		case <-timer.C:
			r.loop.view.stale = true
		}
		timer.Reset(r.step(ctx, time.Now()))
	}
}

// step compares what is to be with what is and returns when to look again at the latest.
func (r *Registry) step(ctx context.Context, now time.Time) time.Duration {
	l, c := &r.loop, r.events.take()
	l.view.note(c)
	if c.resumed {
		l.quiet = now.Add(resumePause)
	}
	if c.expired {
		l.expired = true
		r.cfg.Logger.Warn("the ZooKeeper session has expired")
		r.forgetNodes()
	}
	wait := r.cfg.RefreshEvery*3/4 + rand.N(r.cfg.RefreshEvery/2+1)
	switch {
	case now.Before(l.quiet):
		wait = l.quiet.Sub(now)
	case c.session:
		err := denied(r.sync(ctx))
		r.setErr(err)
		if err != nil {
			wait = retryEvery
		}
	default:
		wait = r.reconnect(now, c.since)
	}
	r.dropDead()
	return min(wait, r.probe(ctx, now))
}

// reconnect begins a new session when there was no connection for so long that the last one has expired. The library
// would go on with it for ever, which a ZooKeeper that lost its data never lets in: it refuses who has seen more than
// it has. It returns when to look again.
func (r *Registry) reconnect(now, since time.Time) time.Duration {
	l, patience := &r.loop, 2*r.cfg.SessionTimeout
	if l.began.After(since) {
		since = l.began
	}
	if away := now.Sub(since); away < patience {
		return patience - away
	}
	l.began = now
	c, err := connect(r.cfg, r.events)
	if err != nil {
		r.setErr(err)
		return patience
	}
	old := r.conn.Swap(c)
	l.view.conn = c
	r.wg.Go(old.Close)
	return patience
}

// sync makes ZooKeeper's nodes and the list agree with who joined and who is there.
func (r *Registry) sync(ctx context.Context) error {
	l := &r.loop
	if err := l.view.conn.authenticate(ctx); err != nil {
		return err
	}
	if err := r.withdrawLeaving(ctx); err != nil {
		return err
	}
	if err := r.announce(ctx); err != nil {
		return err
	}
	if err := l.view.read(ctx); err != nil {
		return err
	}
	if err := l.view.inspectRoot(ctx); err != nil {
		return err
	}
	l.roster.update(l.view.servers())
	for _, m := range r.joinedHere() {
		l.view.verify(m)
	}
	if err := r.announce(ctx); err != nil {
		return err
	}
	if l.view.stale {
		r.events.wake() // what was announced just now is read in the next step
	}
	r.publishRoster()
	closeOnce(r.readyCh)
	if l.expired {
		l.expired = false
		r.cfg.Logger.Info("a new ZooKeeper session has taken the place of the expired one")
		r.cfg.OnExpired()
	}
	return r.replacedHere()
}

// announce makes the nodes of members that have none.
func (r *Registry) announce(ctx context.Context) error {
	for _, m := range r.joinedHere() {
		if m.announced || m.replaced {
			continue
		}
		if err := denied(r.loop.view.announce(ctx, m)); err != nil {
			m.denial.note(err)
			return err
		}
		if m.announced && !m.joined {
			m.joined = true
			r.publishRoster()
			close(m.joinedCh)
		}
	}
	return nil
}

func (r *Registry) withdrawLeaving(ctx context.Context) error {
	r.mu.Lock()
	leaving := slices.Clone(r.leaving)
	r.mu.Unlock()
	for _, m := range leaving {
		if err := r.loop.view.withdraw(ctx, m); err != nil {
			return err
		}
		r.loop.roster.left(m.name, m.server.Instance)
		r.mu.Lock()
		r.leaving = slices.DeleteFunc(r.leaving, func(o *member) bool { return o == m })
		r.mu.Unlock()
		r.publishRoster()
		close(m.leftCh)
	}
	return nil
}

// joinedHere is a copy: announcing takes time.
func (r *Registry) joinedHere() []*member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.members))
}

func (r *Registry) forgetNodes() {
	for _, m := range r.joinedHere() {
		m.announced, m.replaced = false, false
	}
}

// publishRoster lists who counts. A server of this process does not take itself for dead while its node is being
// made again.
func (r *Registry) publishRoster() {
	servers := r.loop.roster.listed()
	for _, m := range r.joinedHere() {
		if m.joined && !m.replaced {
			servers = slices.DeleteFunc(servers, func(s route.Server) bool { return s.Instance == m.server.Instance })
			servers = append(servers, m.server)
		}
	}
	r.publish(servers)
}

func (r *Registry) replacedHere() error {
	for _, m := range r.joinedHere() {
		if m.replaced {
			return fmt.Errorf("%w: %s", ErrReplaced, r.loop.view.path(m.name))
		}
	}
	return nil
}

// setErr keeps and logs what the last step came to, once per change.
func (r *Registry) setErr(err error) {
	if errors.Is(err, context.Canceled) {
		return // Close has ended the step
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != r.loop.lastErr {
		r.loop.lastErr = text
		if err != nil {
			r.cfg.Logger.Warn("the registry cannot be kept up", "err", err)
		} else {
			r.cfg.Logger.Info("the registry is kept up again")
		}
	}
	r.denial.note(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}
