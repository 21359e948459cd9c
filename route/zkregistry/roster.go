package zkregistry

import (
	"maps"
	"slices"
	"time"

	"cim/route"
)

// roster decides who is listed: those whose nodes are there, and those who vanished with so many others, or so soon
// after this process itself, that ZooKeeper is not believed yet. It knows neither ZooKeeper nor clocks. Owned by the loop.
type roster struct {
	window  time.Duration
	trusted bool // nobody can probe: ZooKeeper is believed

	present map[string]route.Server // by node name
	gone    map[string]*departure   // by instance; not older than window unless suspect
	// unprobed: some became suspects that were not before.
	unprobed bool
	doubted  time.Time // until then every departure is suspect
}

// departure is a server whose node vanished.
type departure struct {
	server  route.Server
	at      time.Time
	suspect bool // listed until a probe fails
}

func newRoster(window time.Duration, trusted bool) *roster {
	return &roster{window: window, trusted: trusted, gone: map[string]*departure{}}
}

// update takes what ZooKeeper lists, by node name. It keeps the map.
func (r *roster) update(now time.Time, nodes map[string]route.Server) {
	for name, s := range r.present {
		// Another instance at the same address is proof enough that this one has ended.
		if _, there := nodes[name]; !there {
			r.gone[s.Instance] = &departure{server: s, at: now}
		}
	}
	r.present = nodes
	r.forgetReturned()
	maps.DeleteFunc(r.gone, func(_ string, d *departure) bool { return !d.suspect && now.Sub(d.at) > r.window })
	many := 2*len(r.gone) > len(r.gone)+len(r.present)
	if !r.trusted && (many || now.Before(r.doubted)) {
		for _, d := range r.gone {
			r.unprobed = r.unprobed || !d.suspect
			d.suspect = true
		}
	}
}

// doubt is for a ZooKeeper that has forgotten this process: it may have forgotten others, which come back one by one.
func (r *roster) doubt(now time.Time) { r.doubted = now.Add(r.window) }

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
	maps.DeleteFunc(r.gone, func(_ string, d *departure) bool { return taken[address{d.server.Host, d.server.Port}] })
}

// left takes out a server that said goodbye here.
func (r *roster) left(name, instance string) {
	if r.present[name].Instance == instance {
		r.present = maps.Clone(r.present)
		delete(r.present, name)
	}
	delete(r.gone, instance)
}

// dead takes out a suspect that a probe found dead.
func (r *roster) dead(instance string) {
	if d := r.gone[instance]; d != nil && d.suspect {
		delete(r.gone, instance)
	}
}

// suspects are those to be probed.
func (r *roster) suspects() []route.Server {
	var out []route.Server
	for _, d := range r.gone {
		if d.suspect {
			out = append(out, d.server)
		}
	}
	return out
}

// listed is everybody who counts.
func (r *roster) listed() []route.Server {
	return append(slices.Collect(maps.Values(r.present)), r.suspects()...)
}
