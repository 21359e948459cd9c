package route_test

import (
	"context"
	"testing"

	"cim/route"
	"cim/route/embedded"
)

// fullStore answers and takes nothing.
type fullStore struct{ *embedded.Store }

func (fullStore) Problems(context.Context) []route.Problem {
	return []route.Problem{{Component: "store", Detail: "disk full"}}
}

func TestReadyAsksTheInbox(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	r, err := route.New(route.Config{
		Accounts: c.store, Directory: c.store, Inbox: fullStore{c.store}, Registry: c.registry, Peers: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Ready(t.Context()); len(p) != 1 || p[0].Detail != "disk full" {
		t.Errorf("problems %v", p)
	}
}

// staleRegistry answers from memory.
type staleRegistry struct{ route.Registry }

func (staleRegistry) Problems(context.Context) []route.Problem {
	return []route.Problem{{Component: "registry", Detail: "ZooKeeper is away"}}
}

func TestReadyAsksTheRegistry(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	r, err := route.New(route.Config{
		Accounts: c.store, Directory: c.store, Inbox: c.store, Registry: staleRegistry{c.registry}, Peers: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Ready(t.Context()); len(p) != 1 || p[0].Detail != "ZooKeeper is away" {
		t.Errorf("problems %v", p)
	}
}

// doubtedPeers are not believed.
type doubtedPeers struct{ route.Peers }

func (doubtedPeers) Problems(context.Context) []route.Problem {
	return []route.Problem{{Component: "peers", Detail: "compare --secret-file"}}
}

func TestReadyAsksThePeers(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	r, err := route.New(route.Config{
		Accounts: c.store, Directory: c.store, Inbox: c.store, Registry: c.registry, Peers: doubtedPeers{c},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Ready(t.Context()); len(p) != 1 || p[0].Component != "peers" {
		t.Errorf("problems %v", p)
	}
}
