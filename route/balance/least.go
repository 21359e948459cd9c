package balance

import (
	"math"
	"math/rand/v2"

	"cim/route"
)

// leastConnections picks the server with the fewest connections by what it last said. One that has said
// nothing yet counts as empty: it is asked next, and then it has. One that drains, and gets emptier by it, counts as full.
type leastConnections struct{ loads Loads }

// Pick implements Balancer. Among equals it picks at random, so that routes that know the same do not all
// send their users to one server.
func (b leastConnections) Pick(_ int64, servers []route.Server) route.Server {
	best, least, equals := 0, 0, 0
	for i := range servers {
		n := b.conns(servers[i].Instance)
		switch {
		case i == 0 || n < least:
			best, least, equals = i, n, 1
		case n == least:
			// The k-th of equals replaces the choice with probability 1/k: each is as likely.
			if equals++; rand.IntN(equals) == 0 {
				best = i
			}
		}
	}
	return servers[best]
}

func (b leastConnections) conns(instance string) int {
	if b.loads == nil {
		return 0
	}
	l, _ := b.loads.Load(instance)
	if l.Draining {
		return math.MaxInt
	}
	return l.Conns
}
