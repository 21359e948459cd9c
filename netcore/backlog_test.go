package netcore

import (
	"context"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// behind logs a session in that has read nothing of its inbox, and lets it read.
func (r *rig) behind(b *fakeBackend) *stubConn {
	r.t.Helper()
	c := r.join(plainHello(1))
	r.read1(b, 1)
	return c
}

// read1 runs rounds until the Backend has answered n reads, one after the other, and the loop knows.
func (r *rig) read1(b *fakeBackend, n int64) {
	r.t.Helper()
	r.until("the inbox is read", func() bool { return b.reads.Load() >= n && !r.reading() })
}

// reading reports whether a session waits for its inbox.
func (r *rig) reading() bool {
	return slices.ContainsFunc(r.sessions, func(s *session) bool { return s != nil && s.reading })
}

func TestBacklogErrorIsTriedAgainAtTheNextTick(t *testing.T) {
	b := newFakeBackend()
	b.store(1, "a")
	fails := 2
	b.onBacklog = func(_ context.Context, user int64, after Cursor) (Backlog, error) {
		if fails--; fails >= 0 {
			return Backlog{}, errors.New("the store is away")
		}
		return b.page(user, after, 10), nil
	}
	r := newRig(t, b)
	c := r.behind(b)
	for tries := int64(1); tries <= 2; tries++ {
		r.round()
		r.round()
		if n := b.reads.Load(); n != tries || r.reading() {
			t.Fatalf("%d reads before tick %d", n, tries)
		}
		r.pass(stubTick)
		r.read1(b, tries+1)
	}
	if got := c.texts(t); !slices.Equal(got, []string{"a"}) || c.session().behind {
		t.Errorf("wrote %v, behind: %v", got, c.session().behind)
	}
}

func TestPageWithoutWhatIsNextIsNotAskedForAtOnce(t *testing.T) {
	for name, page := range map[string]Backlog{
		"nothing": {Inbox: Inbox{LogEpoch: 1, Last: 5}},
		"a gap":   {Inbox: Inbox{LogEpoch: 1, Last: 5}, Messages: []Stored{{3, body("c")}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBackend()
			b.store(1, numbers(1, 5)...)
			b.onBacklog = func(context.Context, int64, Cursor) (Backlog, error) { return page, nil }
			r := newRig(t, b)
			c := r.behind(b)
			r.round()
			if b.reads.Load() != 1 || r.reading() || len(c.out) > 0 || !c.session().behind {
				t.Errorf("%d reads, wrote %x", b.reads.Load(), c.out)
			}
			r.pass(stubTick)
			r.read1(b, 2)
		})
	}
}

func TestOtherLogEpochIsToldAndReadFromItsBeginning(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	give(t, s, b, 1, "a", "b", "c")
	c.expectTexts("a", "b", "c")
	b.change(1, func(box *fakeInbox) { box.epoch, box.bodies = 2, [][]byte{body("x"), body("y")} })
	push(t, s, Push{User: 1, Cursor: Cursor{2, 2}, Body: body("y")})
	if f := c.expect(cimpb.Command_SYNC); f.GetLogEpoch() != 2 || f.GetSeq() != 0 {
		t.Errorf("told %v", f)
	}
	for n := range uint64(2) {
		if f := c.expect(cimpb.Command_MESSAGE); f.GetLogEpoch() != 2 || f.GetSeq() != n+1 {
			t.Errorf("got %v", f)
		}
	}
	c.sync()
}

// TestLogThatGoesOnUnderAnotherEpoch: what was written of the log before is not written again as far as it is in the present
// one, and the client is told how far that is.
func TestLogThatGoesOnUnderAnotherEpoch(t *testing.T) {
	for _, tc := range []struct {
		name   string
		shared uint64
		seqs   []uint64 // written after
	}{
		{"nothing lost", 3, []uint64{4}},
		{"the end lost", 2, []uint64{3, 4}},
		{"everything lost", 0, []uint64{1, 2, 3, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFakeBackend()
			s := start(t, b)
			c := join(t, s, 1)
			give(t, s, b, 1, "a", "b", "c")
			c.expectTexts("a", "b", "c")
			b.change(1, func(box *fakeInbox) {
				box.epoch, box.earlier = 2, Cursor{1, tc.shared}
				box.bodies = append(box.bodies[:tc.shared], [][]byte{body("w"), body("x"), body("y"), body("z")}[tc.shared:]...)
			})
			push(t, s, Push{User: 1, Cursor: Cursor{2, 4}, Body: body("z")})
			f := c.expect(cimpb.Command_SYNC)
			if f.GetLogEpoch() != 2 || f.GetSeq() != 0 || f.GetFollows().GetLogEpoch() != 1 || f.GetFollows().GetSeq() != tc.shared {
				t.Errorf("told %v", f)
			}
			for _, seq := range tc.seqs {
				if f := c.expect(cimpb.Command_MESSAGE); f.GetLogEpoch() != 2 || f.GetSeq() != seq {
					t.Errorf("got %v, want %d", f, seq)
				}
			}
			c.sync()
		})
	}
}

func TestWelcomeSaysWhichLogGoesOn(t *testing.T) {
	b := newFakeBackend()
	for _, tc := range []struct {
		name   string
		shared Cursor
		want   *cimpb.Cursor
	}{
		{"the same log", Cursor{2, 9}, nil},
		{"nothing is known", Cursor{}, nil},
		{"the log before", Cursor{1, 7}, &cimpb.Cursor{LogEpoch: 1, Seq: 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.onClaim = func(_ context.Context, c Claim) ClaimResult {
				return ClaimResult{User: c.User, Name: "n", Epoch: b.epoch.Add(1), Inbox: Inbox{LogEpoch: 2, Last: 9, Acked: 9}, Shared: tc.shared}
			}
			_, f := joinAs(t, start(t, b), 1, &cimpb.Hello{Version: 1, Device: "phone"})
			if got := f.GetFollows(); !proto.Equal(got, tc.want) {
				t.Errorf("follows %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTrimmedInboxIsToldAndReadFromWhatIsLeft(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	give(t, s, b, 1, "m1")
	c.expectTexts("m1")
	at := b.store(1, numbers(2, 9)...)
	b.change(1, func(box *fakeInbox) { box.acked = 7 })
	push(t, s, Push{User: 1, Cursor: at, Body: body("m9")})
	if f := c.expect(cimpb.Command_SYNC); f.GetLogEpoch() != 1 || f.GetSeq() != 7 {
		t.Errorf("told %v", f)
	}
	c.expectTexts("m8", "m9")
	c.sync()
}

func TestFirstPushOfAnInboxThatDidNotExistAtLogin(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	at := b.store(1, "a", "b")
	push(t, s, Push{User: 1, Cursor: at, Body: body("b")}) // the push of a was lost
	c.expectTexts("a", "b")
	c.sync()
}

func TestCatchUpReadsWhatNobodyPushed(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	b.store(1, "a", "b")
	if !s.CatchUp(1) || s.CatchUp(2) {
		t.Error("the answer is not whether the user is here")
	}
	c.expectTexts("a", "b")
	c.sync()
}

// TestMoreWhileReadingIsRead has a message come between the Backend's answer and the loop's look at it.
func TestMoreWhileReadingIsRead(t *testing.T) {
	b := newFakeBackend()
	b.store(1, "a")
	r := newRig(t, b)
	c := r.join(plainHello(1))
	at := b.store(1, "b")
	(&pushTask{Push: Push{User: 1, Cursor: at, Body: body("b")}, slot: c.session().slot}).run(r.loop)
	r.until("all is written", func() bool { return !c.session().behind })
	if got := c.texts(t); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("wrote %v", got)
	}
}

func TestBacklogLaneFullIsTriedAgain(t *testing.T) {
	b := newFakeBackend()
	b.store(1, "a")
	r := newRig(t, b)
	shorten(r.srv.backlogs, 0)
	c := r.join(plainHello(1))
	if !c.session().waiting || r.reading() {
		t.Fatal("the session does not wait for its turn")
	}
	shorten(r.srv.backlogs, 1)
	r.until("the read after a moment", func() bool { return !c.session().behind })
	if got := c.texts(t); !slices.Equal(got, []string{"a"}) {
		t.Errorf("wrote %v", got)
	}
}

func TestAnswerForASessionThatIsGone(t *testing.T) {
	b := newFakeBackend()
	b.store(1, "a")
	r := newRig(t, b)
	c := r.join(plainHello(1))
	_ = r.events.Close(c)
	r.until("the answer", func() bool { return !c.session().reading })
	if len(c.out) > 0 {
		t.Errorf("wrote %x to a closed connection", c.out)
	}
}
