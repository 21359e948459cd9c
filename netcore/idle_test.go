package netcore

import (
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// grants makes a rig whose hello sessions are granted the heartbeat that they want.
func grants(c *Config) { c.MinHeartbeat, c.MaxHeartbeat = stubTick, 1000*stubTick }

// beating is a LOGIN of a session that is closed after 100 silent ticks.
func beating(user int64) []byte {
	return hello(user, &cimpb.Hello{Version: 1, Device: "d", HeartbeatMs: uint32((40 * stubTick).Milliseconds())})
}

// expectTold checks what a stub was told last, and that it is closed.
func expectTold(t *testing.T, c *stubConn, code cimpb.Code, why Reason) {
	t.Helper()
	if !c.closed {
		t.Fatal("the connection is open")
	}
	if got := c.session().reason; got != why {
		t.Errorf("closed for %s, want %s", got, why)
	}
	f := c.frames(t)
	switch {
	case code == 0 && len(f) > 0:
		t.Errorf("told %v", f)
	case code != 0 && (len(f) != 1 || f[0].GetStatus().GetCode() != uint32(code)):
		t.Errorf("told %v, want %s", f, code)
	}
}

func TestSilentSessionIsClosedInTheTickAfterItsTimeout(t *testing.T) {
	r := newRig(t, newFakeBackend(), grants)
	c := r.join(beating(1))
	for range 100 {
		r.pass(stubTick)
	}
	if c.closed {
		t.Fatal("closed before its time")
	}
	r.pass(stubTick)
	expectTold(t, c, cimpb.CodeIdleTimeout, reasonIdle)
	if n := r.counters.closed[reasonIdle].Load(); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestHeartbeatKeepsASession(t *testing.T) {
	r := newRig(t, newFakeBackend(), grants)
	c := r.join(beating(1))
	for range 12 { // 480 ticks
		r.pass(40 * stubTick)
		r.feed(c, frame.Ping)
	}
	if c.closed {
		t.Fatal("closed in spite of its heartbeat")
	}
	r.pass(99 * stubTick)
	if c.closed {
		t.Fatal("closed before its time, counted from the last heartbeat")
	}
	r.pass(2 * stubTick)
	expectPings(t, c, 12, cimpb.CodeIdleTimeout)
}

// expectPings checks PONGs and the code of the ERROR after them.
func expectPings(t *testing.T, c *stubConn, pongs int, code cimpb.Code) {
	t.Helper()
	f := c.frames(t)
	if len(f) != pongs+1 || f[pongs].GetStatus().GetCode() != uint32(code) {
		t.Errorf("told %v, want %d PONGs and %s", f, pongs, code)
	}
}

func TestLongHoldUpOfTheClockClosesOnlyTheSilent(t *testing.T) {
	r := newRig(t, newFakeBackend(), grants)
	silent, heard := r.join(beating(1)), r.join(beating(2))
	r.srv.started = r.srv.started.Add(-5000 * stubTick) // more than a turn of the wheel without a tick
	r.feed(heard, frame.Ping)
	r.pass(0)
	if heard.closed {
		t.Error("a session is closed that was heard of in the meantime")
	}
	expectTold(t, silent, cimpb.CodeIdleTimeout, reasonIdle)
}

func TestDribblerIsClosed(t *testing.T) {
	r := newRig(t, newFakeBackend(), grants, func(c *Config) { c.FrameTimeout = 30 * stubTick })
	c := r.join(beating(1))
	long := sendFrame(2, 1, string(make([]byte, 90)))
	r.feed(c, long[:3])
	for i := range 30 {
		r.pass(stubTick)
		r.feed(c, long[3+i:4+i])
	}
	if c.closed {
		t.Fatal("closed before its time")
	}
	r.pass(stubTick)
	expectTold(t, c, cimpb.CodePartialFrame, reasonFrameTimeout)
}

func TestFrameTimeoutBeginsAnewWithEachFrame(t *testing.T) {
	r := newRig(t, newFakeBackend(), grants, func(c *Config) { c.FrameTimeout = 30 * stubTick })
	c := r.join(beating(1))
	r.feed(c, frame.Ping[:1])
	for range 10 {
		r.pass(20 * stubTick)
		r.feed(c, []byte{frame.Ping[1], frame.Ping[2], frame.Ping[0]})
	}
	if c.closed {
		t.Fatal("closed although each frame was complete in time")
	}
	r.pass(32 * stubTick)
	expectPings(t, c, 10, cimpb.CodePartialFrame)
}

func TestLoginTimeout(t *testing.T) {
	for _, first := range []struct {
		name  string
		bytes []byte
	}{{"nothing", nil}, {"half a LOGIN", plainHello(1)[:4]}} {
		t.Run(first.name, func(t *testing.T) {
			r := newRig(t, newFakeBackend(), func(c *Config) { c.LoginTimeout = 10 * stubTick })
			c := r.open()
			r.feed(c, first.bytes)
			r.pass(10 * stubTick)
			if c.closed {
				t.Fatal("closed before its time")
			}
			r.pass(stubTick)
			expectTold(t, c, 0, reasonLoginTimeout)
			if n := r.srv.pending.Load(); n != 0 {
				t.Errorf("%d connections are said to wait for their login", n)
			}
		})
	}
}

func TestClaimTimeout(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	r := newRig(t, b, func(c *Config) { c.LoginTimeout = 10 * stubTick })
	c := r.open()
	r.feed(c, plainHello(1))
	receive(t, askedCh, "the claim")
	r.pass(11 * stubTick)
	expectTold(t, c, cimpb.CodeStoreDown, reasonClaimTimeout)
	goCh <- struct{}{}
	r.until("the release", func() bool { return len(b.releasedCh) == 1 || r.srv.hub.endedAll() })
	receive(t, b.releasedCh, "the release")
}

// endedAll reports whether no claim is under way.
func (h *hub) endedAll() bool {
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		n := len(s.claiming)
		s.mu.Unlock()
		if n > 0 {
			return false
		}
	}
	return true
}

func TestLoginsAreHastyWhileHalfTheTableIsNotLoggedIn(t *testing.T) {
	r := newRig(t, newFakeBackend(), func(c *Config) { c.MaxConns, c.LoginTimeout = 10, 10*time.Second })
	for n := 1; n <= 10; n++ {
		want := 10 * time.Second
		if n > 5 {
			want = hastyLoginTimeout
		}
		if got := r.loginTimeout(); got != want {
			t.Errorf("connection %d has %s for its login, want %s", n, got, want)
		}
	}
}

// TestIdleSessionOnARealSocket has the real clock: the others move it by hand.
func TestIdleSessionOnARealSocket(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.MinHeartbeat, c.MaxHeartbeat = time.Millisecond, time.Hour })
	lively, _ := joinAs(t, s, 2, &cimpb.Hello{Version: 1, Device: "d", HeartbeatMs: 3_600_000})
	begin := time.Now()
	silent, f := joinAs(t, s, 1, &cimpb.Hello{Version: 1, Device: "d", HeartbeatMs: 40})
	if f.GetWelcome().GetIdleTimeoutMs() != 100 {
		t.Fatalf("granted %v", f.GetWelcome())
	}
	silent.expectEnd(cimpb.Command_ERROR, cimpb.CodeIdleTimeout)
	if after := time.Since(begin); after < 100*time.Millisecond {
		t.Errorf("closed after %s", after)
	}
	expectReason(t, s, reasonIdle, 1)
	lively.sync()
}

// TestLoginTimeoutOnARealSocket has the clock of the server wake a loop that has nothing else to do.
func TestLoginTimeoutOnARealSocket(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.LoginTimeout = 50 * time.Millisecond })
	begin := time.Now()
	dial(t, s).expectClosed()
	if after := time.Since(begin); after < 50*time.Millisecond {
		t.Errorf("closed after %s", after)
	}
	expectReason(t, s, reasonLoginTimeout, 1)
}
