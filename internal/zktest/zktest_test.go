package zktest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unopened makes ZooKeeper open a session.
var unopened = session{password: make([]byte, 16)}

// open begins a session through the proxy and leaves it without a connection.
func open(t *testing.T, p *Proxy) session {
	t.Helper()
	c, got, err := unopened.connect(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if p.SessionID() != got.id || got.id == 0 {
		t.Fatalf("the proxy saw session %#x, it is %#x", p.SessionID(), got.id)
	}
	return got
}

func TestServerIsKilledAndStartedAgain(t *testing.T) {
	s := Start(t)
	if got := s.mode(); got != "standalone" {
		t.Fatalf("mode %q", got)
	}
	p := NewProxy(t, s.Addr())
	held := open(t, p)
	s.Kill(t)
	if got := s.mode(); got != "" {
		t.Fatalf("killed, and still %q", got)
	}
	s.Start(t)
	s.Await(t)
	if err := held.end(s.Addr()); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
	s.Kill(t)
	s.Wipe(t)
	s.Start(t)
	s.Await(t)
	if err := held.end(s.Addr()); err == nil {
		t.Error("the session survived a wipe")
	}
}

func TestStopAndContinue(t *testing.T) {
	s := Start(t)
	s.Stop(t)
	if got := s.mode(); got != "" {
		t.Errorf("stopped, and still %q", got)
	}
	s.Continue(t)
	s.Await(t)
}

func TestProxy(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	first := open(t, p)
	second := open(t, p)
	if second.id == first.id {
		t.Fatalf("both sessions are %#x", first.id)
	}
	p.ExpireSession(t)
	if err := second.end(s.Addr()); err == nil {
		t.Error("a session was ended twice")
	}
	if err := first.end(s.Addr()); err != nil {
		t.Errorf("the other session: %v", err)
	}
	p.Cut()
	if _, _, err := unopened.connect(p.Addr()); err == nil {
		t.Error("a connection went through the cut")
	}
	p.Mend()
	open(t, p)
}

func TestEnsembleElectsAnotherLeader(t *testing.T) {
	e := StartEnsemble(t, 3)
	first := e.Leader(t)
	first.Kill(t)
	second := e.Leader(t)
	if second == first || len(e.Addrs()) != 3 {
		t.Fatalf("the leader was %s and is %s", first.Addr(), second.Addr())
	}
	first.Start(t)
	first.Await(t)
	if got := first.mode(); got != "follower" {
		t.Errorf("the old leader came back as %q", got)
	}
}
