package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Receivers that do not read, on a cluster whose inboxes are small.
func TestClusterFull(t *testing.T) {
	c := startCluster(t, 2, 1, func(c *testCluster) { c.flags = []string{"--inbox-limit", "5"} })
	alice := c.connectTo(c.servers[0], "alice", client.HandlerFuncs{})
	t.Run("a receiver stops reading", func(t *testing.T) { testReceiverStopsReading(t, c, alice) })
	t.Run("an inbox is full", func(t *testing.T) { testInboxIsFull(t, c, alice) })
}

// dialNarrow connects with little room for what is not read.
func dialNarrow(t *testing.T, addr string) *wire {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t: t, conn: conn}
}

func testReceiverStopsReading(t *testing.T, c *testCluster, alice *client.Client) {
	s, bob := c.servers[1], c.member(t, "bob")
	p := bob.placeAt(s, "phone")
	deaf := dialNarrow(t, s.im)
	deaf.writeFrame(bob.loginFrame("phone", p))
	deaf.frame()
	filler := strings.Repeat("x", 60_000)
	slow := &client.StatusError{Code: cimpb.CodeSlow}
	var err error
	for n := 0; err == nil; n++ {
		if n > 5000 {
			t.Fatal("the connection takes everything")
		}
		_, err = alice.SendTo(t.Context(), bob.id, filler, client.WithAtMostOnce())
	}
	if !errors.Is(err, slow) {
		t.Fatalf("the sender is told: %v", err)
	}
	if n := s.metric(`cim_dropped_total{reason="slow"}`); n < 1 {
		t.Errorf("%v drops are counted", n)
	}
	kept := []string{"one", "two", "three"}
	for _, text := range kept {
		if r, err := alice.SendTo(t.Context(), bob.id, text); err != nil || !r.Stored() {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
	}
	// Each PING is answered, and there is no room for answers.
	pings := slices.Repeat([]byte{2, 0x18, 2}, 20_000)
	for err = nil; err == nil; {
		_, err = deaf.conn.Write(pings)
	}
	eventually(t, "the hard limit is counted", func() bool {
		return s.metric(`cim_connections_closed_total{reason="slow_reader"}`) == 1
	})
	back := bob.enter(c.servers[0], "phone")
	for _, text := range kept {
		if f := back.frame(); f.GetText() != text {
			t.Fatalf("heard %v, want %q", f.GetText(), text)
		}
	}
	wantAlive(t, back)
}

func testInboxIsFull(t *testing.T, c *testCluster, alice *client.Client) {
	dave := c.member(t, "dave")
	for i := range 5 {
		if _, err := alice.SendTo(t.Context(), dave.id, fmt.Sprint(i)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	full := func() error { _, err := alice.SendTo(t.Context(), dave.id, "5"); return err }
	if err := full(); !errors.Is(err, &client.StatusError{Code: cimpb.CodeInboxFull}) {
		t.Errorf("the sender is told: %v", err)
	}
	if n := c.servers[0].metric(`cim_sends_refused_total{reason="inbox_full"}`); n != 1 {
		t.Errorf("%v refusals are counted", n)
	}
	var out struct{ Results []struct{ Result string } }
	c.asApplication().call(http.MethodPost, "/v1/messages", fmt.Sprintf(`{"to":%d,"text":"5"}`, dave.id), &out)
	if len(out.Results) != 1 || out.Results[0].Result != "inbox_full" {
		t.Errorf("over HTTP: %+v", out)
	}
	got := newCollector()
	c.mu.Lock()
	c.secrets[dave.name] = dave.secret
	c.mu.Unlock()
	c.connect(dave.name, got.handler())
	got.exactly(t, 5)
	eventually(t, "there is room", func() bool { return full() == nil })
	if texts := got.wait(t, 6); texts[5] != "5" {
		t.Errorf("dave heard %q", texts)
	}
}

// containsAll reports whether text has all of these.
func containsAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}
