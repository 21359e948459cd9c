package netcore

import (
	"context"
	"errors"
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// drain starts Drain and returns where its answer comes.
func drain(t *testing.T, s *Server, over time.Duration) (<-chan error, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	doneCh := make(chan error, 1)
	go func() { doneCh <- s.Drain(ctx, over) }()
	eventually(t, "the draining", s.Leaving)
	return doneCh, cancel
}

func TestDrainMovesAndWaits(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 5)
	at, _ := s.hub.find(5)
	doneCh, _ := drain(t, s, 0)
	move := c.expect(cimpb.Command_MOVE)
	if st := move.GetStatus(); cimpb.Code(st.GetCode()) != cimpb.CodeMoved || st.GetRetryAfterMs() != moveWithinMs ||
		st.GetComeback() != cimpb.Comeback_ELSEWHERE || move.GetSeq() != at.epoch {
		t.Errorf("told %v", move)
	}
	// Until the client has a new home, everything goes on.
	if !s.Holds(5, at.epoch) {
		t.Error("the session cannot be proved any more")
	}
	if got := push(t, s, Push{User: 5, Body: body("still here")}); got != PushWritten {
		t.Errorf("a push is answered %v", got)
	}
	c.expectTexts("still here")
	c.send(sendFrame(6, 1, "still sending"))
	c.expect(cimpb.Command_SENT)
	nothing(t, doneCh, "drained with a session left")
	if !s.Kick(5, at.epoch, KickReplaced) {
		t.Error("the session was not found to be replaced")
	}
	c.expectEnd(cimpb.Command_KICK, cimpb.CodeReplaced)
	if err := receive(t, doneCh, "the end of the draining"); err != nil {
		t.Error(err)
	}
	if n := s.Stats().Moved; n != 1 {
		t.Errorf("%d sessions were moved", n)
	}
}

func TestDrainRefusesNewcomers(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.AllowCIM = true })
	join(t, s, 5)
	if err := s.Reserve(8, false, 77); err != nil {
		t.Fatal(err)
	}
	receive(t, b.claimedCh, "the claim of 5")
	doneCh, _ := drain(t, s, time.Hour)
	c := dial(t, s)
	c.send(plainHello(6))
	if f := c.expectEnd(cimpb.Command_ERROR, cimpb.CodeMoved); f.GetStatus().GetComeback() != cimpb.Comeback_ELSEWHERE {
		t.Errorf("told %v", f)
	}
	cim := dial(t, s)
	cim.send(encode(&cimpb.Frame{Cmd: cimpb.Command_LOGIN, UserId: 8}))
	cim.expectClosed()
	if ref := receive(t, b.releasedCh, "the reservation's release"); ref != (SessionRef{8, 77}) {
		t.Errorf("released %+v", ref)
	}
	nothing(t, b.claimedCh, "claimed while draining")
	if _, err := s.Expect(time.Minute); !errors.Is(err, ErrStopping) {
		t.Errorf("Expect: %v", err)
	}
	if err := s.Reserve(9, false, 1); !errors.Is(err, ErrStopping) {
		t.Errorf("Reserve: %v", err)
	}
	if err := s.Drain(t.Context(), 0); !errors.Is(err, ErrStopping) {
		t.Errorf("a second Drain: %v", err)
	}
	expectReason(t, s, reasonMoved, 2)
	nothing(t, doneCh, "drained before its time")
}

// CIM's clients know no MOVE: their connection is closed, and what was not acknowledged stays in the inbox.
func TestDrainClosesCIM(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.AllowCIM = true })
	c := dial(t, s)
	c.send(encode(&cimpb.Frame{Cmd: cimpb.Command_LOGIN, UserId: 5}))
	eventually(t, "the login", func() bool { return s.Sessions() == 1 })
	doneCh, _ := drain(t, s, 0)
	c.expectClosed()
	if err := receive(t, doneCh, "the end of the draining"); err != nil {
		t.Error(err)
	}
	receive(t, b.releasedCh, "the release")
	expectReason(t, s, reasonMoved, 1)
}

func TestDrainEndsWithItsContext(t *testing.T) {
	s := start(t, newFakeBackend())
	c := join(t, s, 5)
	doneCh, cancel := drain(t, s, 0)
	c.expect(cimpb.Command_MOVE)
	cancel()
	if err := receive(t, doneCh, "the end of the draining"); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeMoved)
}

func TestDrainOfAServerThatStops(t *testing.T) {
	s := start(t, newFakeBackend())
	join(t, s, 5)
	doneCh, _ := drain(t, s, time.Hour)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, doneCh, "the end of the draining"); err != nil && !errors.Is(err, ErrStopping) {
		t.Errorf("ended with %v", err)
	}
	if err := prepare(t, newFakeBackend()).Drain(t.Context(), 0); !errors.Is(err, ErrStopping) {
		t.Errorf("a server that never started: %v", err)
	}
}

// A login that is under way when its turn comes by is moved when it opens.
func TestDrainMovesLateLogins(t *testing.T) {
	b := newFakeBackend()
	goCh := make(chan struct{})
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		<-goCh
		return b.grant(c)
	}
	r := newRig(t, b)
	c := r.open()
	r.feed(c, plainHello(5))
	r.srv.draining.Store(true)
	(&mover{}).runWith(r.loop, whole)
	r.round()
	close(goCh)
	r.until("the login", func() bool { return c.session().state == stateOpen })
	r.round()
	frames := c.frames(t)
	if len(frames) != 2 || frames[0].GetCmd() != cimpb.Command_WELCOME || frames[1].GetCmd() != cimpb.Command_MOVE {
		t.Errorf("told %v", frames)
	}
}

func (m *mover) runWith(l *loop, part int64) {
	m.part.Store(part)
	m.run(l)
}

// The pace is even, each session is told once, and no round does too much.
func TestDrainIsPaced(t *testing.T) {
	const users = 2*walkBudget + 100
	r := newRig(t, newFakeBackend())
	conns := make([]*stubConn, users)
	for i := range conns {
		conns[i] = r.join(plainHello(int64(i + 1)))
	}
	moved := func() (n int) {
		for _, c := range conns {
			if len(c.out) > 0 {
				n++
			}
		}
		return n
	}
	m := &mover{}
	m.runWith(r.loop, whole/4)
	r.round()
	if n := moved(); n != users/4 {
		t.Fatalf("%d of %d were told after a quarter of the time", n, users)
	}
	m.runWith(r.loop, whole)
	r.round()
	if n := moved(); n != users/4+walkBudget {
		t.Errorf("%d were told after one round more", n)
	}
	for range 3 {
		r.round()
	}
	for i, c := range conns {
		if f := c.frames(t); len(f) != 1 || f[0].GetCmd() != cimpb.Command_MOVE {
			t.Fatalf("session %d was told %v", i, f)
		}
		r.feed(c, frame.Ping)
		if f := c.frames(t); len(f) != 1 || f[0].GetCmd() != cimpb.Command_PING {
			t.Fatalf("session %d is told %v to a PING", i, f)
		}
	}
}

func TestPartOf(t *testing.T) {
	for name, tc := range map[string]struct {
		passed, over time.Duration
		want         int64
	}{
		"begin":       {0, time.Minute, 0},
		"half":        {30 * time.Second, time.Minute, whole / 2},
		"end":         {time.Minute, time.Minute, whole},
		"after":       {time.Hour, time.Minute, whole},
		"all at once": {0, 0, whole},
	} {
		t.Run(name, func(t *testing.T) {
			if got := partOf(tc.passed, tc.over); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
		})
	}
}
