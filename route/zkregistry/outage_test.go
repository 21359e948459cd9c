package zkregistry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"cim/internal/zktest"
	"cim/route"
)

// alwaysListed fails the test when the registry's list is not want at any time before stop is called.
func alwaysListed(t *testing.T, r *Registry, want string) (stop func()) {
	t.Helper()
	stopCh := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if got := instances(r); got != want {
				t.Errorf("the list became %q", got)
				return
			}
			select {
			case <-tick.C:
			case <-stopCh:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(stopCh)
		wg.Wait()
	})
}

// TestZooKeeperIsKilled loses ZooKeeper, then ZooKeeper with all it knew.
func TestZooKeeperIsKilled(t *testing.T) {
	zoo := zktest.Start(t)
	cfg := config(t, zoo.Addr())
	cfg.Probe = func(_ context.Context, s route.Server) bool { return s.Instance == "a" || s.Instance == "b" }
	cfg.SessionTimeout = shortTimeout
	expiredCh := make(chan struct{}, 100)
	cfg.OnExpired = func() { expiredCh <- struct{}{} }
	a, b := open(t, cfg), open(t, cfg)
	cfg.CallTimeout = 100 * time.Millisecond
	impatient := open(t, cfg)
	join(t, a, server("a", 1))
	join(t, b, server("b", 3))
	wantInstances(t, a, "a b")
	wantInstances(t, b, "a b")
	stop := alwaysListed(t, a, "a b")
	defer stop()

	zoo.Kill(t)
	eventually(t, "it is noticed", func() bool { return errors.Is(a.Err(), ErrUnavailable) && errors.Is(impatient.Err(), ErrUnavailable) })
	if _, err := impatient.Join(t.Context(), server("c", 5)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Join without ZooKeeper: %v", err)
	}
	zoo.Start(t)
	zoo.Await(t)
	eventually(t, "all are well", func() bool { return a.Err() == nil && b.Err() == nil })
	stop()
	leave := join(t, b, server("d", 7))
	wantInstances(t, a, "a b d")
	leave()
	wantInstances(t, a, "a b")
	for len(expiredCh) > 0 { // the outage may have been longer than the sessions
		<-expiredCh
	}

	stop = alwaysListed(t, a, "a b")
	defer stop()
	zoo.Kill(t)
	zoo.Wipe(t)
	zoo.Start(t)
	for range 3 {
		<-expiredCh
	}
	wantInstances(t, impatient, "a b")
	eventually(t, "all are well", func() bool { return a.Err() == nil && b.Err() == nil })
}

// TestZooKeeperStandsStill has ZooKeeper keep its connections and answer nothing.
func TestZooKeeperStandsStill(t *testing.T) {
	zoo := zktest.Start(t)
	cfg := config(t, zoo.Addr())
	cfg.SessionTimeout = shortTimeout
	cfg.Probe = func(_ context.Context, s route.Server) bool { return s.Instance == "a" }
	a := open(t, cfg)
	join(t, a, server("a", 1))
	cfg.CallTimeout = 200 * time.Millisecond
	b := open(t, cfg)
	leave := join(t, b, server("b", 3))
	wantInstances(t, a, "a b")
	stop := alwaysListed(t, a, "a b")
	defer stop()

	zoo.Stop(t)
	if _, err := b.Join(t.Context(), server("c", 5)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Join: %v", err)
	}
	leave() // comes back although nobody hears it
	eventually(t, "it is noticed", func() bool { return errors.Is(a.Err(), ErrUnavailable) })
	ctx, cancel := context.WithTimeout(t.Context(), shortTimeout/4)
	defer cancel()
	if _, err := Open(ctx, cfg); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: %v", err)
	}
	stop()
	zoo.Continue(t)
	wantInstances(t, a, "a")
	eventually(t, "it is well", func() bool { return a.Err() == nil })
	zoo.Stop(t)
	b.Close() // comes back, too
}

func TestEnsemble(t *testing.T) {
	e := zktest.StartEnsemble(t, 3)
	cfg := config(t, e.Addrs()...)
	cfg.Probe = func(_ context.Context, s route.Server) bool { return s.Instance != "c" }
	expired := make(chan struct{}, 8)
	cfg.OnExpired = func() { expired <- struct{}{} }
	a, b := open(t, cfg), open(t, cfg)
	join(t, a, server("a", 1))
	join(t, b, server("b", 3))
	wantInstances(t, a, "a b")
	wantInstances(t, b, "a b")

	leader := e.Leader(t)
	stop := alwaysListed(t, a, "a b")
	defer stop()
	leader.Kill(t)
	e.Leader(t)
	eventually(t, "both are well", func() bool { return a.Err() == nil && b.Err() == nil })
	stop()
	leave := join(t, b, server("c", 5))
	wantInstances(t, a, "a b c")
	leave()
	wantInstances(t, a, "a b")
	leader.Start(t)
	leader.Await(t)

	// A server stands still: who talks to it goes to another one with the same session.
	c, at := onFollower(t, e, cfg)
	join(t, c, server("d", 7))
	session := c.conn.Load().zk.SessionID()
	at.Stop(t)
	defer at.Continue(t)
	eventually(t, "another is found", func() bool { return c.conn.Load().zk.Server() != at.Addr() && c.Err() == nil })
	join(t, c, server("e", 9))
	wantInstances(t, c, "a b d e")
	if got := c.conn.Load().zk.SessionID(); got != session || len(expired) != 0 {
		t.Errorf("the session was %#x and is %#x", session, got)
	}
}

// onFollower opens a Registry that talks to a server which does not lead: the others agree without it.
func onFollower(t *testing.T, e zktest.Ensemble, cfg Config) (*Registry, *zktest.Server) {
	t.Helper()
	leader := e.Leader(t)
	for {
		r := open(t, cfg)
		for _, s := range e {
			if s != leader && s.Addr() == r.conn.Load().zk.Server() {
				return r, s
			}
		}
		r.Close()
	}
}
