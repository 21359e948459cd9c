package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cim/internal/zktest"
	"cim/route"
	"cim/route/zkregistry"
)

// Each defect of CIM that shows between processes, by its number in the list of those that must not come back.
func TestClusterWithoutCIMDefects(t *testing.T) {
	c := startCluster(t, 2, 2, asMigration)
	for _, defect := range []struct {
		name string
		test func(*testing.T, *testCluster)
	}{
		{"1 login fails and locks the user out", defectLockedOut},
		{"2 and 3 a dead server in the list", defectDeadServerListed},
		{"4 late goodbye of a dead session", defectLateGoodbye},
		{"5 silent connection lives for ever", defectSilentConnection},
		{"6 mass disconnect is quadratic", defectMassDisconnect},
		{"7 group send costs a call per user", defectGroupSend},
		{"8 names are keys", defectNamesAreKeys},
		{"11 sendMsg to an absent user succeeds", defectSendMsgAbsent},
		{"13 restart within the session of ZooKeeper", defectRestart},
		{"13 expired session of ZooKeeper", defectExpired},
		{"14 ids of two routes collide", defectIDsCollide},
	} {
		t.Run(defect.name, func(t *testing.T) { defect.test(t, c) })
	}
}

// keepListed has ZooKeeper list a killed server for as long as the test needs it. Without that it does for ten seconds.
func (c *testCluster) keepListed(t *testing.T, p *clusterProcess) (forget func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	registry, err := zkregistry.Open(ctx, zkregistry.Config{Servers: []string{c.zk}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	im, push := netip.MustParseAddrPort(p.im), netip.MustParseAddrPort(p.http)
	leave, err := registry.Join(ctx, route.Server{
		Instance: p.instance, Host: im.Addr().String(), Port: int(im.Port()), HTTPPort: int(push.Port()),
	})
	if err != nil {
		registry.Close()
		t.Fatal(err)
	}
	return func() {
		leave()
		registry.Close()
	}
}

// owner is the server that Redis has for a user; empty: none.
func (c *testCluster) owner(t *testing.T, user int64) (instance string) {
	t.Helper()
	return c.redis.Client(t).HGet(t.Context(), fmt.Sprintf("cim:{%d}:user", user), "o").Val()
}

// revive starts killed servers again and waits until they are reached.
func (c *testCluster) revive(t *testing.T, servers ...*clusterProcess) {
	t.Helper()
	for _, s := range servers {
		s.restart(c.t)
	}
	c.awaitLogins(t, servers...)
	c.awaitServers(len(c.servers))
}

// awaitLogins waits until each route sends users to these servers: it leaves out for a while who did not answer.
func (c *testCluster) awaitLogins(t *testing.T, servers ...*clusterProcess) {
	t.Helper()
	for _, r := range c.routes {
		probe := c.cimClient(t, r, "probe")
		for _, s := range servers {
			eventually(t, r.name+" sends users to "+s.name, func() bool {
				defer probe.offLine()
				return probe.tryLogin() == "9000" && c.owner(t, probe.id) == s.instance
			})
		}
	}
}

// Logins that find no server leave nothing behind that has to be cleaned up.
func defectLockedOut(t *testing.T, c *testCluster) {
	a := c.cimClient(t, c.routes[0], "locked-out")
	for _, s := range c.servers {
		s.kill()
		defer c.keepListed(t, s)()
	}
	for range 3 {
		a.login("7100")
		if at := c.owner(t, a.id); at != "" {
			t.Fatalf("Redis has them at %s", at)
		}
	}
	c.revive(t, c.servers...)
	a.connect()
	if before := a.ping(); len(before) != 0 {
		t.Errorf("heard %v", before)
	}
	a.close()
}

// With a dead server in the list, whatever the strategy, logins go to the living one, and what is stored of them
// names it.
func defectDeadServerListed(t *testing.T, c *testCluster) {
	routes := c.routes[:1:1]
	for _, strategy := range []string{"random", "consistent-hash", "least-connections"} {
		routes = append(routes, c.newRoute(strategy, "--balance", strategy))
	}
	dead, living := c.servers[0], c.servers[1]
	dead.kill()
	forget := c.keepListed(t, dead)
	sender := c.cimClient(t, c.routes[1], "sender")
	for i, r := range routes {
		r.lists(2)
		for n := range 8 {
			x := c.cimClient(t, r, fmt.Sprint("dead-", i, "-", n))
			addr := x.place()
			if at := c.owner(t, x.id); addr != living.im || at != living.instance {
				t.Fatalf("route %s sent to %s, and Redis says %s; %s (%s) lives", r.name, addr, at, living.im, living.instance)
			}
			x.connectTo(addr)
			sender.p2p(x.id, "there?", "9000")
			x.expect("there?")
			x.close()
		}
		r.lists(2) // the dead one was in the list all the time
	}
	for _, r := range routes[1:] {
		if code := r.stop(); code != exitOK {
			t.Errorf("route %s: exit code %d", r.name, code)
		}
	}
	forget()
	c.revive(t, dead)
}

// A server that notices late that a client is gone does not end the session that the user has elsewhere by then.
func defectLateGoodbye(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "late-a"), c.cimClient(t, c.routes[1], "late-b")
	old, now := c.servers[0], c.servers[1]
	a.connectAt(old)
	a.ping()
	old.signal(syscall.SIGSTOP)
	_ = a.conn.Close()
	a.offLine()
	addr := a.place()
	if addr != now.im {
		t.Fatalf("sent to %s while only %s answers", addr, now.im)
	}
	a.connectTo(addr)
	a.ping()
	old.signal(syscall.SIGCONT)
	eventually(t, "the old server has seen the end", func() bool { return old.metric("cim_sessions") == 0 })
	b.p2p(a.id, "still reached", "9000")
	a.expect("still reached")
	if at := c.owner(t, a.id); at != now.instance {
		t.Errorf("Redis has the user at %q, not at %s", at, now.instance)
	}
	a.close()
	c.awaitLogins(t, old)
	c.awaitServers(2)
}

// A client that never sends a PING is closed and is offline; one that does is not.
func defectSilentConnection(t *testing.T, c *testCluster) {
	strict := c.newServer("strict", "--idle-timeout", "2s")
	for _, r := range c.routes {
		r.lists(3)
	}
	silent, lively := c.cimClient(t, c.routes[0], "silent"), c.cimClient(t, c.routes[1], "lively")
	silent.connectAt(strict)
	lively.connectAt(strict)
	endedCh := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(endedCh)
		silent.ended()
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for closed := false; !closed; {
		select {
		case <-tick.C:
			lively.ping()
		case <-endedCh:
			closed = true
		}
	}
	wg.Wait()
	lively.ping()
	if n := strict.metric(`cim_connections_closed_total{reason="idle_timeout"}`); n != 1 {
		t.Errorf("%v connections were closed for their silence", n)
	}
	eventually(t, "the silent user is offline", func() bool { return c.owner(t, silent.id) == "" })
	lively.p2p(silent.id, "are you there?", "7000")
	lively.close()
	if code := strict.stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	c.awaitServers(2)
}

// The end of a connection costs the same whether one goes or all go: one script of Redis, and no other server is asked.
func defectMassDisconnect(t *testing.T, c *testCluster) {
	for _, n := range []int{20, 200} {
		var all []*cimClient
		for i := range n {
			x := c.cimClient(t, c.routes[i%2], fmt.Sprint("mass-", i))
			x.connectAt(c.servers[0])
			all = append(all, x)
		}
		eventually(t, "all are connected", func() bool { return c.servers[0].metric("cim_sessions") == float64(n) })
		scripts, asked := c.redisCalls(t, "fcall"), c.servers[0].metric("cim_peer_requests_total")
		for _, x := range all {
			_ = x.conn.Close()
		}
		last := all[n-1]
		eventually(t, "all are gone", func() bool {
			return c.servers[0].metric("cim_sessions") == 0 && c.owner(t, last.id) == "" && c.redisCalls(t, "fcall")-scripts >= n
		})
		if got := c.redisCalls(t, "fcall") - scripts; got != n {
			t.Errorf("the end of %d connections took %d scripts of Redis", n, got)
		}
		if got := c.servers[0].metric("cim_peer_requests_total") - asked; got != 0 {
			t.Errorf("the end of %d connections took %v requests to other servers", n, got)
		}
	}
}

// redisCalls is how often a command of Redis was called.
func (c *testCluster) redisCalls(t *testing.T, command string) int {
	t.Helper()
	stats, err := c.redis.Client(t).Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
	text, _, _ := strings.Cut(rest, ",")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("Redis tells no calls of %s: %v", command, err)
	}
	return n
}

// A message to a group is one request per server however many users there are, and a dead server keeps nobody else
// from hearing it.
func defectGroupSend(t *testing.T, c *testCluster) {
	sender := c.cimClient(t, c.routes[0], "group-sender")
	var hearers []*cimClient
	for i := range 12 {
		x := c.cimClient(t, c.routes[i%2], fmt.Sprint("hearer-", i))
		x.connectAt(c.servers[i%2])
		x.ping()
		hearers = append(hearers, x)
	}
	var before []float64
	for _, s := range c.servers {
		before = append(before, s.metric("cim_cluster_requests_total"))
	}
	calls := c.redisCalls(t, "fcall")
	sender.group("all of you")
	for i, s := range c.servers {
		if n := s.metric("cim_cluster_requests_total") - before[i]; n != 1 {
			t.Errorf("%s took %v requests", s.name, n)
		}
	}
	if n := c.redisCalls(t, "fcall") - calls; n != 0 {
		t.Errorf("it took %d scripts of Redis", n)
	}
	for _, x := range hearers {
		x.expect("all of you")
		if more := x.ping(); len(more) != 0 {
			t.Errorf("%s heard more: %v", x.name, more)
		}
	}
	c.servers[0].kill()
	forget := c.keepListed(t, c.servers[0])
	sender.group("who is left")
	for i, x := range hearers {
		if i%2 == 1 {
			x.expect("who is left")
			x.close()
		}
	}
	forget()
	c.revive(t, c.servers[0])
}

// Names like the keys of a store are names like any other.
func defectNamesAreKeys(t *testing.T, c *testCluster) {
	var all []*cimClient
	ids := make(map[int64]string)
	for i, name := range []string{"login-status", "cim-route:5", "cim:{5}:user", "cim:account:{5}", "{5}", "a:b:*"} {
		x := c.cimClient(t, c.routes[i%2], name)
		if again := (cimHTTP{t, c.routes[(i+1)%2].url()}).register(name); again != x.id {
			t.Errorf("%q is %d and %d", name, x.id, again)
		}
		if other, taken := ids[x.id]; taken {
			t.Errorf("%q and %q have the id %d", name, other, x.id)
		}
		ids[x.id] = name
		x.connectAt(c.servers[i%2])
		all = append(all, x)
	}
	all[0].group("still here")
	for _, x := range all[1:] {
		x.expect("still here")
	}
	for i, x := range all {
		to := all[(i+1)%len(all)]
		x.p2p(to.id, "from "+x.name, "9000")
		to.expect("from " + x.name)
	}
	for _, x := range all {
		x.ping()
		x.close()
	}
}

// A push to a user who is not there is refused by each server, and their inbox stays as it is.
func defectSendMsgAbsent(t *testing.T, c *testCluster) {
	a, b := c.cimClient(t, c.routes[0], "push-a"), c.cimClient(t, c.routes[1], "push-b")
	a.p2p(b.id, "stored", "7000")
	push := func(at *clusterProcess, code string) {
		t.Helper()
		cimHTTP{t, at.url()}.post("/sendMsg", fmt.Sprintf(
			`{"msg":"pushed by %s","userId":%d,"cmd":"MESSAGE","properties":{"sendUserId":"%d","sendUserName":"push-a","receiveUserId":"%d"}}`,
			at.name, b.id, a.id, b.id), code)
	}
	for _, s := range c.servers {
		push(s, "7000")
	}
	b.connectAt(c.servers[1])
	b.expect("stored")
	for _, s := range c.servers {
		push(s, "9000")
		b.expect("pushed by " + s.name)
	}
	if more := b.ping(); len(more) != 0 {
		t.Errorf("heard more: %v", more)
	}
	b.close()
}

// A server that was killed is started again before ZooKeeper has noticed: it is listed as what it is now.
func defectRestart(t *testing.T, c *testCluster) {
	s := c.servers[0]
	before := s.instance
	s.kill()
	c.revive(t, s)
	if s.instance == before {
		t.Fatalf("the instance is %s as before", before)
	}
	a := c.cimClient(t, c.routes[0], "restarted")
	a.connectAt(s)
	a.group("on")
	a.ping() // it is logged in
	a.close()
}

// A server whose session at ZooKeeper expires announces itself again.
func defectExpired(t *testing.T, c *testCluster) {
	zk, proxy := c.zk, zktest.NewProxy(t, c.zk)
	c.zk = proxy.Addr()
	s := c.newServer("expiring")
	c.zk = zk
	for _, r := range c.routes {
		r.lists(3)
	}
	a, b := c.cimClient(t, c.routes[0], "expired-a"), c.cimClient(t, c.routes[1], "expired-b")
	a.connectAt(s)
	a.ping()
	session := proxy.SessionID()
	proxy.ExpireSession(t)
	eventually(t, "the server has a new session", func() bool { return proxy.SessionID() != session })
	for _, r := range c.routes {
		r.lists(3)
	}
	b.connectAt(s)
	b.p2p(a.id, "as before", "9000")
	a.expect("as before")
	a.close()
	b.close()
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	c.awaitServers(2)
}

// Two routes that register at the same time never give one id to two names, nor one name two ids.
func defectIDsCollide(t *testing.T, c *testCluster) {
	const names, workers = 150, 4
	var mu sync.Mutex
	ids := make(map[int64]string)
	note := func(id int64, name string) {
		mu.Lock()
		defer mu.Unlock()
		if other, taken := ids[id]; taken && other != name {
			t.Errorf("%s and %s have the id %d", name, other, id)
		}
		ids[id] = name
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			h := cimHTTP{t, c.routes[w%2].url()}
			for i := range names {
				own, shared := fmt.Sprint("own-", w, "-", i), fmt.Sprint("shared-", i)
				note(h.tryRegister(own), own)
				note(h.tryRegister(shared), shared)
			}
		})
	}
	wg.Wait()
	if want := workers*names + names; len(ids) != want {
		t.Errorf("%d ids for %d names", len(ids), want)
	}
}

// tryRegister is register for goroutines of a test; 0: it failed, and the test with it.
func (h cimHTTP) tryRegister(name string) int64 {
	resp, err := http.Post(h.base+"/registerAccount", "application/json", strings.NewReader(`{"userName":"`+name+`"}`))
	if err != nil {
		h.t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	var answer struct{ DataBody struct{ UserID int64 } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.DataBody.UserID == 0 {
		h.t.Errorf("register %s: %+v, %v", name, answer, err)
	}
	return answer.DataBody.UserID
}
