package main

import (
	"fmt"
	"sync"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Those who lost their server come to the other one as fast as that takes them, and not all at once.
func TestClusterStorm(t *testing.T) {
	const people = 40
	c := startCluster(t, 2, 1, func(c *testCluster) { c.ofServers = []string{"--admit-rate", "10"} })
	var wg sync.WaitGroup
	clients := make([]*client.Client, people)
	for i := range clients {
		m := c.member(t, fmt.Sprint("user", i))
		c.secrets[m.name] = m.secret // nobody reads them yet
	}
	for i := range clients {
		wg.Go(func() {
			cl, err := client.Connect(t.Context(), client.Options{
				Route: c.route(), Name: fmt.Sprint("user", i), Device: "d", Secrets: c, Handler: client.HandlerFuncs{},
			})
			if err != nil {
				t.Errorf("user %d: %v", i, err)
				return
			}
			clients[i] = cl
			t.Cleanup(func() { closeClient(t, cl, fmt.Sprint("user", i)) })
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	lives, dies := c.servers[0], c.servers[1]
	const later = `cim_admissions_total{outcome="later"}`
	before, moved := lives.metric(later), 0
	for _, cl := range clients {
		if cl.Session().Instance == dies.instance {
			moved++
		}
	}
	dies.kill()
	eventually(t, "all are on the other server", func() bool { return lives.metric("cim_sessions") == people })
	// A second's worth may come at once, and each second of the way as many more.
	if n := lives.metric(later) - before; moved < people/4 || n < 1 {
		t.Errorf("of %d who lost their server, %v were told when to come", moved, n)
	}
	testTicketBeforeItsTime(t, c)
}

// testTicketBeforeItsTime asks for places until one is some time away, and comes at once.
func testTicketBeforeItsTime(t *testing.T, c *testCluster) {
	s, m := c.servers[0], c.member(t, "hasty")
	var p directions
	eventually(t, "a place is 7 s away", func() bool {
		p = m.place("phone")
		return p.NotBeforeMs > 7000
	})
	w := dialWire(t, s.im)
	w.writeFrame(m.loginFrame("phone", p))
	answer := w.frame()
	wantCode(t, answer, cimpb.Command_ERROR, cimpb.CodeBusy)
	if ms := answer.GetStatus().GetRetryAfterMs(); ms == 0 {
		t.Error("not told when to come")
	}
	if n := s.metric(`cim_logins_refused_total{reason="too_early"}`); n != 1 {
		t.Errorf("%v are counted", n)
	}
}

// A client of CIM cannot be told to wait: it is told that there is no server.
func TestClusterStormOfCIMClients(t *testing.T) {
	c := startCluster(t, 1, 1, func(c *testCluster) {
		c.auth, c.ofServers = authCIM, []string{"--admit-rate", "1"}
	})
	h := cimHTTP{t, c.route()}
	var ids []int64
	for i := range 5 {
		ids = append(ids, h.register(fmt.Sprint("user", i)))
	}
	codes := map[string]int{}
	for i, id := range ids {
		codes[h.call("POST", "/login", fmt.Sprintf(`{"userId":%d,"userName":"user%d"}`, id, i)).Code]++
	}
	if codes["9000"] == 0 || codes["7100"] == 0 || len(codes) != 2 {
		t.Errorf("answers: %v", codes)
	}
	refused := c.servers[0].metric(`cim_admissions_total{outcome="busy"}`)
	if refused != float64(codes["7100"]) {
		t.Errorf("%d were refused, %v are counted", codes["7100"], refused)
	}
}
