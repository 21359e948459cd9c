package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
	"cim/route/zkregistry"
)

var (
	errNXDomain = &net.DNSError{Err: "no such host", IsNotFound: true}
	errNoDNS    = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
)

// comesAfter is a dependency that is away for a while.
func comesAfter(d time.Duration) func(context.Context) error {
	begin := time.Now()
	return func(ctx context.Context) error {
		t := time.NewTimer(max(d-time.Since(begin), 0))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("it is away: %w", ctx.Err())
		}
	}
}

func TestWaitingSaysItOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		after  time.Duration
		lookup error // of each name
		fails  string
		lines  []string // of the log
	}{
		"it is there":                     {after: quietWait / 2},
		"it comes":                        {after: quietWait + time.Second, lines: []string{"waiting for Redis", "Redis answers"}},
		"it comes after an hour":          {after: time.Hour, lines: []string{"waiting for Redis", "Redis answers"}},
		"its name comes first":            {after: quietWait + lookupWait/2, lookup: errNXDomain, lines: []string{"waiting for Redis", "Redis answers"}},
		"nobody has the name":             {after: time.Hour, lookup: errNXDomain, fails: "--redis: no host has the name zk1,zk2", lines: []string{"waiting for Redis"}},
		"nobody can be asked for a while": {after: time.Hour, lookup: errNoDNS, lines: []string{"waiting for Redis", "Redis answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				d := dependency{
					name: "Redis", flag: "--redis", addrs: []string{"zk1:1", "zk1:2", "zk2:1"}, await: comesAfter(tc.after),
					lookup: func(context.Context, string) ([]string, error) { return nil, tc.lookup },
				}
				err := d.wait(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
				if (err == nil) != (tc.fails == "") || err != nil && err.Error() != tc.fails {
					t.Errorf("%v, want %q", err, tc.fails)
				}
				lines := strings.Split(strings.TrimSpace(log.String()), "\n")
				if log.Len() == 0 {
					lines = nil
				}
				if len(lines) != len(tc.lines) {
					t.Fatalf("it says %q, want %q", lines, tc.lines)
				}
				for i, want := range tc.lines {
					if !strings.Contains(lines[i], want) {
						t.Errorf("it says %q, want %q", lines[i], want)
					}
				}
				if len(lines) > 0 && !containsAll(lines[0], "zk1:1,zk1:2,zk2:1", "--redis", "it is away") {
					t.Errorf("the first line is %q", lines[0])
				}
			})
		})
	}
}

// One name of several may be a mistake; it is no reason to give up.
func TestWaitingWithOneUnknownName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := dependency{
			name: "ZooKeeper", flag: "--zk", addrs: []string{"good:1", "127.0.0.1:1", "bad:1"}, await: comesAfter(time.Hour),
			lookup: func(_ context.Context, host string) ([]string, error) {
				if host == "bad" {
					return nil, errNXDomain
				}
				return []string{"127.0.0.1"}, nil
			},
		}
		if err := d.wait(t.Context(), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "hosts=bad\n") != 1 {
			t.Errorf("it says %q", text)
		}
	})
}

// What waiting does not mend ends it, at once and later.
func TestWaitingIsNotForMistakes(t *testing.T) {
	mistake := errors.New("wrong password")
	for name, after := range map[string]time.Duration{"at once": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				comes := comesAfter(after)
				d := dependency{
					name: "Redis", flag: "--redis", addrs: []string{"127.0.0.1:1"}, lookup: net.DefaultResolver.LookupHost,
					await: func(ctx context.Context) error {
						if err := comes(ctx); err != nil {
							return err
						}
						return mistake
					},
				}
				begin := time.Now()
				err := d.wait(t.Context(), slog.New(slog.DiscardHandler))
				if !errors.Is(err, mistake) || !strings.HasPrefix(err.Error(), "--redis: ") {
					t.Errorf("%v", err)
				}
				if took := time.Since(begin); took != after {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{quietWait / 2, quietWait * 2, lookupWait * 2} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			d := dependency{
				name: "Redis", flag: "--redis", addrs: []string{"x:1"}, await: comesAfter(time.Hour),
				lookup: func(context.Context, string) ([]string, error) { return nil, errNoDNS },
			}
			begin := time.Now()
			if err := d.wait(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: %v", after, err)
			}
			if took := time.Since(begin); took != after {
				t.Errorf("it ended after %v instead of %v", took, after)
			}
			cancel()
		}
	})
}

// Redis is looked at ever less often, but not less than every 5 s.
func TestAwaitStoreBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		err := awaitStore(t.Context(), func(context.Context) error {
			if at = append(at, time.Since(begin)); len(at) == 20 {
				return nil
			}
			return route.ErrStoreUnavailable
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(at); i++ {
			wait, longest := at[i]-at[i-1], min(firstPause<<(i-1), longestWait)
			if wait < longest/2 || wait > longest {
				t.Errorf("look %d came after %v, want %v to %v", i, wait, longest/2, longest)
			}
		}
	})
}

// lateRegistry is one that does not answer some Joins.
type lateRegistry struct {
	route.Registry
	errs []error
}

func (j *lateRegistry) Join(context.Context, route.Server) (func(), error) {
	err := j.errs[0]
	j.errs = j.errs[1:]
	return func() {}, err
}

func TestJoiningWaitsForZooKeeper(t *testing.T) {
	n := newTestNode(t)
	registry := n.registry
	t.Cleanup(func() { n.registry = registry })
	var log bytes.Buffer
	n.log = slog.New(slog.NewTextHandler(&log, nil))
	cfg := nodeConfig{cluster: &clusterFlags{ZK: []string{"zk1:2181"}}}
	away := fmt.Errorf("%w: again", zkregistry.ErrUnavailable)
	for name, tc := range map[string]struct {
		errs []error
		want error
		said int
	}{
		"there":  {[]error{nil}, nil, 0},
		"away":   {[]error{away, away, away, nil}, nil, 1},
		"denied": {[]error{away, zkregistry.ErrDenied}, zkregistry.ErrDenied, 1},
		"ended":  {[]error{context.Canceled}, context.Canceled, 0},
	} {
		log.Reset()
		j := &lateRegistry{errs: tc.errs}
		n.registry = j
		if err := n.joinCluster(t.Context(), cfg); !errors.Is(err, tc.want) || len(j.errs) > 0 {
			t.Errorf("%s: %v, and %d more tries", name, err, len(j.errs))
		}
		if got := strings.Count(log.String(), "zk1:2181"); got != tc.said {
			t.Errorf("%s: it says %q", name, &log)
		}
	}
}
