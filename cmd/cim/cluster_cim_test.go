package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cimpb "cim/proto"
)

// asMigration runs the cluster for clients of CIM.
func asMigration(c *testCluster) { c.auth = authCIM }

// cimClient is a client of CIM that knows one of the routes.
func (c *testCluster) cimClient(t *testing.T, route *clusterProcess, name string) *cimClient {
	t.Helper()
	h := cimHTTP{t, route.url()}
	return &cimClient{cimHTTP: h, id: h.register(name), name: name}
}

// connectAt logs in until the route names that server, and connects: logins go round.
func (c *cimClient) connectAt(server *clusterProcess) {
	c.cimHTTP.t.Helper()
	for range 8 {
		if addr := c.place(); addr == server.im {
			c.connectTo(addr)
			return
		}
		c.offLine()
	}
	c.cimHTTP.t.Fatalf("%s was never sent to %s", c.name, server.name)
}

// close is what CIM's SDK does when its user leaves.
func (c *cimClient) close() {
	c.cimHTTP.t.Helper()
	c.offLine()
	c.ended()
}

// online lists the names that CIM's endpoint lists.
func (c *cimClient) online() string {
	c.cimHTTP.t.Helper()
	return string(c.call("GET", "/onlineUser", "").DataBody)
}

// CIM's own integration tests, by hand: two servers, two routes, and each client at a route and a server of its own.
func TestClusterCIMScenarios(t *testing.T) {
	c := startCluster(t, 2, 2, asMigration)
	for name, scenario := range map[string]func(*testing.T, *testCluster){
		"groupChat":        cimGroupChat,
		"testP2PChat":      cimP2PChat,
		"testReconnect":    cimReconnect,
		"offLineAndOnline": cimOffLineAndOnline,
		"testIncorrectUser": func(t *testing.T, c *testCluster) {
			a := c.cimClient(t, c.routes[0], "incorrect")
			a.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"incorrect"}`, a.id+1), "9100")
			a.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"other"}`, a.id), "9100")
			stranger := &cimClient{cimHTTP: a.cimHTTP, id: a.id + 1, name: "incorrect"}
			stranger.connectTo(c.servers[0].im)
			stranger.ended()
		},
		"offline messages": cimOfflineMessages,
	} {
		t.Run(name, func(t *testing.T) { scenario(t, c) })
	}
}

func cimGroupChat(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "crossoverJie"), c.cimClient(t, c.routes[1], "zs")
	a.connectAt(c.servers[0])
	b.connectAt(c.servers[1])
	for _, from := range []*cimClient{a, b} {
		for _, name := range []string{a.name, b.name} {
			if online := from.online(); !strings.Contains(online, `"userName":"`+name+`"`) {
				t.Errorf("%s is missing in %s", name, online)
			}
		}
	}
	a.group("hello")
	f := b.frame()
	want := map[string]string{"sendUserId": fmt.Sprint(a.id), "sendUserName": a.name, "receiveUserId": fmt.Sprint(b.id)}
	for key, value := range want {
		if got := f.GetProperties()[key]; got != value {
			t.Errorf("properties.%s is %q, want %q", key, got, value)
		}
	}
	if f.GetText() != "hello" || f.GetCmd() != cimpb.Command_MESSAGE {
		t.Errorf("heard %v", f)
	}
	if before := a.ping(); len(before) != 0 {
		t.Errorf("the sender heard %v", before)
	}
	a.close()
	b.close()
}

func cimP2PChat(t *testing.T, c *testCluster) {
	var all []*cimClient
	for i, name := range []string{"p2p-a", "p2p-b", "p2p-c"} {
		x := c.cimClient(t, c.routes[i%2], name)
		x.connectAt(c.servers[i%2])
		all = append(all, x)
	}
	a, b, other := all[0], all[1], all[2]
	a.p2p(b.id, "only you", "9000")
	if texts, sender := b.hear(); texts[0] != "only you" || sender != a.name {
		t.Errorf("heard %q of %q", texts, sender)
	}
	a.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"batchMsg":["a","b","c"]}`, a.id, b.id), "9000")
	if f := b.frame(); !slices.Equal(f.GetBatch(), []string{"a", "b", "c"}) {
		t.Errorf("a batch came as %v; only one frame keeps its order in CIM's SDK", f)
	}
	for _, x := range []*cimClient{a, other} {
		if before := x.ping(); len(before) != 0 {
			t.Errorf("%s heard what was for another: %v", x.name, before)
		}
	}
	for _, x := range all {
		x.close()
	}
}

// The server of the first client is killed: the client does as CIM's SDK does, and is heard and hears again.
func cimReconnect(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "reconnect-a"), c.cimClient(t, c.routes[1], "reconnect-b")
	a.connectAt(c.servers[0])
	b.connectAt(c.servers[1])
	c.servers[0].kill()
	a.ended()
	a.offLine()
	addr := a.place()
	if addr != c.servers[1].im {
		t.Fatalf("sent to %s, and only %s is left", addr, c.servers[1].im)
	}
	a.connectTo(addr)
	a.ping()
	b.group("are you back?")
	a.expect("are you back?")
	a.group("I am")
	b.expect("I am")
	b.p2p(a.id, "good", "9000")
	a.expect("good")
	a.close()
	b.close()
	c.servers[0].restart(c.t)
	c.awaitServers(2)
}

func cimOffLineAndOnline(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "again-a"), c.cimClient(t, c.routes[1], "again-b")
	b.connectAt(c.servers[1])
	for _, server := range c.servers {
		a.connectAt(server)
		b.p2p(a.id, "at "+server.name, "9000")
		a.expect("at " + server.name)
		a.ping()
		a.close()
		if online := b.online(); strings.Contains(online, a.name) {
			t.Errorf("online after it left: %s", online)
		}
		b.p2p(a.id, "gone", "7000")
		a.connectAt(server)
		a.expect("gone")
		a.ping() // which acknowledges it
		a.close()
	}
	// Without a goodbye the server notices the end of the connection.
	a.connectAt(c.servers[0])
	_ = a.conn.Close()
	eventually(t, "the account is free", func() bool { return a.tryLogin() == "9000" })
	a.offLine()
	b.close()
}

// tryLogin is the code that a login is answered with.
func (c *cimClient) tryLogin() string {
	c.cimHTTP.t.Helper()
	return c.call("POST", "/login", fmt.Sprintf(`{"userId":%d,"userName":%q}`, c.id, c.name)).Code
}

func cimOfflineMessages(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "offline-a"), c.cimClient(t, c.routes[1], "offline-b")
	a.connectAt(c.servers[0])
	b.connectAt(c.servers[1])
	a.ping()
	b.ping() // it is logged in: a goodbye that overtakes a LOGIN ends what was there before it
	b.close()
	a.p2p(b.id, "one", "7000")
	a.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"batchMsg":["two","three"]}`, a.id, b.id), "7000")
	b.connectTo(b.place())
	b.post("/fetchOfflineMsgs", fmt.Sprintf(`{"receiveUserId":%d}`, b.id), "9000")
	b.expect("one", "two", "three")
	if before := b.ping(); len(before) != 0 {
		t.Errorf("what this session had been sent came again: %v", before)
	}
	a.close()
	b.close()
}
