package netcore

import (
	"context"
	"strings"
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func TestWelcomeSaysWhatIsGranted(t *testing.T) {
	b := newFakeBackend()
	b.store(1, "a", "b", "c")
	b.change(1, func(box *fakeInbox) { box.acked = 1 })
	s := start(t, b, func(c *Config) { c.SendCredit, c.MaxFrame, c.Instance = 7, 4000, "here" })
	before := time.Now().UnixMilli()
	c, f := joinAs(t, s, 1, &cimpb.Hello{
		Version: 1, Device: "phone", Token: "secret", HeartbeatMs: 20_000,
		Cursors: []*cimpb.Cursor{{Group: 5, LogEpoch: 3, Seq: 3}, {LogEpoch: 1, Seq: 1}},
	})
	w := f.GetWelcome()
	if w.GetServerTimeMs() < before || w.GetServerTimeMs() > time.Now().UnixMilli() {
		t.Errorf("the server's time is %d", w.GetServerTimeMs())
	}
	w.ServerTimeMs = 0
	want := &cimpb.Welcome{
		SessionEpoch: 1, HeartbeatMs: 20_000, IdleTimeoutMs: 50_000, SendCredit: 7, MaxFrameBytes: 4000,
		Inbox: &cimpb.Cursor{LogEpoch: 1, Seq: 3}, Acked: 1, Instance: "here",
	}
	if w.String() != want.String() || f.GetUserId() != 1 {
		t.Errorf("user %d was told\n%v, want\n%v", f.GetUserId(), w, want)
	}
	asked := receive(t, b.claimedCh, "the claim")
	if asked.Remote != c.conn.LocalAddr().String() {
		t.Errorf("the client's address is said to be %s", asked.Remote)
	}
	asked.Remote = ""
	if asked != (Claim{User: 1, Hello: true, Token: "secret", Device: "phone", Cursor: Cursor{1, 1}}) {
		t.Errorf("claimed %+v", asked)
	}
}

func TestHeartbeatsAreGrantedWithinLimits(t *testing.T) {
	s := prepare(t, newFakeBackend())
	for _, c := range []struct {
		name            string
		wanted, granted time.Duration
	}{
		{"the server's choice", 0, 36 * time.Second},
		{"too often", time.Second, 10 * time.Second},
		{"as wanted", 11 * time.Second, 11 * time.Second},
		{"too seldom", 2 * time.Hour, time.Hour},
	} {
		if got := s.cfg.heartbeat(c.wanted); got != c.granted {
			t.Errorf("%s: granted %s, want %s", c.name, got, c.granted)
		}
	}
}

func TestRefusedClaim(t *testing.T) {
	b := newFakeBackend()
	b.onClaim = func(context.Context, Claim) ClaimResult {
		return ClaimResult{Code: cimpb.CodeStoreDown, RetryAfterMs: 1234}
	}
	s := start(t, b)
	c := dial(t, s)
	c.send(plainHello(1), frame.Ping)
	if f := c.expectEnd(cimpb.Command_ERROR, cimpb.CodeStoreDown); f.GetStatus().GetRetryAfterMs() != 1234 {
		t.Errorf("told %v", f.GetStatus())
	}
	expectReason(t, s, reasonRefused, 1)
	if s.Holds(1, 1) || s.Sessions() != 0 {
		t.Error("the server holds a session that was refused")
	}
	nothing(t, b.releasedCh, "a session was released")
}

// held makes claims wait: each is told on askedCh and answered when a value comes on goCh.
func held(b *fakeBackend) (askedCh chan Claim, goCh chan struct{}) {
	askedCh, goCh = make(chan Claim, fakeRoom), make(chan struct{}, fakeRoom)
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		askedCh <- c
		<-goCh
		return b.grant(c)
	}
	return askedCh, goCh
}

func TestClaimAnsweredAfterTheSocketIsGoneIsReleased(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b)
	c := dial(t, s)
	c.send(plainHello(5))
	receive(t, askedCh, "the claim")
	if s.Holds(5, 77) {
		t.Error("a login that waits for its claim proves somebody's session")
	}
	c.conn.Close()
	eventually(t, "the server sees the close", func() bool { return s.Conns() == 0 })
	goCh <- struct{}{}
	if ref := receive(t, b.releasedCh, "the release"); ref != (SessionRef{5, 1}) {
		t.Errorf("released %+v", ref)
	}
	if s.Holds(5, 1) {
		t.Error("the session is still held")
	}
}

func TestFramesBehindLoginAreHandledAfterWelcome(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b)
	c := dial(t, s)
	c.send(plainHello(1), frame.Ping, sendFrame(2, 3, "early"))
	receive(t, askedCh, "the claim")
	if n := s.Stats().FramesIn; n != 1 {
		t.Errorf("%d frames were handled before the claim was answered", n)
	}
	goCh <- struct{}{}
	c.expect(cimpb.Command_WELCOME)
	c.expect(cimpb.Command_PING)
	if f := c.expect(cimpb.Command_SENT); f.GetClientMsgId() != 3 {
		t.Errorf("answered %v", f)
	}
}

func TestTooMuchBehindLogin(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b, func(c *Config) { c.MaxFrame = 200 })
	c := dial(t, s)
	c.send(plainHello(1))
	receive(t, askedCh, "the claim")
	c.send([]byte(strings.Repeat("x", 206)))
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeBadLogin)
	expectReason(t, s, reasonBadLogin, 1)
	goCh <- struct{}{}
	receive(t, b.releasedCh, "the release of what was claimed in vain")
}

// shorten limits the queues of a lane.
func shorten[T any](l *lane[T], limit int) {
	for _, w := range l.workers {
		w.mu.Lock()
		w.limit = limit
		w.mu.Unlock()
	}
}

func TestClaimLaneFull(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b)
	shorten(s.claims, 1)
	blocked, waiting := dial(t, s), dial(t, s)
	blocked.send(plainHello(1))
	receive(t, askedCh, "the claim that keeps the worker")
	waiting.send(plainHello(1))
	eventually(t, "the second LOGIN waits", func() bool { return s.Stats().FramesIn == 2 })
	late := dial(t, s)
	late.send(plainHello(1))
	if f := late.expectEnd(cimpb.Command_ERROR, cimpb.CodeBusy); f.GetStatus().GetRetryAfterMs() == 0 {
		t.Error("the client is not told when to come back")
	}
	expectReason(t, s, reasonBusy, 1)
	goCh <- struct{}{}
	goCh <- struct{}{}
	eventually(t, "one session of the user is left", func() bool { return s.Conns() == 1 && s.Sessions() == 1 })
}

func TestNewerSessionReplaces(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	older := join(t, s, 1)
	newer := join(t, s, 1)
	if f := older.expectEnd(cimpb.Command_KICK, cimpb.CodeReplaced); f.GetSeq() != 1 {
		t.Errorf("the KICK names epoch %d, want 1", f.GetSeq())
	}
	expectReason(t, s, reasonReplaced, 1)
	newer.sync()
	if !s.Holds(1, 2) || s.Holds(1, 1) || s.Sessions() != 1 {
		t.Error("the server does not hold exactly the newer session")
	}
	nothing(t, b.releasedCh, "the replaced session was released")
	newer.conn.Close()
	if ref := receive(t, b.releasedCh, "the release"); ref != (SessionRef{1, 2}) {
		t.Errorf("released %+v", ref)
	}
}

func TestOlderEpochDoesNotReplace(t *testing.T) {
	b := newFakeBackend()
	epochs := []uint64{10, 5, 10}
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		r := b.grant(c)
		r.Epoch, epochs = epochs[0], epochs[1:]
		return r
	}
	s := start(t, b)
	first := join(t, s, 1)
	for n := range uint64(2) {
		late := dial(t, s)
		late.send(plainHello(1))
		late.expectEnd(cimpb.Command_ERROR, cimpb.CodeReplaced)
		expectReason(t, s, reasonReplaced, n+1)
	}
	first.sync()
	nothing(t, b.releasedCh, "a session was released")
	eventually(t, "nobody waits for a claim", func() bool { return s.pending.Load() == 0 })
}

func TestReplacedOnAnotherLoop(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.Loops = 4 })
	older := join(t, s, 1)
	for range 20 { // by then, some will have met another loop
		newer := join(t, s, 1)
		older.expectEnd(cimpb.Command_KICK, cimpb.CodeReplaced)
		older = newer
	}
	older.sync()
	eventually(t, "one session is left", func() bool { return s.Conns() == 1 && s.Sessions() == 1 })
}

func TestKick(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	for _, c := range []struct {
		why    KickReason
		code   cimpb.Code
		reason Reason
	}{{KickReplaced, cimpb.CodeReplaced, reasonReplaced}, {KickLoggedOut, cimpb.CodeLoggedOut, reasonLoggedOut}} {
		peer, f := joinAs(t, s, 1, &cimpb.Hello{Version: 1, Device: "phone"})
		epoch := f.GetWelcome().GetSessionEpoch()
		if s.Kick(1, epoch+1, c.why) || s.Kick(2, epoch, c.why) {
			t.Error("a session that is not here was kicked")
		}
		if !s.Kick(1, epoch, c.why) {
			t.Error("the session was not found")
		}
		if f := peer.expectEnd(cimpb.Command_KICK, c.code); f.GetSeq() != epoch {
			t.Errorf("the KICK names epoch %d, want %d", f.GetSeq(), epoch)
		}
		eventually(t, "it is counted", func() bool { return closedFor(s, c.reason) == 1 })
	}
	nothing(t, b.releasedCh, "a kicked session was released")
}

func TestProbesAndClientsThatLeaveAreToldApart(t *testing.T) {
	s := start(t, newFakeBackend())
	dial(t, s).conn.Close()
	expectReason(t, s, reasonProbe, 1)
	join(t, s, 1).conn.Close()
	eventually(t, "the second close", func() bool { return closedFor(s, reasonClient) == 1 })
	if n := closedFor(s, reasonProbe); n != 1 {
		t.Errorf("%d probes are counted", n)
	}
}

// A Backend that answers too few must not leave a client waiting, nor a user half logged in.
func TestBackendThatAnswersTooFew(t *testing.T) {
	s := start(t, silentBackend{newFakeBackend()})
	c := dial(t, s)
	c.send(plainHello(1))
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeStoreDown)
	if s.Holds(1, 1) {
		t.Error("the user counts as here")
	}
}

// silentBackend answers no claim.
type silentBackend struct{ *fakeBackend }

func (silentBackend) Claim(context.Context, []Claim) []ClaimResult { return nil }

// A kick during the claim ends the session before it opens: it would be connected, and in no directory.
func TestKickDuringTheClaim(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b)
	c := dial(t, s)
	c.send(plainHello(5))
	receive(t, askedCh, "the claim")
	if !s.Kick(5, 1, KickLoggedOut) { // the epoch that the Backend will give
		t.Error("a kick found nobody")
	}
	goCh <- struct{}{}
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeLoggedOut)
	if users, _ := s.Online(0, 10); len(users) != 0 {
		t.Errorf("online: %v", users)
	}
	c = dial(t, s) // and the next login is not touched by it
	c.send(plainHello(5))
	goCh <- struct{}{}
	c.expect(cimpb.Command_WELCOME)
}

// A granted session counts as held before its loop has it; nothing else that a login says does.
func TestClaimIsHeldOnceGranted(t *testing.T) {
	h := newHub()
	h.beginClaim(5)
	h.answered(5, 7)
	if !h.holds(5, 7) || h.holds(5, 6) {
		t.Error("the granted session, and it alone, has to be proved")
	}
}

// Of two logins of one user the later one has the higher epoch, so one call of the Backend holds one of them.
func TestRunOfWork(t *testing.T) {
	claim := func(user int64) sessionWork { return sessionWork{claim: &claimWork{Claim: Claim{User: user}}} }
	release := func(user int64) sessionWork { return sessionWork{release: SessionRef{User: user}} }
	for name, tc := range map[string]struct {
		batch []sessionWork
		want  int
	}{
		"users differ":         {[]sessionWork{claim(1), claim(2), claim(3)}, 3},
		"a user again":         {[]sessionWork{claim(1), claim(2), claim(1)}, 2},
		"a release in between": {[]sessionWork{claim(1), release(2), claim(3)}, 1},
		"releases of one user": {[]sessionWork{release(1), release(1), claim(1)}, 2},
	} {
		if got := runOfWork(tc.batch); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
