package main

import (
	"fmt"
	"net"
	"testing"

	cimpb "cim/proto"
)

// One of two servers loses Redis, and then the way by which others reach it. Nothing tells it that: packets vanish.
func TestClusterServerCutOff(t *testing.T) {
	c := startCluster(t, 1, 1)
	redis := newTCPProxy(t, "127.0.0.1:0", c.redis.Addr())
	s := c.server("server2", c.zk, "redis://"+redis.addr()+"/0", "--advertise-push", "127.0.0.2")
	_, port, err := net.SplitHostPort(s.http)
	if err != nil {
		t.Fatal(err)
	}
	peers := newTCPProxy(t, net.JoinHostPort("127.0.0.2", port), s.http)
	s.restart(t)
	c.servers = append(c.servers, s)
	c.awaitServers(2)
	got, back := newCollector(), newCollector()
	p := &talkers{
		c: c, got: got, alice: c.connectTo(c.servers[0], "alice", back.handler()), bob: c.connectTo(s, "bob", got.handler()),
	}
	t.Run("from Redis", func(t *testing.T) { testServerCutOffFromRedis(t, p, redis, back) })
	t.Run("from its peers", func(t *testing.T) { testServerCutOffFromPeers(t, p, peers) })
}

func testServerCutOffFromRedis(t *testing.T, p *talkers, redis *tcpProxy, back *collector) {
	s := p.c.servers[1]
	redis.hold()
	s.names("store")
	p.talks(t, "to who is cut off from Redis") // alice's server has Redis
	sending := keepSending(t, p.bob, p.alice.Me().ID)
	if _, err := p.bob.SendAll(t.Context(), "to everyone"); err != nil {
		t.Errorf("to everyone, without Redis: %v", err)
	}
	if texts := back.wait(t, 1); texts[0] != "to everyone" {
		t.Errorf("alice heard %q", texts)
	}
	newcomer := p.c.member(t, "new")
	eventually(t, "all logins are sent to the other server", func() bool {
		for range 2 * len(p.c.servers) { // they go round
			if newcomer.place("phone").Server.Instance == s.instance {
				return false
			}
		}
		return true
	})
	redis.release()
	s.names("")
	sending.passes(10)
	n := sending.stop()
	if texts := back.wait(t, 1+n); len(texts) != 1+n {
		t.Errorf("alice heard %d messages, want %d", len(texts), 1+n)
	}
	if n := p.bob.Stats().Connects; n != 1 {
		t.Errorf("bob had to connect %d times", n)
	}
}

func testServerCutOffFromPeers(t *testing.T, p *talkers, peers *tcpProxy) {
	near, s := p.c.servers[0], p.c.servers[1]
	carol := p.c.member(t, "carol")
	phone := carol.enter(s, "phone")
	eve := p.c.member(t, "eve")
	disabled := eve.enter(s, "phone")
	peers.hold()
	for _, text := range []string{"one", "two"} { // stored, and not on their way to bob
		if r, err := p.alice.SendTo(t.Context(), p.bob.Me().ID, text); err != nil || !r.Stored() {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
	}
	if r, err := p.bob.SendTo(t.Context(), p.alice.Me().ID, "the other way"); err != nil || !r.Stored() {
		t.Errorf("from who is cut off: %+v, %v", r, err)
	}
	// Who cannot be asked is no proof of anything.
	if place := p.c.member(t, "dora").place("phone"); place.Server.Instance != near.instance {
		t.Error("a client is sent to a server that does not answer")
	}
	w, answer := carol.knockAt(near, "laptop")
	if answer.GetCmd() != cimpb.Command_WELCOME {
		t.Fatalf("the second device was answered %v", answer)
	}
	app := p.c.application(p.c.routes[0])
	if err := app.post(t.Context(), fmt.Sprintf("/v1/accounts/%d/disable", eve.id), struct{}{}, new(any), onceOnly); err != nil {
		t.Fatal(err)
	}
	peers.release()
	eventually(t, "the server is asked again", func() bool { return near.metric("cim_peer_servers_down") == 0 })
	p.talks(t, "three")
	if texts := p.got.snapshot(); len(texts) < 4 || texts[len(texts)-3] != "one" || texts[len(texts)-2] != "two" {
		t.Errorf("bob heard %q", texts)
	}
	if _, err := p.alice.SendTo(t.Context(), carol.id, "to the laptop"); err != nil {
		t.Fatal(err)
	}
	if f := w.frame(); f.GetText() != "to the laptop" {
		t.Errorf("the laptop heard %v", f)
	}
	// Those whose session was to end meanwhile hear of it now, and not by the sweep.
	for w, code := range map[*wire]cimpb.Code{phone: cimpb.CodeReplaced, disabled: cimpb.CodeAccountDisabled} {
		wantCode(t, w.frame(), cimpb.Command_KICK, code)
		w.ended()
	}
}
