package bench

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// newTestIdle runs against s, with worker processes that are this test binary.
func newTestIdle(t *testing.T, s *fakeServer, change func(*IdleConfig)) *Idle {
	t.Helper()
	t.Setenv(asWorker, "work")
	cfg := DefaultIdle()
	cfg.Route, cfg.Connections, cfg.Heartbeat, cfg.Rate, cfg.Seed = s.http.URL, 300, time.Second, 5000, 7
	var err error
	if cfg.Command, err = SelfCommand(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	r, err := NewIdle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.progress = 20 * time.Millisecond
	return r
}

func TestIdleHoldsEveryConnection(t *testing.T) {
	s := newFakeServer(t, map[int]behaviour{3: dribbling, 250: dribbling, 1050: talking})
	var log bytes.Buffer
	r := newTestIdle(t, s, func(c *IdleConfig) {
		c.Connections, c.Workers, c.Log, c.ServerPID = 1100, 2, &log, os.Getpid()
	})
	s.heartbeat = 500
	r.enough = func(t tally) bool { return t.Pongs >= 3000 }
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if rep.Connected != 1100 || rep.Open != 1100 || rep.Dropped != 0 {
		t.Errorf("%d connected, %d open, %d dropped %v; want 1100, 1100, 0", rep.Connected, rep.Open, rep.Dropped, rep.Drops)
	}
	if rep.Pings < 3000 || rep.Pongs+rep.Unanswered != rep.Pings || rep.RTT.Count != rep.Pongs || rep.RTT.Max <= 0 {
		t.Errorf("%d PINGs, %d PONGs, %d unanswered, %+v", rep.Pings, rep.Pongs, rep.Unanswered, rep.RTT)
	}
	if rep.Messages == 0 {
		t.Error("the messages of one connection were not counted")
	}
	if want := (Granted{500, 500, 1250, 1250}); rep.Granted != want {
		t.Errorf("granted %+v, want %+v", rep.Granted, want)
	}
	if rep.Config.Workers != 2 || rep.MemoryConnections != 1100 || len(rep.Memory) < 5 {
		t.Errorf("%d workers, memory of %d connections: %+v", rep.Config.Workers, rep.MemoryConnections, rep.Memory)
	}
	wantSeen(t, s)
	for _, want := range []string{"seed 7", "registered 1,100 accounts bench-7", "connected 1,100 of 1,100", "asked for heartbeat 1s"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// Accounts of an application log in with their secrets: with those that come with a new account, and with new
// ones where a run is repeated.
func TestIdleWithSecrets(t *testing.T) {
	s := newFakeServer(t, nil)
	s.key = "cimk_x"
	for _, replaced := range []int{0, 1200} {
		r := newTestIdle(t, s, func(c *IdleConfig) { c.Key, c.Connections = "cimk_x", 1200 })
		r.enough = func(tally) bool { return true }
		rep, err := r.Run(t.Context())
		if err != nil || rep.Connected != 1200 {
			t.Fatalf("%+v, %v", rep, err)
		}
		s.mu.Lock()
		if s.replaced != replaced {
			t.Errorf("%d secrets were replaced, want %d", s.replaced, replaced)
		}
		s.mu.Unlock()
	}
}

func TestIdleWithoutTheKey(t *testing.T) {
	s := newFakeServer(t, nil)
	s.key = "cimk_x"
	if _, err := newTestIdle(t, s, nil).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "give the file that holds it with --key-file") {
		t.Errorf("error is %v, want the route's sentence", err)
	}
}

// A key does no harm where no secrets are asked for.
func TestIdleWithAKeyThatIsNotNeeded(t *testing.T) {
	s := newFakeServer(t, nil)
	r := newTestIdle(t, s, func(c *IdleConfig) { c.Key = "cimk_x" })
	r.enough = func(tally) bool { return true }
	if rep, err := r.Run(t.Context()); err != nil || rep.Connected != 300 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// wantSeen looks at a run of 1,100 connections from the server's side.
func wantSeen(t *testing.T, s *fakeServer) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices != 1100 || s.names["bench-7-000001"] == 0 || s.names["bench-7-001100"] == 0 {
		t.Errorf("%d devices were registered, want bench-7-000001 to bench-7-001100", s.devices)
	}
	if want := map[uint32]bool{1000: true}; !maps.Equal(s.asked, want) {
		t.Errorf("asked for heartbeats %v, want %v", s.asked, want)
	}
	if want := map[string]int{"127.1.0.1": 1000, "127.1.0.2": 100}; !maps.Equal(s.sources, want) {
		t.Errorf("connections come from %v, want %v", s.sources, want)
	}
}

func TestIdleCountsDropsByReason(t *testing.T) {
	s := newFakeServer(t, map[int]behaviour{
		10: closing, 20: resetting, 30: failing, 31: failing, 40: kicking, 50: babbling, 60: refusing, 70: unwelcoming,
		80: nowhere, 90: loginUnavailable, 100: loginBroken, 110: mute, 120: hoarding,
	})
	r := newTestIdle(t, s, func(c *IdleConfig) { c.Timeout = time.Second })
	want := map[string]int{
		reasonEOF: 1, reasonReset: 1, "slow_reader": 2, "replaced": 1, reasonBadFrame: 1, "store_down": 1,
		reasonNoWelcome: 1, reasonRefused: 1, "login_no_server": 1, "login_http_502": 1,
	}
	r.enough = func(t tally) bool { return t.dropped() >= sum(want) && t.Pings >= 5*300 && t.Late >= 6 }
	rep, err := r.Run(t.Context())
	if !errors.Is(err, ErrDropped) || rep == nil {
		t.Fatalf("error is %v, want ErrDropped and a report", err)
	}
	if !maps.Equal(rep.Drops, want) || rep.Dropped != sum(want) {
		t.Errorf("%d dropped: %v, want %v", rep.Dropped, rep.Drops, want)
	}
	if rep.Open != 300-sum(want) || rep.Connected != rep.Open+6 {
		t.Errorf("%d open and %d connected, want %d and 6 more", rep.Open, rep.Connected, 300-sum(want))
	}
	if rep.Pongs+rep.Unanswered != rep.Pings || rep.Unanswered < 2 {
		t.Errorf("%d PONGs and %d unanswered of %d PINGs", rep.Pongs, rep.Unanswered, rep.Pings)
	}
	// The hoarder answers its first PING at its third: two heartbeats and more.
	if two := 2 * int64(s.heartbeat) * 1000; rep.RTT.Max < two {
		t.Errorf("the longest round trip is %d us, want at least %d", rep.RTT.Max, two)
	}
}

func TestIdleTellsWhenSilentOnesWereClosed(t *testing.T) {
	s := newFakeServer(t, nil)
	s.idleAfter = 60 * 4 // four rounds of everybody
	var log bytes.Buffer
	r := newTestIdle(t, s, func(c *IdleConfig) { c.Connections, c.Silent, c.Log = 60, 5, &log })
	r.enough = func(t tally) bool { return t.silentClosed() == 5 }
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Open != 55 || rep.Dropped != 0 || rep.Silent == nil {
		t.Fatalf("%d open, %d dropped %v, silent %+v; want 55 and none", rep.Open, rep.Dropped, rep.Drops, rep.Silent)
	}
	got := *rep.Silent
	if got.Asked != 5 || got.Closed != 5 || !maps.Equal(got.Reasons, map[string]int{"idle_timeout": 5}) {
		t.Errorf("silent ones: %+v, want 5 of 5 closed for idle_timeout", got)
	}
	most := (rep.RampSeconds + rep.HeldSeconds) * 1000
	if got.MinMs <= 0 || got.MedianMs < got.MinMs || got.MaxMs < got.MedianMs || got.MaxMs > most {
		t.Errorf("closed after %.1f, %.1f, %.1f ms; want them in order, above 0 and at most %.1f", got.MinMs, got.MedianMs, got.MaxMs, most)
	}
}

// Whoever was to be dropped by an idle time-out before the hold is a drop, silent or not.
func TestIdleOutlivedBySilentOnes(t *testing.T) {
	s := newFakeServer(t, nil)
	var log bytes.Buffer
	r := newTestIdle(t, s, func(c *IdleConfig) {
		c.Connections, c.Silent, c.For, c.Log = 10, 10, 50*time.Millisecond, &log
	})
	rep, err := r.Run(t.Context())
	if err != nil || rep.Silent.Closed != 0 || rep.Open != 10 {
		t.Fatalf("%+v (%v), want 10 open and no silent one closed", rep, err)
	}
	if !strings.Contains(log.String(), "may outlive the run") {
		t.Errorf("nothing says that the hold is too short:\n%s", log.String())
	}
}

func TestIdleReportsAKilledWorker(t *testing.T) {
	for name, duringRamp := range map[string]bool{"while it connects": true, "while it holds": false} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t, nil)
			r := newTestIdle(t, s, func(c *IdleConfig) { c.Connections, c.Workers = 90, 3 })
			var victim int
			kill := sync.OnceFunc(func() { syscall.Kill(victim, syscall.SIGKILL) })
			r.started = func(pids []int) {
				if victim = pids[1]; duringRamp {
					kill()
				}
			}
			r.enough = func(t tally) bool {
				kill()
				return t.Drops[reasonWorkerDied] > 0 && t.Open == 60
			}
			rep, err := r.Run(t.Context())
			if !errors.Is(err, ErrDropped) || !errors.Is(err, ErrWorker) || rep == nil {
				t.Fatalf("error is %v, want ErrDropped and ErrWorker with a report", err)
			}
			if !maps.Equal(rep.Drops, map[string]int{reasonWorkerDied: 30}) || rep.Open != 60 {
				t.Errorf("%d open, drops %v; want 60 and 30 of %s", rep.Open, rep.Drops, reasonWorkerDied)
			}
			if len(rep.WorkerFailures) != 1 || !strings.Contains(rep.WorkerFailures[0], "killed") {
				t.Errorf("failures are %q, want one that was killed", rep.WorkerFailures)
			}
		})
	}
}

func TestIdleEndsItsWorkersWhenCancelled(t *testing.T) {
	s := newFakeServer(t, nil)
	r := newTestIdle(t, s, func(c *IdleConfig) { c.Connections, c.Workers = 40, 2 })
	ctx, cancel := context.WithCancel(t.Context())
	var pids []int
	r.started = func(p []int) { pids = p }
	r.enough = func(tally) bool { cancel(); return false }
	rep, err := r.Run(ctx)
	if !errors.Is(err, context.Canceled) || rep != nil {
		t.Errorf("%+v (%v), want no report and context.Canceled", rep, err)
	}
	if len(pids) != 2 {
		t.Fatalf("%d workers were started, want 2", len(pids))
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("worker %d: %v, want that it is gone", pid, err)
		}
	}
}

func TestIdleWithWorkersThatAreNone(t *testing.T) {
	for _, kind := range []string{"exit", "babble"} {
		t.Run(kind, func(t *testing.T) {
			r := newTestIdle(t, newFakeServer(t, nil), func(c *IdleConfig) { c.Connections = 10 })
			t.Setenv(asWorker, kind)
			rep, err := r.Run(t.Context())
			if !errors.Is(err, ErrWorker) || rep.Drops[reasonWorkerDied] != 10 {
				t.Errorf("error is %v, want ErrWorker; drops %v, want all 10", err, rep.Drops)
			}
		})
	}
	t.Run("no program", func(t *testing.T) {
		r := newTestIdle(t, newFakeServer(t, nil), func(c *IdleConfig) { c.Command = []string{"/nonexistent"} })
		if rep, err := r.Run(t.Context()); !errors.Is(err, os.ErrNotExist) || rep != nil {
			t.Errorf("%+v (%v), want no report and ErrNotExist", rep, err)
		}
	})
}

func TestIdleFailsEarly(t *testing.T) {
	t.Run("nobody at the route", func(t *testing.T) {
		s := newFakeServer(t, nil)
		r := newTestIdle(t, s, nil)
		s.http.Close()
		if _, err := r.Run(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error is %v, want that the connection was refused", err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		r := newTestIdle(t, newFakeServer(t, map[int]behaviour{0: loginUnavailable}), nil)
		if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "No server can take a connection") {
			t.Errorf("error is %v, want the route's sentence", err)
		}
	})
	t.Run("no such process", func(t *testing.T) {
		r := newTestIdle(t, newFakeServer(t, nil), func(c *IdleConfig) { c.ServerPID = 1 << 30 })
		if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--server-pid") {
			t.Errorf("error is %v, want one that names --server-pid", err)
		}
	})
}
