package main

import (
	"slices"
	"testing"

	"cim/client"
	"cim/internal/zktest"
	cimpb "cim/proto"
)

// What ZooKeeper does to a cluster: one of two servers reaches it by a proxy.
func TestClusterZooKeeper(t *testing.T) {
	c := startCluster(t, 1, 1)
	far := zktest.NewProxy(t, c.zk)
	s := c.newServerVia("server2", far.Addr(), c.url)
	c.servers = append(c.servers, s)
	c.awaitServers(2)
	got := newCollector()
	p := &talkers{
		c: c, got: got, alice: c.connectTo(c.servers[0], "alice", client.HandlerFuncs{}), bob: c.connectTo(s, "bob", got.handler()),
	}
	t.Run("a session expires", func(t *testing.T) { testZooKeeperSessionExpires(t, p, far) })
	t.Run("a server is cut off", func(t *testing.T) { testServerCutOffFromZooKeeper(t, p, far) })
	t.Run("ZooKeeper is killed", func(t *testing.T) { testZooKeeperKilled(t, p) })
}

// talkers are alice on the first server and bob on the second.
type talkers struct {
	c          *testCluster
	alice, bob *client.Client
	got        *collector // of bob
}

// talks has alice's message reach bob at once, that is without a new connection.
func (p *talkers) talks(t *testing.T, text string) {
	t.Helper()
	connects := p.bob.Stats().Connects
	if r, err := p.alice.SendTo(t.Context(), p.bob.Me().ID, text); err != nil || !r.Stored() {
		t.Fatalf("%q: %+v, %v", text, r, err)
	}
	eventually(t, "bob hears "+text, func() bool { return slices.Contains(p.got.snapshot(), text) })
	if n := p.bob.Stats().Connects; n != connects {
		t.Errorf("bob was connected %d times, and then %d", connects, n)
	}
}

func testZooKeeperSessionExpires(t *testing.T, p *talkers, far *zktest.Proxy) {
	s := p.c.servers[1]
	turns := s.metric("cim_sweep_turns_total")
	far.ExpireSession(t)
	s.logged("a new ZooKeeper session has taken the place of the expired one")
	eventually(t, "it looks at its sessions", func() bool { return s.metric("cim_sweep_turns_total") > turns })
	p.c.awaitServers(2)
	p.c.member(t, "after-expiry").enter(s, "phone") // the same instance is listed
	p.talks(t, "after the expiry")
}

// A server whose node is gone serves on: others ask it, and what is for its users reaches them.
func testServerCutOffFromZooKeeper(t *testing.T, p *talkers, far *zktest.Proxy) {
	near, s := p.c.servers[0], p.c.servers[1]
	carol := p.c.member(t, "carol")
	phone := carol.enter(s, "phone")
	far.Cut()
	for _, other := range []*clusterProcess{near, p.c.routes[0]} {
		other.logged("servers vanished from ZooKeeper")
	}
	s.names("registry")
	p.talks(t, "over the cut")
	wantAlive(t, phone)
	second := func() *cimpb.Frame {
		w, answer := carol.knockAt(near, "laptop")
		t.Cleanup(func() { w.conn.Close() })
		return answer
	}
	wantCode(t, second(), cimpb.Command_ERROR, cimpb.CodeDuplicateSession)
	if n := near.metric("cim_servers_listed"); n != 2 {
		t.Errorf("%v servers are listed", n)
	}
	s.kill()
	if answer := second(); answer.GetCmd() != cimpb.Command_WELCOME {
		t.Errorf("with the first device's server dead, the second was answered %v", answer)
	}
	p.c.routes[0].lists(1)
	near.lists(1)
	far.Mend()
	s.restart(p.c.t)
	p.c.awaitServers(2)
}

// Nobody notices. A server that is started meanwhile joins when ZooKeeper is back.
func testZooKeeperKilled(t *testing.T, p *talkers) {
	c := p.c
	c.zoo.Kill(t)
	for _, one := range slices.Concat(c.servers, c.routes) {
		one.names("registry")
	}
	p.talks(t, "without ZooKeeper")
	c.connect("dora", client.HandlerFuncs{})
	for _, s := range c.servers {
		c.member(t, "new-at-"+s.name).enter(s, "phone")
	}
	late := c.server("server3", c.zk, c.url)
	late.begin(c.t)
	late.logged("waiting for ZooKeeper")
	c.zoo.Start(t)
	c.zoo.Await(t)
	late.awaitUp()
	c.servers = append(c.servers, late)
	c.awaitServers(3)
	for _, one := range slices.Concat(c.servers, c.routes) {
		one.names("")
	}
	p.talks(t, "with ZooKeeper again")
}
