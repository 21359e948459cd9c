package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const slots = 16384

// Cluster is a Redis Cluster of masters with one replica each.
type Cluster struct {
	Masters  []*Server // at first; each holds its share of the slots
	Replicas []*Server // at first; replica i follows master i
}

// StartCluster starts a Redis Cluster of so many masters, each with a replica, with these settings, and waits until
// it serves and the replicas are in step. A master that has not answered for a second and a half is taken for dead.
func StartCluster(t testing.TB, masters int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{}
	for i := range 2 * masters {
		s := Start(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-port", strconv.Itoa(freePort(t)),
			"--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0",
		}, args...)...)
		if i < masters {
			c.Masters = append(c.Masters, s)
		} else {
			c.Replicas = append(c.Replicas, s)
		}
	}
	c.form(t)
	return c
}

// Addrs lists all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.all() {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// URL is the cluster's.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(c.Addrs(), ",") }

func (c *Cluster) all() []*Server {
	return append(append([]*Server(nil), c.Masters...), c.Replicas...)
}

// form makes one cluster of the nodes.
func (c *Cluster) form(t testing.TB) {
	t.Helper()
	clients := make([]*redis.Client, 0, 2*len(c.Masters))
	for i, s := range c.all() {
		client := s.Client(t)
		clients = append(clients, client)
		must(t, client.Do(t.Context(), "cluster", "set-config-epoch", i+1))
		if i < len(c.Masters) {
			first, last := i*slots/len(c.Masters), (i+1)*slots/len(c.Masters)-1
			must(t, client.Do(t.Context(), "cluster", "addslotsrange", first, last))
		}
	}
	for _, s := range c.all()[1:] {
		must(t, clients[0].Do(t.Context(), "cluster", "meet", "127.0.0.1", s.Port, s.busPort()))
	}
	for i, client := range clients {
		Until(t, "the nodes know each other", func(ctx context.Context) error {
			return knows(ctx, client, len(clients))
		})
		if i < len(c.Masters) {
			continue
		}
		id, err := clients[i-len(c.Masters)].Do(t.Context(), "cluster", "myid").Text()
		if err != nil {
			t.Fatal(err)
		}
		must(t, client.Do(t.Context(), "cluster", "replicate", id))
	}
	for _, s := range c.Masters {
		AwaitReplicas(t, s, 1)
	}
	for _, client := range clients {
		Until(t, "the cluster serves", func(ctx context.Context) error { return serves(ctx, client, len(c.Masters)) })
	}
}

func (s *Server) busPort() string {
	for i, arg := range s.args {
		if arg == "--cluster-port" {
			return s.args[i+1]
		}
	}
	return ""
}

func knows(ctx context.Context, c *redis.Client, n int) error {
	text, err := c.ClusterInfo(ctx).Result()
	if err == nil && !strings.Contains(text, "cluster_known_nodes:"+strconv.Itoa(n)+"\r") {
		return fmt.Errorf("not yet %d", n)
	}
	return err
}

// serves wants the node to know every slot's master and one replica for each.
func serves(ctx context.Context, c *redis.Client, masters int) error {
	text, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	if !strings.Contains(text, "cluster_state:ok") {
		return errors.New("its state is not ok")
	}
	shards, err := c.ClusterShards(ctx).Result()
	if err != nil {
		return err
	}
	for _, s := range shards {
		if len(s.Nodes) != 2 || len(s.Slots) != 1 {
			return fmt.Errorf("a shard has %d nodes and %d ranges of slots", len(s.Nodes), len(s.Slots))
		}
	}
	if len(shards) != masters {
		return fmt.Errorf("%d shards", len(shards))
	}
	return nil
}

func must(t testing.TB, cmd *redis.Cmd) {
	t.Helper()
	if err := cmd.Err(); err != nil {
		t.Fatalf("%v: %v", cmd.Args(), err)
	}
}
