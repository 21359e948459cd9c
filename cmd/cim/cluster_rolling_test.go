package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cim/client"
	cimpb "cim/proto"
)

// timeline is a client that remembers what it was handed and when, and for how long it was cut off.
type timeline struct {
	*collector

	mu      sync.Mutex
	last    time.Time     // of the last message
	silence time.Duration // the longest between two messages
	cut     time.Time     // zero: connected
	away    time.Duration // the longest between a cut and the next connection
	cuts    int
}

func newTimeline() *timeline { return &timeline{collector: newCollector()} }

// Message implements client.Handler.
func (l *timeline) Message(ctx context.Context, m client.Message) error {
	l.note()
	return l.handler().Message(ctx, m)
}

func (l *timeline) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() {
		l.silence = max(l.silence, now.Sub(l.last))
	}
	l.last = now
}

// State implements client.Handler.
func (l *timeline) State(s client.StateChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.State == client.StateDisconnected && l.cut.IsZero():
		l.cut = time.Now()
		l.cuts++
	case s.State == client.StateConnected && !l.cut.IsZero():
		l.away = max(l.away, time.Since(l.cut))
		l.cut = time.Time{}
	}
}

// gaps are the longest silence, the longest time without a connection, and how often it was cut off.
func (l *timeline) gaps() (silence, away time.Duration, cuts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silence, l.away, l.cuts
}

// pair is two people, of whom one talks to the other all the time.
type pair struct {
	from, to *client.Client
	got      *timeline
	sent     int           // acknowledged
	slowest  time.Duration // send, until it was acknowledged
	err      error
}

// talk sends numbers until it is to stop.
func (p *pair) talk(ctx context.Context, stopCh <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.err == nil {
		select {
		case <-tick.C:
		case <-stopCh:
			return
		}
		begin := time.Now()
		if _, p.err = p.from.SendTo(ctx, p.to.Me().ID, fmt.Sprint(p.sent)); p.err == nil {
			p.sent++
		}
		p.slowest = max(p.slowest, time.Since(begin))
	}
}

// rollingClient has the SDK's own back-off: how long a user is away is what is looked at.
func (c *testCluster) rollingClient(route *clusterProcess, name string, h client.Handler) *client.Client {
	c.t.Helper()
	cl, err := client.Connect(c.t.Context(), client.Options{
		Route: route.url(), Name: name, Device: name + "-device", Handler: h, Secrets: c,
	})
	if err != nil {
		c.t.Fatalf("connect %s: %v", name, err)
	}
	c.t.Cleanup(func() { closeClient(c.t, cl, name) })
	return cl
}

// All servers are stopped and started again, one after the other, while people talk: each message that was acknowledged
// comes once and in order. For how long nobody could be reached is told, not judged.
func TestClusterRollingRestart(t *testing.T) {
	for _, strategy := range []string{"round-robin", "least-connections"} {
		t.Run(strategy, func(t *testing.T) { rollingRestart(t, strategy) })
	}
}

func rollingRestart(t *testing.T, strategy string) {
	c := startCluster(t, 3, 2, func(c *testCluster) { c.balance = strategy })
	var pairs []*pair
	for i := range 6 {
		p := &pair{got: newTimeline()}
		p.from = c.rollingClient(c.routes[i%2], fmt.Sprint("from", i), newTimeline())
		p.to = c.rollingClient(c.routes[i/2%2], fmt.Sprint("to", i), p.got)
		pairs = append(pairs, p)
	}
	stopCh := make(chan struct{})
	var talking sync.WaitGroup
	for _, p := range pairs {
		talking.Go(func() { p.talk(t.Context(), stopCh) })
	}
	for _, s := range c.servers {
		for _, p := range pairs { // traffic goes on before the next one
			p.got.wait(t, len(p.got.snapshot())+20)
		}
		begin := time.Now()
		if code := s.stop(); code != exitOK {
			t.Errorf("%s: exit code %d\n%s", s.name, code, s.stderr.String())
		}
		t.Logf("%s: %v to stop", s.name, time.Since(begin).Round(time.Millisecond))
		s.restart(c.t)
		c.awaitServers(3)
	}
	close(stopCh)
	talking.Wait()
	for i, p := range pairs {
		p.check(t, i)
	}
}

// check finds whether everything came, once and in order, and tells how long it took.
func (p *pair) check(t *testing.T, i int) {
	t.Helper()
	if p.err != nil {
		t.Errorf("pair %d: message %d: %v", i, p.sent, p.err)
	}
	texts := p.got.wait(t, p.sent)
	want := make([]string, p.sent)
	for n := range want {
		want[n] = fmt.Sprint(n)
	}
	if !slices.Equal(texts, want) {
		t.Errorf("pair %d: %d messages were acknowledged, and %d came: %q", i, p.sent, len(texts), texts)
	}
	silence, away, cuts := p.got.gaps()
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	t.Logf("pair %d: %d messages; longest gap %v between two, %v without a connection (%d cuts); slowest send %v; connects %d and %d, resent %d",
		i, p.sent, round(silence), round(away), cuts, round(p.slowest), p.from.Stats().Connects, p.to.Stats().Connects, p.from.Stats().Resent)
}

// Who has not left a draining server yet is reached there, and is told by it when they have a session elsewhere.
func TestClusterDrainingServerIsReached(t *testing.T) {
	c := startCluster(t, 1, 2, asMigration)
	from := c.cimClient(t, c.routes[0], "from")
	from.connectAt(c.servers[0])
	leaving := c.newServer("leaving", "--drain", "1h")
	for _, r := range c.routes {
		r.lists(2)
	}
	user := from.register("stays")
	hello := func(at *clusterProcess) (*wire, *cimpb.Frame) {
		w := dialWire(t, at.im)
		w.writeFrame(&cimpb.Frame{UserId: user, Hello: &cimpb.Hello{Version: 1, Device: "phone"}})
		return w, w.frame()
	}
	w, _ := hello(leaving)
	leaving.signal(syscall.SIGTERM)
	if f := w.frame(); f.GetCmd() != cimpb.Command_MOVE {
		t.Fatalf("told %v", f)
	}
	from.p2p(user, "private", "9000")
	from.group("to everyone")
	for _, want := range []string{"private", "to everyone"} {
		if f := w.frame(); f.GetText() != want {
			t.Errorf("heard %v, want %s", f, want)
		}
	}
	if online := from.online(); !strings.Contains(online, "stays") {
		t.Errorf("online: %s", online)
	}
	for i := range 6 {
		x := c.cimClient(t, c.routes[i%2], fmt.Sprint("new", i))
		if addr := x.place(); addr != c.servers[0].im {
			t.Errorf("a login was sent to %s, which drains", addr)
		}
	}
	if _, f := hello(c.servers[0]); f.GetCmd() != cimpb.Command_WELCOME {
		t.Errorf("told %v", f)
	}
	if f := w.frame(); f.GetCmd() != cimpb.Command_KICK || cimpb.Code(f.GetStatus().GetCode()) != cimpb.CodeReplaced {
		t.Errorf("told %v at the old server", f)
	}
	if code := exitCode(t, leaving.wait()); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
