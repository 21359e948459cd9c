// Package balance chooses the server that a user is sent to. It must not know how servers are found, asked or
// reached: it gets a list and picks from it.
package balance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"cim/route"
)

// Balancer picks one of servers, which is never empty. Safe for concurrent use. Its Pick fits route.Config.Pick.
type Balancer interface {
	Pick(user int64, servers []route.Server) route.Server
}

// Loads says how busy a server was when it last said so; false when it has not said so yet.
// Safe for concurrent use.
type Loads interface {
	Load(instance string) (route.Load, bool)
}

// Names of the strategies, as the command line has them.
const (
	RoundRobin       = "round-robin"
	Random           = "random"
	ConsistentHash   = "consistent-hash"
	LeastConnections = "least-connections"
)

// Names lists the strategies.
func Names() []string { return []string{RoundRobin, Random, ConsistentHash, LeastConnections} }

// New makes the Balancer of that name. Only LeastConnections looks at loads; with nil loads it picks at random.
// Errors: ErrUnknownName.
func New(name string, loads Loads) (Balancer, error) {
	switch name {
	case RoundRobin:
		return &roundRobin{}, nil
	case Random:
		return random{}, nil
	case ConsistentHash:
		return &consistentHash{}, nil
	case LeastConnections:
		return leastConnections{loads}, nil
	}
	return nil, fmt.Errorf("%w: %q; there are %s", ErrUnknownName, name, strings.Join(Names(), ", "))
}

// roundRobin takes turns. As in CIM, the first pick is the second server.
type roundRobin struct{ turn atomic.Uint64 }

// Pick implements Balancer.
func (b *roundRobin) Pick(_ int64, servers []route.Server) route.Server {
	return servers[b.turn.Add(1)%uint64(len(servers))]
}

type random struct{}

// Pick implements Balancer.
func (random) Pick(_ int64, servers []route.Server) route.Server {
	return servers[rand.IntN(len(servers))]
}
