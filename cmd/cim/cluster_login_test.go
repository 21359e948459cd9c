package main

import (
	"fmt"
	"syscall"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Logins that get into each other's way, on two servers that refuse a second device and two that have it kick the first.
func TestClusterLogins(t *testing.T) {
	c := startCluster(t, 2, 1)
	kicking := []*clusterProcess{c.newServer("server3", "--duplicate", "kick"), c.newServer("server4", "--duplicate", "kick")}
	c.servers = append(c.servers, kicking...)
	c.awaitServers(4)
	t.Run("at the same moment", func(t *testing.T) { testLoginsAtTheSameMoment(t, c) })
	t.Run("at the same moment under kick", func(t *testing.T) { testKicksAtTheSameMoment(t, c, kicking) })
	t.Run("a stale goodbye", func(t *testing.T) { testStaleGoodbye(t, c) })
	t.Run("while the server dies", func(t *testing.T) { testLoginWhileItsServerDies(t, c) })
}

// rounds of what only goes wrong now and then.
const rounds = 30

// both sends the LOGINs of two devices to two servers, one right behind the other, and returns connections and answers.
func both(m *member, a, b *clusterProcess) (wires [2]*wire, answers [2]*cimpb.Frame) {
	m.h.t.Helper()
	var frames [2]*cimpb.Frame
	for i, s := range []*clusterProcess{a, b} {
		device := fmt.Sprint("device", i)
		frames[i] = m.loginFrame(device, m.placeAt(s, device))
		wires[i] = dialWire(m.h.t, s.im)
	}
	for i := range wires {
		wires[i].writeFrame(frames[i])
	}
	for i := range wires {
		answers[i] = wires[i].frame()
	}
	return wires, answers
}

func testLoginsAtTheSameMoment(t *testing.T, c *testCluster) {
	wins := [2]int{}
	for round := range rounds {
		m := c.member(t, fmt.Sprint("twice", round))
		first := round % 2
		wires, answers := both(m, c.servers[first], c.servers[1-first])
		won := 0
		if answers[1].GetCmd() == cimpb.Command_WELCOME {
			won = 1
		}
		if answers[won].GetCmd() != cimpb.Command_WELCOME {
			t.Fatalf("round %d: nobody was let in: %v, %v", round, answers[0], answers[1])
		}
		wantCode(t, answers[1-won], cimpb.Command_ERROR, cimpb.CodeDuplicateSession)
		wires[1-won].ended()
		wantAlive(t, wires[won])
		wins[won]++
		wires[won].conn.Close()
	}
	t.Logf("the first LOGIN won %d times, the second %d times", wins[0], wins[1])
}

func testKicksAtTheSameMoment(t *testing.T, c *testCluster, servers []*clusterProcess) {
	for round := range rounds {
		m := c.member(t, fmt.Sprint("kicked", round))
		first := round % 2
		wires, answers := both(m, servers[first], servers[1-first])
		last := 0
		if answers[1].GetWelcome().GetSessionEpoch() > answers[0].GetWelcome().GetSessionEpoch() {
			last = 1
		}
		if answers[last].GetCmd() != cimpb.Command_WELCOME {
			t.Fatalf("round %d: nobody was let in: %v, %v", round, answers[0], answers[1])
		}
		wires[1-last].ended()
		wantAlive(t, wires[last])
		if at, want := c.holder(m.id), answers[last].GetWelcome().GetInstance(); at != want {
			t.Errorf("round %d: the store has the session at %q, it is at %q", round, at, want)
		}
		wires[last].conn.Close()
	}
}

// The goodbye of a session comes long after a newer one was made elsewhere.
func testStaleGoodbye(t *testing.T, c *testCluster) {
	old, fresh := c.servers[0], c.servers[1]
	bob := c.member(t, "goodbye-bob")
	alice := c.connectTo(fresh, "goodbye-alice", client.HandlerFuncs{})
	left := bob.enter(old, "phone")
	placed := bob.placeAt(fresh, "phone")
	old.signal(syscall.SIGSTOP)
	left.conn.Close()
	now := dialWire(t, fresh.im)
	now.writeFrame(bob.loginFrame("phone", placed))
	if answer := now.frame(); answer.GetCmd() != cimpb.Command_WELCOME {
		t.Fatalf("answered %v", answer)
	}
	old.signal(syscall.SIGCONT)
	if code := old.stop(); code != exitOK { // all that it had to say is said then
		t.Fatalf("exit code %d\n%s", code, old.stderr.String())
	}
	if at := c.holder(bob.id); at != fresh.instance {
		t.Errorf("the store has the session at %q, it is at %q", at, fresh.instance)
	}
	if _, err := alice.SendTo(t.Context(), bob.id, "still here?"); err != nil {
		t.Fatal(err)
	}
	if f := now.frame(); f.GetText() != "still here?" {
		t.Errorf("heard %v", f)
	}
	old.restart(c.t)
	c.awaitServers(4)
}

// A login that its server took down with it is in nobody's way: not that of the same device, nor that of another.
func testLoginWhileItsServerDies(t *testing.T, c *testCluster) {
	for name, knock := range map[string]func(m *member, at *clusterProcess){
		"before LOGIN": func(m *member, at *clusterProcess) {
			m.placeAt(at, "phone")
			at.kill()
		},
		"during LOGIN": func(m *member, at *clusterProcess) {
			p := m.placeAt(at, "phone")
			w := dialWire(t, at.im)
			w.writeFrame(m.loginFrame("phone", p))
			at.kill()
		},
		"after LOGIN": func(m *member, at *clusterProcess) {
			m.enter(at, "phone")
			at.kill()
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, dies, lives := c.member(t, name), c.servers[1], c.servers[0]
			knock(m, dies)
			for _, device := range []string{"laptop", "phone"} {
				if p := m.place(device); p.Server.Instance == dies.instance {
					t.Error("sent to a server that is dead")
				}
				w, answer := m.knockAt(lives, device)
				if answer.GetCmd() != cimpb.Command_WELCOME {
					t.Fatalf("%s was answered %v", device, answer)
				}
				w.conn.Close()
				eventually(t, "the session is released", func() bool { return c.holder(m.id) == "" })
			}
			dies.restart(c.t)
			c.awaitServers(4)
		})
	}
}

// A route that is killed takes nothing with it: a proxy in front sends clients to another.
func TestClusterRouteKilled(t *testing.T) {
	c := startCluster(t, 2, 2)
	front := newFront(t, c.routes)
	got := newCollector()
	bob := c.connectVia(front, "bob", got.handler())
	alice := c.connectVia(front, "alice", client.HandlerFuncs{})
	sending := keepSending(t, alice, bob.Me().ID)
	sending.passes(20)
	c.routes[0].kill()
	sending.more(20)
	carol := c.connectVia(front, "carol", client.HandlerFuncs{}) // registers and logs in
	if a, err := carol.Lookup(t.Context(), "bob"); err != nil || a.ID != bob.Me().ID {
		t.Errorf("bob is %+v, %v", a, err)
	}
	got.exactly(t, sending.stop())
	for _, cl := range []*client.Client{alice, bob} {
		if n := cl.Stats().Connects; n != 1 {
			t.Errorf("a client had to connect %d times", n)
		}
	}
	c.routes[0].restart(t)
	c.routes[0].lists(2)
	c.routes[0].names("")
}
