package peer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"cim/route"
)

// Limits of the exchange. Both ends have to agree on the first.
const (
	// MaxBatchBytes bounds the body of a request. One message is at most 64 KiB and a little, so 15 fit at the least.
	MaxBatchBytes = 1 << 20

	maxBatchItems  = 1024      // messages and questions of one batch: what a server answers in a few milliseconds
	maxReplyBytes  = 4 << 20   // a page of 10,000 users is 90 KB
	maxOnlineUsers = 10_000    // of one page
	queuedPushes   = 4 << 20   // bytes of messages that wait in one lane
	queuedAsks     = 256 << 10 // the same for questions, so that messages cannot keep them out
	itemBytes      = 64        // what a message or question takes besides its body and name, at most
	onlineUserSize = 9         // bytes of one user on a page, at most
	keptScratch    = 64 << 10  // bytes of scratch that an idle lane keeps
	freshLoad      = time.Second
)

// Lister says which servers run; a route.Registry is one. It must not block.
type Lister interface {
	Servers() []route.Server
	Server(instance string) (route.Server, bool)
}

// Config says who talks to whom. Instance, Secrets and Servers are required; zero means the default elsewhere.
type Config struct {
	Instance string     // of this process
	Local    route.Peer // the server of this process, reached without the network; nil in a process without one
	Secrets  *Secrets
	Servers  Lister

	Timeout  time.Duration // of one request, connecting included; and of the wait for its turn before that. 1 s
	FailFast time.Duration // after a failure, until the server is tried again; meanwhile calls fail at once. 5 s
	Idle     time.Duration // until an unused connection is closed; less than the server's own limit. 10 s
	Shards   int           // connections to one server; a receiver's messages all take the same one. 2
	// Look is how often servers that have left are looked for; they are forgotten at the second look. 10 s
	Look time.Duration
	// KeepLoads asks listed servers for their load at each look, if nothing else did, for balancers that need it.
	KeepLoads bool
	// QueueBytes bounds what waits for all servers together. 128 MiB
	QueueBytes int64
	// Dial connects to a server's HTTP port, which may want TLS. Default: TCP to its PeerAddr.
	Dial   func(ctx context.Context, s route.Server) (net.Conn, error)
	Logger *slog.Logger
}

func (c *Config) complete() error {
	if c.Instance == "" || c.Secrets == nil || c.Servers == nil {
		return fmt.Errorf("%w: Instance, Secrets and Servers are required", ErrConfig)
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&c.Timeout, time.Second}, {&c.FailFast, 5 * time.Second}, {&c.Idle, 10 * time.Second}, {&c.Look, 10 * time.Second}} {
		if *d.value < 0 {
			return fmt.Errorf("%w: a duration is negative", ErrConfig)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.Shards < 0 || c.QueueBytes < 0 {
		return fmt.Errorf("%w: Shards and QueueBytes cannot be negative", ErrConfig)
	}
	if c.Shards == 0 {
		c.Shards = 2
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 128 << 20
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, s route.Server) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", s.PeerAddr())
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}
