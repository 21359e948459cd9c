package zkregistry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cim/route"
)

// cluster is nodes by name for instances a, b, c and so on, each at an address of its own. "a2" is at a's.
func cluster(list string) map[string]route.Server {
	nodes := map[string]route.Server{}
	for _, instance := range strings.Fields(list) {
		port := int(instance[0])
		nodes[fmt.Sprint("h:", port, ":1")] = route.Server{Instance: instance, Host: "h", Port: port, HTTPPort: 1}
	}
	return nodes
}

func names(servers []route.Server) string {
	var out []string
	for _, s := range servers {
		out = append(out, s.Instance)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestRoster(t *testing.T) {
	type step struct {
		nodes   string // what ZooKeeper lists; "-": no update
		dead    string // a probe failed
		left    string // said goodbye here
		listed  string
		suspect string
	}
	for name, steps := range map[string][]step{
		"one of three ends": {
			{nodes: "a b c", listed: "a b c"},
			{nodes: "a b", listed: "a b c", suspect: "c"},
			{nodes: "-", dead: "c", listed: "a b"},
			{nodes: "a b", listed: "a b"},
		},
		"one of three is cut off": {
			{nodes: "a b c", listed: "a b c"},
			{nodes: "a b", listed: "a b c", suspect: "c"},
			{nodes: "a b", listed: "a b c", suspect: "c"},
			{nodes: "a b c", listed: "a b c"},
		},
		"all vanish": {
			{nodes: "a b c", listed: "a b c"},
			{nodes: "", listed: "a b c", suspect: "a b c"},
			{nodes: "-", dead: "b", listed: "a c", suspect: "a c"},
			{nodes: "", listed: "a c", suspect: "a c"},
			{nodes: "a", listed: "a c", suspect: "c"},
			{nodes: "a", dead: "c", listed: "a"},
		},
		"the last one of all": {{nodes: "a", listed: "a"}, {nodes: "", listed: "a", suspect: "a"}, {nodes: "-", dead: "a"}},
		"it comes back as another process": {
			{nodes: "a b c", listed: "a b c"},
			{nodes: "", listed: "a b c", suspect: "a b c"},
			{nodes: "a2 b", listed: "a2 b c", suspect: "c"},
		},
		"replaced without a gap":     {{nodes: "a b", listed: "a b"}, {nodes: "a2 b2", listed: "a2 b2"}},
		"goodbye is not suspicious":  {{nodes: "a b", listed: "a b"}, {nodes: "-", left: "a", listed: "b"}, {nodes: "b", listed: "b"}},
		"goodbye of a suspect":       {{nodes: "a b", listed: "a b"}, {nodes: "", listed: "a b", suspect: "a b"}, {nodes: "-", left: "a", listed: "b", suspect: "b"}},
		"goodbye of one that is not": {{nodes: "a b", listed: "a b"}, {nodes: "-", left: "a2", listed: "a b"}},
		"a late verdict":             {{nodes: "a b", listed: "a b"}, {nodes: "", listed: "a b", suspect: "a b"}, {nodes: "a b", dead: "a", listed: "a b"}},
		"nothing from the start":     {{nodes: ""}, {nodes: "", dead: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoster(false)
			for i, s := range steps {
				if s.nodes != "-" {
					r.update(cluster(s.nodes))
				}
				r.dead(s.dead)
				for name := range cluster(s.left) {
					r.left(name, s.left)
				}
				if got := names(r.listed()); got != s.listed {
					t.Fatalf("step %d: listed %q, want %q", i, got, s.listed)
				}
				if got := names(r.suspects()); got != s.suspect {
					t.Fatalf("step %d: suspects %q, want %q", i, got, s.suspect)
				}
			}
		})
	}
}

func TestRosterWithoutProbes(t *testing.T) {
	r := newRoster(true)
	r.update(cluster("a b c"))
	r.update(cluster(""))
	if got := names(r.listed()); got != "" || r.unprobed {
		t.Errorf("listed %q", got)
	}
}

func TestRosterAsksForProbesOncePerSuspect(t *testing.T) {
	r := newRoster(false)
	r.update(cluster("a b c"))
	r.update(cluster("a"))
	if !r.unprobed {
		t.Fatal("new suspects, and no probe is wanted")
	}
	r.unprobed = false
	r.update(cluster("a"))
	if r.unprobed {
		t.Error("nobody new, and a probe is wanted at once")
	}
}
