package netcore

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func allowCIM(c *Config) { c.AllowCIM = true }

// bareLogin is CIM's LOGIN.
func bareLogin(user int64) []byte { return encode(&cimpb.Frame{UserId: user, Text: "zs"}) }

// cimPing is CIM's PING: the id in it may be anybody's.
func cimPing() []byte {
	return encode(&cimpb.Frame{Cmd: cimpb.Command_PING, UserId: 99, Text: "ping"})
}

// joinCIM logs in as CIM does; the PONG shows that the session is open.
func joinCIM(t testing.TB, s *Server, user int64) *client {
	t.Helper()
	c := dial(t, s)
	c.send(bareLogin(user), cimPing())
	c.expectPong()
	return c
}

func (c *client) expectPong() {
	c.t.Helper()
	if f := c.expect(cimpb.Command_PING); !bytes.Equal(encode(f), frame.CIMPong) {
		c.t.Errorf("got %v, want CIM's PONG", f)
	}
}

func expectProperties(t testing.TB, f *cimpb.Frame, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if f.GetProperties()[key] != value {
			t.Errorf("%s is %q, want %q", key, f.GetProperties()[key], value)
		}
	}
	if len(f.GetProperties()) != len(want) {
		t.Errorf("properties %v", f.GetProperties())
	}
}

func TestCIMLoginIsNotAnswered(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	c := joinCIM(t, s, 5) // the first frame that it reads is the PONG
	if got := receive(t, b.claimedCh, "the claim"); got.User != 5 || got.Name != "zs" || got.Hello || got.Reserved != 0 {
		t.Errorf("claimed %+v", got)
	}
	c.send(sendFrame(2, 1, "not for CIM"), encode(&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, Text: "x"}), cimPing())
	c.expectPong()
	if n := s.Stats().Dropped["unknown_frame"]; n != 2 {
		t.Errorf("%d frames are counted as unknown", n)
	}
	c.send(raw())
	c.expectClosed() // nothing is said: it would be shown as a chat message
}

func TestCIMMessages(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	c := joinCIM(t, s, 5)
	names := map[string]string{"sendUserId": "9", "sendUserName": "user-9", "receiveUserId": "5"}
	batch := encodeFrameBody(&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, From: 9, FromName: "user-9", Batch: []string{"a", "b"}})
	cases := []struct {
		name  string
		body  []byte
		text  string
		batch []string
		props map[string]string
	}{
		{"text", body("hi"), "hi", nil, names},
		{"batch", batch, "", []string{"a", "b"}, names},
		{"payload of text", frame.AppendBody(nil, &frame.Body{Payload: []byte("hi")}), "hi", nil, map[string]string{"receiveUserId": "5"}},
		{"payload", frame.AppendBody(nil, &frame.Body{Payload: []byte{0xff, 0}}), "/wA=", nil, map[string]string{"receiveUserId": "5"}},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			push(t, s, Push{User: 5, Body: m.body})
			f := c.expect(cimpb.Command_MESSAGE)
			if f.GetText() != m.text || !slices.Equal(f.GetBatch(), m.batch) || f.GetUserId() != 5 {
				t.Errorf("got %v", f)
			}
			expectProperties(t, f, m.props)
		})
	}
}

// encodeFrameBody is a body by generated code.
func encodeFrameBody(f *cimpb.Frame) []byte {
	payload, _, err := frame.Next(encode(f), defaultMaxFrame)
	if err != nil {
		panic(err)
	}
	return payload
}

func TestCIMInboxComesInBatches(t *testing.T) {
	b := newFakeBackend()
	long := strings.Repeat("x", cimBatchBytes/2)
	b.store(5, "a1", "a2")
	b.change(5, func(box *fakeInbox) {
		box.bodies = append(box.bodies, bodyFrom(8, "b1"), body("a3"), body(long), body(long), body("end"))
	})
	s := start(t, b, allowCIM)
	c := dial(t, s)
	c.send(bareLogin(5))
	for _, want := range []struct {
		from  string
		texts []string
	}{{"9", []string{"a1", "a2"}}, {"8", []string{"b1"}}, {"9", []string{"a3", long}}, {"9", []string{long, "end"}}} {
		f := c.expect(cimpb.Command_OFFLINE)
		if !slices.Equal(f.GetBatch(), want.texts) || f.GetUserId() != 5 {
			t.Errorf("got %d texts from %s, want %d", len(f.GetBatch()), f.GetProperties()["sendUserId"], len(want.texts))
		}
		expectProperties(t, f, map[string]string{"sendUserId": want.from, "sendUserName": "user-" + want.from, "receiveUserId": "5"})
	}
	at := b.store(5, "live")
	push(t, s, Push{User: 5, Cursor: at, Body: body("live")})
	c.expectTexts("live")
}

func TestCIMSessionIsNotToldOfAChangedLog(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	c := joinCIM(t, s, 5)
	give(t, s, b, 5, "a")
	c.expectTexts("a")
	b.change(5, func(box *fakeInbox) { box.epoch = 2 })
	s.CatchUp(5)
	if f := c.expect(cimpb.Command_OFFLINE); !slices.Equal(f.GetBatch(), []string{"a"}) {
		t.Errorf("got %v", f)
	}
}

func TestCIMPingAcknowledgesWhatHasArrived(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	c := joinCIM(t, s, 5)
	nothing(t, b.ackedCh, "acknowledged before anything was sent")
	give(t, s, b, 5, "a", "b")
	c.expectTexts("a", "b")
	var got Ack
	eventually(t, "the kernel has its acknowledgement, and a PING makes it ours", func() bool {
		c.send(cimPing())
		c.expectPong()
		select {
		case got = <-b.ackedCh:
			return true
		default:
			return false
		}
	})
	if got != (Ack{5, Cursor{1, 2}}) {
		t.Errorf("acknowledged %+v", got)
	}
	c.send(cimPing())
	c.expectPong()
	nothing(t, b.ackedCh, "acknowledged again")
}

func TestCIMPingThatFindsSomethingUnsentDoesNotAcknowledge(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b, allowCIM)
	c := r.join(bareLogin(5))
	at := b.store(5, "a")
	(&pushTask{Push: Push{User: 5, Cursor: at, Body: body("a")}, slot: c.session().slot}).run(r.loop)
	r.feed(c, cimPing()) // with the message not yet written
	c.stuck = 1
	r.feed(c, cimPing()) // with a byte in gnet's hands
	c.stuck = 0
	r.feed(c, cimPing()) // with a kernel that does not tell: a stub has no socket
	if n := r.counters.acks.Load(); n != 0 || r.counters.pings.Load() != 3 {
		t.Errorf("acknowledged %d times at %d PINGs", n, r.counters.pings.Load())
	}
}

func TestReservationIsFulfilled(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	if err := s.Reserve(5, false, 70); err != nil {
		t.Fatal(err)
	}
	if users, _ := s.Online(0, 10); !s.Holds(5, 70) || !slices.Equal(users, []int64{5}) {
		t.Error("the reserved user does not count as here")
	}
	for _, m := range []Broadcast{{Body: body("one")}, {Body: body("own"), Except: 5}, {Body: body("two"), PeopleOnly: true}} {
		if _, err := s.Broadcast(m); err != nil {
			t.Fatal(err)
		}
	}
	at := b.store(5, "stored")
	if got := push(t, s, Push{User: 5, Cursor: at, Body: body("stored")}); got != PushWritten {
		t.Errorf("a stored push to a reserved user was answered %d", got)
	}
	c := dial(t, s)
	c.send(bareLogin(5))
	if f := c.expect(cimpb.Command_OFFLINE); !slices.Equal(f.GetBatch(), []string{"stored"}) {
		t.Errorf("what was stored comes first, got %v", f)
	}
	c.expectTexts("one", "two")
	if got := receive(t, b.claimedCh, "the claim"); got.Reserved != 70 || !s.Holds(5, 70) {
		t.Errorf("claimed %+v", got)
	}
}

func TestReservationKeepsOnlySoMuch(t *testing.T) {
	s := start(t, newFakeBackend(), allowCIM)
	_ = s.Reserve(5, true, 1)
	if n, _ := s.Broadcast(Broadcast{Body: body("x"), PeopleOnly: true}); n != 0 {
		t.Errorf("a reserved device counts as %d people", n)
	}
	for n := range reservationFrames + 2 {
		want := 1
		if n >= reservationFrames {
			want = 0
		}
		if got, _ := s.Broadcast(Broadcast{Body: body("x")}); got != want {
			t.Fatalf("message %d was kept by %d", n, got)
		}
	}
	if n := s.Stats().Dropped["reserved_full"]; n != 2 {
		t.Errorf("%d drops are counted", n)
	}
}

// Who makes others log in and never connect must not fill the memory with large messages to them.
func TestReservationKeepsOnlySoManyBytes(t *testing.T) {
	r := &reservation{}
	large := make([]byte, reservationBytes/4)
	for n := range 6 {
		if got, want := r.keep(large), n < 4; got != want {
			t.Errorf("message %d: kept %v, want %v", n, got, want)
		}
	}
	if r.keep([]byte("x")) {
		t.Error("a small one was kept beyond the limit")
	}
}

func TestReservationThatCannotBeFulfilledIsReleased(t *testing.T) {
	b := newFakeBackend()
	b.onClaim = func(context.Context, Claim) ClaimResult { return ClaimResult{Code: cimpb.CodeUnknownAccount} }
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	c := dial(t, s)
	c.send(bareLogin(5))
	c.expectClosed()
	if ref := receive(t, b.releasedCh, "the release"); ref != (SessionRef{5, 70}) || s.Holds(5, 70) {
		t.Errorf("released %+v", ref)
	}
}

func TestReservationsExpire(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	_ = s.Reserve(6, false, 71)
	if over := s.hub.expire(time.Now()); len(over) != 0 {
		t.Fatalf("expired at once: %v", over)
	}
	sh := s.hub.shard(5)
	sh.mu.Lock()
	sh.reserved[5].expires = time.Now().Add(-time.Second)
	sh.mu.Unlock()
	if ref := receive(t, b.releasedCh, "the release by the server's clock"); ref != (SessionRef{5, 70}) {
		t.Errorf("released %+v", ref)
	}
	if s.Holds(5, 70) || !s.Holds(6, 71) {
		t.Error("not exactly the one that was over has gone")
	}
}

func TestReservationIsCancelledByKick(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	if s.Kick(5, 69, KickLoggedOut) || !s.Kick(5, 70, KickLoggedOut) || s.Holds(5, 70) {
		t.Error("not exactly that reservation was ended")
	}
	nothing(t, b.releasedCh, "whoever kicks deals with the Directory")
}

// A goodbye that overtakes a LOGIN under way ends what that came for: the claim must not open a session afterwards. The next
// login of the user is not touched by it.
func TestGoodbyeDuringTheClaimOfAReservation(t *testing.T) {
	b := newFakeBackend()
	goCh := make(chan struct{})
	b.onClaim = func(ctx context.Context, c Claim) ClaimResult {
		select {
		case <-goCh:
		case <-ctx.Done():
		}
		return ClaimResult{User: c.User, Epoch: c.Reserved + 1}
	}
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	c := dial(t, s)
	c.send(bareLogin(5))
	if asked := receive(t, b.claimedCh, "the claim"); asked.Reserved != 70 {
		t.Fatalf("claimed %+v", asked)
	}
	if s.Kick(5, 70, KickLoggedOut); s.Holds(5, 70) {
		t.Error("the reservation is held after the goodbye")
	}
	_ = s.Reserve(5, false, 80)
	next := dial(t, s)
	next.send(bareLogin(5))
	eventually(t, "both logins are under way", func() bool { return s.Stats().FramesIn == 2 })
	goCh <- struct{}{}
	c.expectClosed()
	expectReason(t, s, reasonLoggedOut, 1)
	goCh <- struct{}{}
	if ref := receive(t, b.releasedCh, "the release of what was granted"); ref != (SessionRef{5, 71}) {
		t.Errorf("released %+v", ref)
	}
	eventually(t, "the next login has its session", func() bool { return s.Holds(5, 81) && s.Sessions() == 1 })
}

// The same when the claim has been answered, and its loop has not heard of it yet.
func TestGoodbyeBetweenTheAnswerAndTheSession(t *testing.T) {
	b := newFakeBackend()
	b.onClaim = func(_ context.Context, c Claim) ClaimResult { return ClaimResult{User: c.User, Epoch: c.Reserved + 1} }
	r := newRig(t, b, allowCIM)
	r.join(plainHello(1)) // the first connection wakes the loop by itself
	_ = r.srv.Reserve(5, false, 70)
	c := r.open()
	r.feed(c, bareLogin(5))
	receive(t, r.events.woken, "the claim's answer at the door")
	if !r.srv.Kick(5, 70, KickDisabled) {
		t.Error("the goodbye found nobody")
	}
	r.round()
	if ref := receive(t, b.releasedCh, "the release of what was granted"); ref != (SessionRef{5, 71}) || !c.closed {
		t.Errorf("released %+v; closed: %v", ref, c.closed)
	}
	if n := closedFor(r.srv, reasonDisabled); n != 1 {
		t.Errorf("closed as disabled: %d", n)
	}
}

// A goodbye to a reservation says nothing about a session with hello that is claimed meanwhile: it came for itself.
func TestGoodbyeToAReservationSparesAClaimOfHello(t *testing.T) {
	b := newFakeBackend()
	b.epoch.Store(70)
	askedCh, goCh := held(b)
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	c := dial(t, s)
	c.send(plainHello(5))
	if asked := receive(t, askedCh, "the claim"); asked.Reserved != 0 {
		t.Fatalf("claimed %+v", asked)
	}
	if !s.Kick(5, 70, KickLoggedOut) {
		t.Error("the goodbye found nobody")
	}
	goCh <- struct{}{}
	if f := c.expect(cimpb.Command_WELCOME); f.GetWelcome().GetSessionEpoch() != 71 {
		t.Errorf("answered %v", f)
	}
	nothing(t, b.releasedCh, "the session was released")
}

// A goodbye may come while the session still reads what waited in the inbox, and so has its reservation as well.
func TestKickWhileTheInboxIsReadLeavesNobodyOnline(t *testing.T) {
	b := newFakeBackend()
	b.store(5, "stored")
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		return ClaimResult{User: c.User, Epoch: c.Reserved + 1, Inbox: b.inbox(c.User)}
	}
	readingCh := make(chan struct{}, fakeRoom)
	b.onBacklog = func(ctx context.Context, _ int64, _ Cursor) (Backlog, error) {
		readingCh <- struct{}{}
		<-ctx.Done()
		return Backlog{}, ctx.Err()
	}
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	c := dial(t, s)
	c.send(bareLogin(5))
	receive(t, readingCh, "the reading of the inbox")
	at, live := s.hub.find(5)
	if !live || !s.Holds(5, 70) {
		t.Fatalf("session %+v, open %v, its reservation held: %v", at, live, s.Holds(5, 70))
	}
	if !s.Kick(5, at.epoch, KickLoggedOut) {
		t.Error("the session was not found")
	}
	if users, _ := s.Online(0, 10); len(users) != 0 || s.Holds(5, 70) || s.Holds(5, at.epoch) {
		t.Errorf("after the goodbye %v are online", users)
	}
	c.expectClosed()
}

func TestReserveRefuses(t *testing.T) {
	s := start(t, newFakeBackend(), allowCIM, func(c *Config) { c.MaxConns = 1 })
	join(t, s, 1)
	if err := s.Reserve(5, false, 70); !errors.Is(err, ErrFull) {
		t.Errorf("a full table: %v", err)
	}
	_ = s.Stop(t.Context())
	if err := s.Reserve(5, false, 70); !errors.Is(err, ErrStopping) {
		t.Errorf("a server that stops: %v", err)
	}
}

// What is sent to everyone while the claim of a reserved user's LOGIN is under way is kept as well.
func TestReservationKeepsUntilTheSessionIsOpen(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b, allowCIM)
	_ = s.Reserve(5, false, 70)
	c := dial(t, s)
	c.send(bareLogin(5))
	receive(t, askedCh, "the claim")
	if n, err := s.Broadcast(Broadcast{Body: body("meanwhile")}); n != 1 || err != nil {
		t.Errorf("kept by %d, %v", n, err)
	}
	goCh <- struct{}{}
	c.expectTexts("meanwhile")
}

// A message to everyone that comes between the answer to a claim and its session is heard once, although both
// the reservation and the walk could bring it.
func TestReservedUserHearsOnce(t *testing.T) {
	r := newRig(t, newFakeBackend(), allowCIM)
	r.join(plainHello(1)) // somebody for the walk
	if err := r.srv.Reserve(2, false, 1); err != nil {
		t.Fatal(err)
	}
	c := r.open()
	r.feed(c, bareLogin(2))
	receive(t, r.events.woken, "the claim's answer at the door")
	if _, err := r.srv.Broadcast(everyone("once")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.round()
	}
	if got := c.texts(t); !slices.Equal(got, []string{"once"}) {
		t.Errorf("heard %q", got)
	}
}

// What is pushed and not stored waits for a reserved user, too.
func TestPushToAReservedUser(t *testing.T) {
	s := start(t, newFakeBackend(), allowCIM)
	_ = s.Reserve(5, false, 70)
	for n := range reservationFrames + 1 {
		want := PushWritten
		if n == reservationFrames {
			want = PushSlow
		}
		if got := push(t, s, Push{User: 5, Body: body("x")}); got != want {
			t.Fatalf("push %d was answered %d", n, got)
		}
	}
	c := dial(t, s)
	c.send(bareLogin(5))
	c.expectTexts(slices.Repeat([]string{"x"}, reservationFrames)...)
}
