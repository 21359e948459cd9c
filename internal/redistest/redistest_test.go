package redistest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func set(t *testing.T, c redis.Cmdable, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatalf("SET: %v", err)
	}
}

func get(t *testing.T, c redis.Cmdable, key string) string {
	t.Helper()
	value, err := c.Get(t.Context(), key).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it bare
		t.Fatalf("GET: %v", err)
	}
	return value
}

func TestKilledServerKeepsItsLog(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	c := s.Client(t)
	set(t, c, "k", "v")
	first := s.PID()
	s.Kill(t)
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a killed server answers")
	}
	s.Restart(t)
	if s.PID() == first {
		t.Fatal("the same process runs")
	}
	if got := get(t, s.Client(t), "k"); got != "v" {
		t.Fatalf("after the kill: %q", got)
	}
}

func TestErasedServerIsEmpty(t *testing.T) {
	s := Start(t, "--appendonly", "yes")
	set(t, s.Client(t), "k", "v")
	s.Stop(t)
	s.Erase(t)
	s.Restart(t)
	if got := get(t, s.Client(t), "k"); got != "" {
		t.Fatalf("an erased server has %q", got)
	}
}

func TestPausedServerIsSilent(t *testing.T) {
	s := Start(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, MaxRetries: -1, ReadTimeout: 50 * time.Millisecond})
	defer c.Close()
	set(t, c, "k", "v")
	s.Pause(t)
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a paused server answers")
	}
	s.Resume(t)
	if got := get(t, s.Client(t), "k"); got != "v" {
		t.Fatalf("after it went on: %q", got)
	}
}

func TestSentinelNamesAnotherMaster(t *testing.T) {
	s := StartSentinel(t)
	set(t, s.Master.Client(t), "k", "v")
	Until(t, "the replica has it", func(ctx context.Context) error {
		if v, err := s.Replica.Client(t).Get(ctx, "k").Result(); err != nil || v != "v" {
			return fmt.Errorf("%q, %w", v, err)
		}
		return nil
	})
	s.Master.Kill(t)
	s.AwaitMaster(t, s.Replica)
	set(t, s.Replica.Client(t), "k", "w")
}

func TestClusterServesAllSlots(t *testing.T) {
	c := StartCluster(t, 3)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()[:1], Protocol: 2})
	defer client.Close()
	for i := range 100 {
		set(t, client, fmt.Sprint(i), fmt.Sprint(i))
	}
	for i, s := range c.Masters {
		n, err := s.Client(t).DBSize(t.Context()).Result()
		if err != nil || n < 10 {
			t.Errorf("master %d has %d of 100 keys, %v", i, n, err)
		}
	}
	for i := range 100 {
		if got := get(t, client, fmt.Sprint(i)); got != fmt.Sprint(i) {
			t.Errorf("key %d is %q", i, got)
		}
	}
}
