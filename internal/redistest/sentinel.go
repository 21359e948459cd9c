package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
)

// MasterName is what the Sentinel of StartSentinel calls its master.
const MasterName = "mymaster"

// Sentinel is a master, its replica and a Sentinel that watches them.
type Sentinel struct {
	*Server // the Sentinel

	Master  *Server // at first
	Replica *Server // at first
}

// StartSentinel starts the three with these settings for master and replica, and waits until the replica is in step
// and the Sentinel knows of it. The Sentinel takes a master that has not answered for half a second for dead.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	// No pause before a full copy: the tests wait for it.
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	s := &Sentinel{Master: Start(t, args...)}
	s.Replica = Start(t, append(args, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.Port))...)
	AwaitReplicas(t, s.Master, 1)

	s.Server = (&Server{Dir: t.TempDir(), conf: fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 1\n"+
		"sentinel down-after-milliseconds %[1]s 500\nsentinel failover-timeout %[1]s 3000\n", MasterName, s.Master.Port)}).begin(t)
	c := s.Client(t)
	Until(t, "the Sentinel finds the replica", func(ctx context.Context) error {
		all, err := c.Do(ctx, "sentinel", "replicas", MasterName).Slice()
		if err == nil && len(all) != 1 {
			return fmt.Errorf("it knows %d", len(all))
		}
		return err
	})
	return s
}

// URL is the pair's, for a client that asks the Sentinel who is master.
func (s *Sentinel) URL() string { return "redis+sentinel://" + s.Addr() + "/" + MasterName }

// AwaitMaster waits until the Sentinel names server as master and it has become one.
func (s *Sentinel) AwaitMaster(t testing.TB, server *Server) {
	t.Helper()
	ask, c := s.Client(t), server.Client(t)
	Until(t, "the Sentinel names another master", func(ctx context.Context) error {
		at, err := ask.Do(ctx, "sentinel", "get-master-addr-by-name", MasterName).StringSlice()
		if err != nil {
			return err
		}
		if addr := net.JoinHostPort(at[0], at[1]); addr != server.Addr() {
			return fmt.Errorf("it names %s", addr)
		}
		return wantInfo(ctx, c, "role", "master")
	})
}
