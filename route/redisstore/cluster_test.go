package redisstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cim/internal/redistest"
	"cim/route"
)

// TestCluster runs everything on one cluster, because forming one takes seconds.
func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	t.Run("suites", func(t *testing.T) {
		testSuites(t, func(t testing.TB) *Store { return open(t, c.URL()) })
	})
	t.Run("suites, with replicas confirming", func(t *testing.T) {
		testSuites(t, func(t testing.TB) *Store { return open(t, c.URL(), waitFor(1)) })
	})
	t.Run("a batch goes to every node, in order", func(t *testing.T) { batchOverNodes(t, c) })
	t.Run("a slot moves", func(t *testing.T) { slotMoves(t, c) })
	t.Run("a master dies", func(t *testing.T) { clusterMasterDies(t, c) })
}

// waitFor has replicas confirm. The time-outs are long: what is tested is not how fast this machine is.
func waitFor(replicas int) func(*Config) {
	return func(c *Config) { c.WaitReplicas, c.WaitTimeout, c.Timeout = replicas, 5*time.Second, 10*time.Second }
}

func batchOverNodes(t *testing.T, c *redistest.Cluster) {
	s := open(t, c.URL())
	const receivers, each = 60, 5
	var entries []route.Entry
	for id := uint64(1); id <= each; id++ {
		for r := int64(1); r <= receivers; r++ {
			entries = append(entries, entry(r, id))
		}
	}
	for i, a := range s.Append(t.Context(), entries) {
		if a.Err != nil || a.Seq != entries[i].ClientMsgID {
			t.Fatalf("answer %d: %+v", i, a)
		}
	}
	for i, m := range c.Masters {
		found, err := m.Client(t).Keys(t.Context(), s.cfg.Prefix+":*:inbox").Result()
		if err != nil || len(found) == 0 {
			t.Errorf("master %d has %d inboxes, %v", i, len(found), err)
		}
	}
}

// slotMoves moves a user's slot to another master by hand while messages are stored for them.
func slotMoves(t *testing.T, c *redistest.Cluster) {
	s := open(t, c.URL())
	const user = 4711
	for id := uint64(1); id <= 3; id++ {
		appendOne(t, s, entry(user, id))
	}
	key := s.keys.user(user)
	owner, err := s.nodes.of(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	from := owner.Options().Addr
	to := otherMaster(c, from)
	moveSlot(t, c, key, from, to)

	got := appendOne(t, s, entry(user, 4))
	if got.Seq != 4 || got.Duplicate {
		t.Fatalf("after the move: %+v", got)
	}
	if now, err := s.nodes.of(t.Context(), key); err != nil || now.Options().Addr != to.Addr() {
		t.Fatalf("the slot's node is taken for %v, %v; it is %s", now, err, to.Addr())
	}
	moveSlot(t, c, key, to.Addr(), serverAt(c, from)) // as the next test expects it
}

func otherMaster(c *redistest.Cluster, addr string) *redistest.Server {
	for _, m := range c.Masters {
		if m.Addr() != addr {
			return m
		}
	}
	return nil
}

func serverAt(c *redistest.Cluster, addr string) *redistest.Server {
	for _, m := range c.Masters {
		if m.Addr() == addr {
			return m
		}
	}
	return nil
}

func moveSlot(t *testing.T, c *redistest.Cluster, key, fromAddr string, to *redistest.Server) {
	t.Helper()
	ctx := t.Context()
	a, b := serverAt(c, fromAddr).Client(t), to.Client(t)
	slot := a.ClusterKeySlot(ctx, key).Val()
	idA, idB := text(t, a, "cluster", "myid"), text(t, b, "cluster", "myid")
	text(t, b, "cluster", "setslot", slot, "importing", idA)
	text(t, a, "cluster", "setslot", slot, "migrating", idB)
	for {
		keys := a.ClusterGetKeysInSlot(ctx, int(slot), 100).Val()
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", "127.0.0.1", to.Port, "", 0, 5000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		text(t, a, args...)
	}
	for _, m := range []*redis.Client{b, a} {
		text(t, m, "cluster", "setslot", slot, "node", idB)
	}
	for _, m := range c.Masters {
		text(t, m.Client(t), "cluster", "setslot", slot, "node", idB)
	}
}

func text(t *testing.T, c *redis.Client, args ...any) string {
	t.Helper()
	got, err := c.Do(t.Context(), args...).Text()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return got
}

// clusterMasterDies kills a master: calls for its users fail with the right sentence until its replica has taken over,
// the users of the others notice nothing, and what was confirmed by the replica is there.
func clusterMasterDies(t *testing.T, c *redistest.Cluster) {
	s := open(t, c.URL(), waitFor(1), func(c *Config) {
		c.Timeout, c.WaitTimeout = 3*time.Second, time.Second
	})
	victim := c.Masters[0]
	theirs, others := userOn(t, s, victim.Addr(), true), userOn(t, s, victim.Addr(), false)
	appendOne(t, s, entry(theirs, 1))
	appendOne(t, s, entry(others, 1))
	victim.Kill(t)

	if got := s.Append(t.Context(), []route.Entry{entry(theirs, 2)})[0]; !errors.Is(got.Err, route.ErrStoreUnavailable) {
		t.Fatalf("a message for a dead master: %+v", got)
	}
	mixed := s.Append(t.Context(), []route.Entry{entry(theirs, 3), entry(others, 2)})
	if mixed[1].Err != nil || mixed[1].Seq != 2 {
		t.Fatalf("a user of another master: %+v", mixed[1])
	}
	// The new master has no replica to confirm, so a store that asks for none goes on.
	relaxed := open(t, c.URL(), func(cfg *Config) { cfg.Prefix = s.cfg.Prefix })
	redistest.Until(t, "the replica takes over", func(ctx context.Context) error {
		_, err := relaxed.Position(ctx, theirs)
		return err
	})
	p, err := relaxed.Read(t.Context(), theirs, route.Cursor{}, 10, 1<<20)
	if err != nil || len(p.Messages) == 0 || string(p.Messages[0].Body) != "1" {
		t.Fatalf("what was confirmed: %+v, %v", p, err)
	}
	if got := appendOne(t, relaxed, entry(theirs, 1)); !got.Duplicate || got.Seq != 1 {
		t.Fatalf("the confirmed message again: %+v", got)
	}
	if _, err := s.Position(t.Context(), theirs); err != nil {
		t.Fatalf("the first store has not found the new master: %v", err)
	}
}

// userOn returns a user whom this master holds, or does not hold.
func userOn(t *testing.T, s *Store, addr string, there bool) int64 {
	t.Helper()
	for id := int64(1); id < 1000; id++ {
		node, err := s.nodes.of(t.Context(), s.keys.user(id))
		if err != nil {
			t.Fatal(err)
		}
		if (node.Options().Addr == addr) == there {
			return id
		}
	}
	t.Fatal(fmt.Errorf("none of 1,000 users is there"))
	return 0
}
