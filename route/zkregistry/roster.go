package zkregistry

import (
	"maps"
	"slices"

	"cim/route"
)

// roster decides who is listed: those whose nodes are there, and those whose nodes have vanished and who still answer.
// A server that is cut off from ZooKeeper keeps its clients: messages for them go there, and whoever wants to take one
// of them over has to ask it. It knows neither ZooKeeper nor clocks. Owned by the loop.
type roster struct {
	trusted bool // nobody can probe: ZooKeeper is believed

	present map[string]route.Server // by node name
	gone    map[string]route.Server // by instance; listed until a probe fails
	// unprobed: some are gone that were not before.
	unprobed bool
}

func newRoster(trusted bool) *roster {
	return &roster{trusted: trusted, gone: map[string]route.Server{}}
}

// update takes what ZooKeeper lists, by node name. It keeps the map.
func (r *roster) update(nodes map[string]route.Server) {
	for name, s := range r.present {
		// Another instance at the same address is proof enough that this one has ended.
		if _, there := nodes[name]; !there && !r.trusted {
			r.gone[s.Instance], r.unprobed = s, true
		}
	}
	r.present = nodes
	r.forgetReturned()
}

// forgetReturned drops departures of servers that are back, and of those whose address another one has.
func (r *roster) forgetReturned() {
	type address struct {
		host string
		port int
	}
	taken := map[address]bool{}
	for _, s := range r.present {
		delete(r.gone, s.Instance)
		taken[address{s.Host, s.Port}] = true
	}
	maps.DeleteFunc(r.gone, func(_ string, s route.Server) bool { return taken[address{s.Host, s.Port}] })
}

// left takes out a server that said goodbye here.
func (r *roster) left(name, instance string) {
	if r.present[name].Instance == instance {
		r.present = maps.Clone(r.present)
		delete(r.present, name)
	}
	delete(r.gone, instance)
}

// dead takes out a server that a probe found dead, unless it is back.
func (r *roster) dead(instance string) { delete(r.gone, instance) }

// suspects are those to be probed.
func (r *roster) suspects() []route.Server { return slices.Collect(maps.Values(r.gone)) }

// listed is everybody who counts.
func (r *roster) listed() []route.Server {
	return append(slices.Collect(maps.Values(r.present)), r.suspects()...)
}
