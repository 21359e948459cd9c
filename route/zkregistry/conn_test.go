package zkregistry

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

func TestConfig(t *testing.T) {
	good := Config{Servers: []string{"h:2181"}}
	got, err := good.withDefaults()
	if err != nil || got.Root != "/cim" || got.SessionTimeout != 10*time.Second || got.Logger == nil {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(*Config){
		"no servers":     func(c *Config) { c.Servers = nil },
		"empty server":   func(c *Config) { c.Servers = []string{"h:1", ""} },
		"relative root":  func(c *Config) { c.Root = "cim" },
		"root is all":    func(c *Config) { c.Root = "/" },
		"slash at end":   func(c *Config) { c.Root = "/cim/" },
		"negative time":  func(c *Config) { c.ProbeEvery = -1 },
		"negative time2": func(c *Config) { c.SessionTimeout = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			if _, err := Open(t.Context(), bad); !errors.Is(err, ErrConfig) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestHostsTakeTurns(t *testing.T) {
	h := &hosts{}
	if err := h.Init([]string{"a", "b", "c"}); err != nil || h.Len() != 3 {
		t.Fatal(err, h.Len())
	}
	next := func(wantServer string, wantPause bool) {
		t.Helper()
		if server, pause := h.Next(); server != wantServer || pause != wantPause {
			t.Errorf("%s, %v; want %s, %v", server, pause, wantServer, wantPause)
		}
	}
	next("a", false)
	next("b", false)
	next("c", false)
	next("a", true) // all were tried
	next("b", false)
	h.Connected()
	next("c", false)
	next("a", false)
	next("b", false)
	next("c", true)
}

// TestHandshakeIsBounded asks for the deadlines that the library asks for, of a peer that says nothing.
func TestHandshakeIsBounded(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	c := &handshakeConn{Conn: here, limit: time.Millisecond}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	timesOut := func(what string, io func([]byte) (int, error)) {
		t.Helper()
		if _, err := io(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(c.SetWriteDeadline(time.Now().Add(time.Hour)))
	timesOut("request", c.Write)
	must(c.SetWriteDeadline(time.Time{}))
	must(c.SetReadDeadline(time.Now().Add(time.Hour)))
	timesOut("answer", c.Read)
	must(c.SetReadDeadline(time.Time{}))
	timesOut("rest of the answer", c.Read)

	must(c.SetReadDeadline(time.Now().Add(time.Hour)))
	go there.Write([]byte("x")) // the read below waits for it
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("after the handshake: %d, %v", n, err)
	}
}

// TestCallsAreBounded has a library that never connects.
func TestCallsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts: the kernel does, and nothing is answered
	cfg, err := Config{Servers: []string{l.Addr().String()}, CallTimeout: 10 * time.Millisecond, Logger: config(t).Logger}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect(cfg, newEvents(cfg.Root))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.get(t.Context(), "/x", false); !errors.Is(err, errCallTimeout) {
		t.Errorf("get: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.timeout = time.Hour
	if err := c.create(ctx, "/x", nil, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v", err)
	}
}

func TestEvents(t *testing.T) {
	e := newEvents("/cim")
	old := e.renew()
	handle := e.renew()
	if got := e.take(); !got.expired {
		t.Errorf("a connection took another's place: %+v", got)
	}
	old(zk.Event{Type: zk.EventSession, State: zk.StateHasSession})
	if ok, _ := e.connected(); ok {
		t.Error("a connection that was given up still counts")
	}
	for _, ev := range []zk.Event{
		{Type: zk.EventSession, State: zk.StateConnected},
		{Type: zk.EventSession, State: zk.StateHasSession},
		{Type: zk.EventNodeChildrenChanged, Path: "/cim"},
		{Type: zk.EventNodeDeleted, Path: "/cim/h:1:2"},
		{Type: zk.EventNodeDeleted, Path: "/cimx/h:1:2"},
		{Type: zk.EventNotWatching, Path: "/cim/h:3:4"},
	} {
		handle(ev)
	}
	<-e.wakeCh
	got := e.take()
	if !got.session || !got.resumed || !got.list || got.expired || len(got.nodes) != 1 || got.nodes[0] != "h:1:2" {
		t.Errorf("%+v", got)
	}
	if got = e.take(); !got.session || got.resumed || got.list || len(got.nodes) != 0 {
		t.Errorf("taken twice: %+v", got)
	}
	handle(zk.Event{Type: zk.EventSession, State: zk.StateDisconnected})
	if ok, since := e.connected(); ok || since.IsZero() {
		t.Errorf("disconnected: %v since %v", ok, since)
	}
	handle(zk.Event{Type: zk.EventSession, State: zk.StateExpired})
	if got = e.take(); got.session || !got.expired {
		t.Errorf("expired: %+v", got)
	}
}
