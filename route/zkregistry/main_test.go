package zkregistry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"cim/internal/zktest"
	"cim/route"
	"cim/route/routetest"
)

// TestMain fails when a goroutine outlives its Registry.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// sessionTimeout is long enough for a machine that does other things, too; shortTimeout is for tests in which
	// a session has to expire or silence has to be noticed.
	sessionTimeout = 10 * time.Second
	shortTimeout   = 2 * time.Second
	patience       = 60 * time.Second
)

var roots atomic.Int64

// config has a root of its own on the server.
func config(t testing.TB, addrs ...string) Config {
	return Config{
		Servers: addrs, Root: fmt.Sprintf("/test%d/cim", roots.Add(1)), SessionTimeout: sessionTimeout,
		CallTimeout: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Probe: func(context.Context, route.Server) bool { return false },
	}
}

// open opens a Registry that ends with the test.
func open(t testing.TB, cfg Config) *Registry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func join(t testing.TB, r *Registry, s route.Server) (leave func()) {
	t.Helper()
	leave, err := r.Join(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

// server is the i-th of a cluster.
func server(instance string, port int) route.Server {
	return route.Server{Instance: instance, Host: "10.0.0.1", Port: port, HTTPPort: port + 1, Version: "v1", Zone: "z", Capacity: 9, TLS: true}
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	zktest.Eventually(t, patience, cond, "%s", what)
}

func instances(r *Registry) string {
	var out []string
	for _, s := range r.Servers() {
		out = append(out, s.Instance)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func wantInstances(t testing.TB, r *Registry, want string) {
	t.Helper()
	eventually(t, "the list is "+want, func() bool { return instances(r) == want })
}

// client is a plain connection to ZooKeeper, as another program has one.
func client(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, sessionTimeout, zk.WithLogger(debugLog{slog.New(slog.DiscardHandler)}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		for range events { // until it is closed
		}
	})
	eventually(t, "a client has a session", func() bool { return c.State() == zk.StateHasSession })
	return c
}

// TestOnOneServer is for what leaves ZooKeeper alone. Each subtest has a root of its own.
func TestOnOneServer(t *testing.T) {
	zoo := zktest.Start(t)
	for name, run := range map[string]func(*testing.T, string){
		"conformance":      conformance,
		"format":           testFormat,
		"CIM's nodes":      testNodesOfCIM,
		"foreign children": testForeignChildren,
		"leftover":         testLeftover,
		"replaced":         testReplaced,
		"deleted":          testDeletedNode,
		"quick restart":    testQuickRestart,
		"join":             testJoinErrors,
		"shrink":           testShrink,
		"own nodes":        testOwnNodes,
		"own leftover":     testOwnLeftover,
		"hidden parent":    testHiddenParent,
		"hidden child":     testHiddenChild,
		"open parent":      testOpenParent,
		"auth and expiry":  testAuthAfterExpiry,
		"expiry":           testExpiry,
		"expiry twice":     testExpiryWhileCutOff,
	} {
		t.Run(name, func(t *testing.T) { run(t, zoo.Addr()) })
	}
}

func conformance(t *testing.T, addr string) {
	routetest.TestRegistry(t, func(t testing.TB) route.Registry { return open(t, config(t, addr)) })
}
