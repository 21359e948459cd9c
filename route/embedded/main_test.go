package embedded

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"cim/route"
	"cim/route/routetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirEnv); dir != "" {
		os.Exit(appendUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens a store that the test closes.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func inMemory(t testing.TB) *Store { return open(t, Config{Dir: Memory}) }

func onDisk(t testing.TB) *Store { return open(t, Config{Dir: t.TempDir()}) }

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

func TestInMemory(t *testing.T) { testSuites(t, inMemory) }

func TestOnDisk(t *testing.T) { testSuites(t, onDisk) }

// TestWithoutCache forgets every inbox after every round, so that all comes from the disk.
func TestWithoutCache(t *testing.T) {
	testSuites(t, func(t testing.TB) *Store { return open(t, Config{Dir: Memory, cacheBytes: 1}) })
}

func TestRegistry(t *testing.T) {
	routetest.TestRegistry(t, func(testing.TB) route.Registry { return NewRegistry() })
}

func BenchmarkAppend(b *testing.B) {
	b.Run("disk", func(b *testing.B) {
		routetest.BenchmarkAppend(b, func(t testing.TB) routetest.Store { return onDisk(t) })
	})
	b.Run("memory", func(b *testing.B) {
		routetest.BenchmarkAppend(b, func(t testing.TB) routetest.Store { return inMemory(t) })
	})
}

func BenchmarkClaim(b *testing.B) {
	routetest.BenchmarkClaim(b, func(t testing.TB) route.Directory { return onDisk(t) })
}

func BenchmarkLogin(b *testing.B) {
	routetest.BenchmarkLogin(b, func(t testing.TB) routetest.Store { return onDisk(t) })
}

func BenchmarkRenew(b *testing.B) {
	routetest.BenchmarkRenew(b, func(t testing.TB) route.Directory { return onDisk(t) })
}
