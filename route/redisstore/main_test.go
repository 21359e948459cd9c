package redisstore

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"cim/internal/redistest"
	"cim/route"
	"cim/route/routetest"
)

// TestMain allows what go-redis leaves behind for a second at most: a cluster client that waits before it reads the
// slots again, and a pool that tries its dead server once more before it sees that it was closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9.(*clusterStateHolder).LazyReload.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// prefixes number the systems that share a Redis.
var prefixes atomic.Int64

// open opens a store that shares its Redis with nobody's keys.
func open(t testing.TB, url string, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{URL: url, Prefix: fmt.Sprintf("test%d", prefixes.Add(1)), Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests have closed it
	return s
}

func urlOf(s *redistest.Server) string { return "redis://" + s.Addr() }

func testSuites(t *testing.T, open func(testing.TB) *Store) {
	t.Run("accounts", func(t *testing.T) {
		routetest.TestAccounts(t, func(t testing.TB) route.Accounts { return open(t) })
	})
	t.Run("directory", func(t *testing.T) {
		routetest.TestDirectory(t, func(t testing.TB) route.Directory { return open(t) })
	})
	t.Run("inbox", func(t *testing.T) {
		routetest.TestInbox(t, func(t testing.TB) route.Inbox { return open(t) })
	})
	t.Run("store", func(t *testing.T) {
		routetest.TestStore(t, func(t testing.TB) routetest.Store { return open(t) })
	})
}

func TestOneRedis(t *testing.T) {
	url := urlOf(redistest.Start(t))
	testSuites(t, func(t testing.TB) *Store { return open(t, url) })
}

// durable is a store whose Redis is restarted.
type durable struct {
	redis *redistest.Server
	store *Store
}

func (d *durable) Store() routetest.Store { return d.store }

func (d *durable) Reopen(t testing.TB) {
	t.Helper()
	d.redis.Stop(t)
	d.redis.Restart(t)
}

func (d *durable) Crash(t testing.TB) {
	t.Helper()
	d.redis.Kill(t)
	d.redis.Restart(t)
}

// TestDurable goes on with the store that was open: a restart of Redis is none of its process.
func TestDurable(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	routetest.TestDurable(t, func(t testing.TB) routetest.Durable {
		return &durable{redis: server, store: open(t, urlOf(server))}
	})
}

func entry(to int64, id uint64) route.Entry {
	return route.Entry{Receiver: to, Sender: 1, Device: "phone", ClientMsgID: id, Body: fmt.Appendf(nil, "%d", id)}
}

func appendOne(t testing.TB, s *Store, e route.Entry) route.Appended {
	t.Helper()
	got := s.Append(t.Context(), []route.Entry{e})[0]
	if got.Err != nil {
		t.Fatalf("Append: %v", got.Err)
	}
	return got
}

func claim(t testing.TB, s *Store, r route.ClaimRequest) route.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), r)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return c
}
