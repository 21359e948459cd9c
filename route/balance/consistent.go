package balance

import (
	"slices"
	"strconv"
	"sync/atomic"

	"cim/route"
)

// ringsKept: the whole list, and that list without each of a few servers that did not answer.
const ringsKept = 4

// consistentHash gives a user the same server as long as it is listed, and the server that CIM would. The zero
// value is ready.
type consistentHash struct {
	rings atomic.Pointer[[]*listRing] // the newest first; replaced, never changed
}

// listRing is the ring of one list of servers.
type listRing struct {
	instances []string
	ring      *ring
}

// Pick implements Balancer.
func (b *consistentHash) Pick(user int64, servers []route.Server) route.Server {
	return servers[b.of(servers).at(strconv.FormatInt(user, 10))]
}

// of finds the ring of a list or makes it. Two calls that make it at the same time waste one of them.
func (b *consistentHash) of(servers []route.Server) *ring {
	known := b.rings.Load()
	if known != nil {
		for _, r := range *known {
			if r.is(servers) {
				return r.ring
			}
		}
	}
	made := makeListRing(servers)
	next := []*listRing{made}
	if known != nil {
		next = append(next, (*known)[:min(len(*known), ringsKept-1)]...)
	}
	b.rings.Store(&next)
	return made.ring
}

func makeListRing(servers []route.Server) *listRing {
	r := &listRing{}
	var values []string
	for _, s := range servers {
		r.instances = append(r.instances, s.Instance)
		values = append(values, value(s))
	}
	r.ring = newRing(values)
	return r
}

// is compares by instance: what a server announces never changes while it runs.
func (r *listRing) is(servers []route.Server) bool {
	return slices.EqualFunc(r.instances, servers, func(instance string, s route.Server) bool { return instance == s.Instance })
}
