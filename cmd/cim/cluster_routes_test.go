package main

import (
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// routesOf are the routes as --route takes them.
func routesOf(all ...*clusterProcess) string {
	var urls []string
	for _, r := range all {
		urls = append(urls, r.url())
	}
	return strings.Join(urls, ",")
}

// logins is how many a route has answered with a server.
func (p *clusterProcess) logins() float64 {
	p.t.Helper()
	return p.metric(`cim_http_requests_total{method="POST",route="/v1/login",status="200"}`)
}

// usedBy tells the route that answers the logins of start from the other of two.
func (c *testCluster) usedBy(start func()) (used, other *clusterProcess) {
	c.t.Helper()
	before := c.routes[0].logins()
	start()
	if c.routes[0].logins() > before {
		return c.routes[0], c.routes[1]
	}
	return c.routes[1], c.routes[0]
}

// serverOf is the server that has a user's session.
func (c *testCluster) serverOf(user int64) *clusterProcess {
	c.t.Helper()
	at := c.holder(user)
	for _, s := range c.servers {
		if s.instance == at {
			return s
		}
	}
	c.t.Fatalf("nobody has the session of %d", user)
	return nil
}

// Without a proxy in front: who has the addresses of both routes goes on when one is killed, whichever it is.
func TestClusterSeveralRoutes(t *testing.T) {
	c := startCluster(t, 2, 2)
	h := chatHome{routesOf(c.routes...), t.TempDir()}
	bob := h.chat(t, "bob").ready()
	var alice *chatter
	used, other := c.usedBy(func() { alice = h.chat(t, "alice").ready() })
	talk := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			alice.say("bob;;" + text)
			bob.hears(alice, "alice", "private", text)
			bob.say("alice;;" + text)
			alice.hears(bob, "bob", "private", text)
		}
	}
	talk("before")

	used.kill()
	talk("while a route is dead")
	before, at := other.logins(), c.serverOf(alice.id)
	at.kill()
	alice.told("-- connected again")
	if other.logins() == before {
		t.Error("alice did not log in by the other route")
	}
	talk("by the other route")
	alice.ready() // asks a route who is online

	// Whoever starts now may ask the dead one first.
	for i := range 4 {
		if code, _, errs := h.runChat(t, "bob;;again", "alice", "--device", "phone"); code != exitFailed || !strings.Contains(errs, "another device") {
			t.Errorf("start %d: exit code %d, %q", i, code, errs)
		}
	}
	alice.say(":q")
	alice.exits(exitOK)
	swapped := chatHome{routesOf(c.routes[1], c.routes[0]), h.dir}
	was := alice.id
	if alice = swapped.chat(t, "alice").ready(); alice.id != was {
		t.Errorf("alice came back as %d, and was %d", alice.id, was)
	}
	talk("with the routes in another order")

	key := filepath.Join(c.folder, "application.key")
	for i := range 6 {
		code, out, errs := runScript(t, "push", "--route", routesOf(used, other), "--key-file", key, "--to", "bob", "pushed")
		if code != exitOK || !strings.Contains(out, "\tstored\t") || errs != "" {
			t.Errorf("push %d: exit code %d, %q, %q", i, code, out, errs)
		}
		if line := bob.line(); !strings.HasSuffix(line, "\tprivate\tpushed") {
			t.Errorf("bob heard %q", line)
		}
	}

	// The dead one is back, and the other is killed.
	used.restart(t)
	used.lists(1)
	other.kill()
	alice.ready()
	talk("by the first again")
}

// A route that hangs costs some seconds, once; and one that is cut off from the store is not the last that is asked.
func TestClusterRouteThatDoesNoGood(t *testing.T) {
	c := startCluster(t, 2, 1)
	way := newTCPProxy(t, "127.0.0.1:0", c.redis.Addr())
	direct := c.url
	c.url = "redis://" + way.addr() + "/0"
	c.routes = append(c.routes, c.newRoute("route2"))
	c.url = direct
	bad := c.routes[1]
	bad.lists(2)
	h := chatHome{routesOf(c.routes...), t.TempDir()}
	chats := func(name string) {
		t.Helper()
		for i := range 2 {
			if code, _, errs := h.runChat(t, "hello\n", name); code != exitOK || errs != "" {
				t.Errorf("start %d: exit code %d, %q", i, code, errs)
			}
		}
	}
	way.hold()
	bad.names("store")
	chats("alice")
	way.release()
	bad.names("")
	bad.signal(syscall.SIGSTOP)
	chats("bob")
	if runtime.GOOS == "linux" {
		t.Setenv(asCIM, "1")
		args := []string{"bench", "idle", "-n", "40", "--for", "1ms", "--route", h.route, "--key-file", filepath.Join(c.folder, "application.key")}
		bad.kill()
		if code, out, errs := runScript(t, args...); code != exitOK || !strings.Contains(out, "40 open of 40") {
			t.Errorf("bench: exit code %d, %s%s", code, out, errs)
		}
	}
}
