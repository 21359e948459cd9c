package zkregistry

import (
	"errors"
	"testing"

	"cim/internal/zktest"
)

// expiring is a Registry whose session a test can end, with a server.
type expiring struct {
	*Registry
	proxy     *zktest.Proxy
	expiredCh chan struct{}
}

func openExpiring(t *testing.T, cfg Config) expiring {
	e := expiring{proxy: zktest.NewProxy(t, cfg.Servers[0]), expiredCh: make(chan struct{}, 8)}
	cfg.Servers = []string{e.proxy.Addr()}
	cfg.OnExpired = func() { e.expiredCh <- struct{}{} }
	e.Registry = open(t, cfg)
	join(t, e.Registry, server("mine", 1))
	return e
}

// testExpiry ends a session behind the process's back, again and again.
func testExpiry(t *testing.T, addr string) {
	cfg := config(t, addr)
	reader, c := open(t, cfg), client(t, addr)
	r := openExpiring(t, cfg)
	wantInstances(t, reader, "mine")
	for range 2 {
		before := r.proxy.SessionID()
		r.proxy.ExpireSession(t)
		<-r.expiredCh
		if r.proxy.SessionID() == before {
			t.Fatal("told of an expiry, and the session is the same")
		}
		_, stat, err := c.Get(cfg.Root + "/10.0.0.1:1:2")
		if err != nil || stat.EphemeralOwner != r.proxy.SessionID() {
			t.Fatalf("the node is of session %#x, %v", stat.EphemeralOwner, err)
		}
		if got, ok := r.Server("mine"); !ok || got != server("mine", 1) {
			t.Fatalf("the server's own list has %+v, %v", got, ok)
		}
		wantInstances(t, reader, "mine")
		leave := join(t, reader, server("other", 5)) // its watches work in the new session
		wantInstances(t, r.Registry, "mine other")
		leave()
		wantInstances(t, r.Registry, "mine")
	}
	eventually(t, "it is well", func() bool { return r.Err() == nil })
	if len(r.expiredCh) != 0 {
		t.Error("OnExpired was called too often")
	}
}

// testExpiryWhileCutOff cuts a server off from ZooKeeper for longer than its session lasts.
func testExpiryWhileCutOff(t *testing.T, addr string) {
	cfg := config(t, addr)
	reader := open(t, cfg)
	cfg.SessionTimeout = shortTimeout
	r := openExpiring(t, cfg)
	leave := join(t, reader, server("other", 5))
	wantInstances(t, reader, "mine other")
	wantInstances(t, r.Registry, "mine other")
	r.proxy.Cut()
	wantInstances(t, reader, "other")
	leave()
	if err := r.Err(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("cut off, and Err says %v", err)
	}
	if got := instances(r.Registry); got != "mine other" {
		t.Errorf("cut off, the list became %q", got)
	}
	r.proxy.Mend()
	<-r.expiredCh
	wantInstances(t, reader, "mine")
	wantInstances(t, r.Registry, "mine")
	eventually(t, "it is well", func() bool { return r.Err() == nil })
}
