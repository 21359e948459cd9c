package netcore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	cimpb "cim/proto"
)

// renewer is a Backend that says of each session what the test wants, and waits for the test.
type renewer struct {
	*fakeBackend
	askedCh  chan []RenewRef
	answerCh chan func(RenewRef) RenewResult
}

func newRenewer() *renewer {
	b := &renewer{newFakeBackend(), make(chan []RenewRef), make(chan func(RenewRef) RenewResult)}
	b.onRenew = func(ctx context.Context, refs []RenewRef) []RenewResult {
		results := make([]RenewResult, len(refs))
		select {
		case b.askedCh <- slices.Clone(refs):
		case <-ctx.Done():
			return nil
		}
		select {
		case answer := <-b.answerCh:
			for i, r := range refs {
				results[i] = answer(r)
			}
		case <-ctx.Done():
		}
		return results
	}
	return b
}

// all answers a call the same for all.
func (b *renewer) all(r RenewResult) { b.answerCh <- func(RenewRef) RenewResult { return r } }

func kept(b *renewer, user int64) RenewResult { return RenewResult{Inbox: b.inbox(user)} }

// sweepOnce has the one session of a server looked at, with that answer.
func sweepOnce(t *testing.T, s *Server, b *renewer, r RenewResult) RenewRef {
	t.Helper()
	s.SweepNow()
	refs := receive(t, b.askedCh, "the sweep")
	if len(refs) != 1 {
		t.Fatalf("asked about %+v", refs)
	}
	b.all(r)
	return refs[0]
}

func TestSweepAsksWhoIsConnected(t *testing.T) {
	b := newRenewer()
	s := start(t, b)
	c, welcome := joinAs(t, s, 5, &cimpb.Hello{Version: 1, Device: "phone"})
	ref := sweepOnce(t, s, b, kept(b, 5))
	if want := (RenewRef{User: 5, Epoch: welcome.GetWelcome().GetSessionEpoch(), Device: "phone"}); ref != want {
		t.Errorf("asked about %+v, want %+v", ref, want)
	}
	eventually(t, "the turn is counted", func() bool { return s.Stats().SweepTurns == 1 })
	c.sync()
	if n := s.Stats().Renewed["kept"]; n != 1 {
		t.Errorf("%d sessions were kept", n)
	}
}

func TestSweepEndsSessionsThatAreNotOurs(t *testing.T) {
	for name, tc := range map[string]struct {
		state RenewState
		code  cimpb.Code
		why   Reason
	}{
		"lost":     {RenewLost, cimpb.CodeSessionLost, reasonSessionLost},
		"replaced": {RenewReplaced, cimpb.CodeReplaced, reasonReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRenewer()
			s := start(t, b)
			c := join(t, s, 5)
			ref := sweepOnce(t, s, b, RenewResult{State: tc.state})
			if f := c.expectEnd(cimpb.Command_KICK, tc.code); f.GetSeq() != ref.Epoch {
				t.Errorf("the KICK names epoch %d, want %d", f.GetSeq(), ref.Epoch)
			}
			expectReason(t, s, tc.why, 1)
			nothing(t, b.releasedCh, "released what is not ours")
			if s.Holds(5, ref.Epoch) {
				t.Error("the session is still held")
			}
		})
	}
}

// A message that was stored and whose push never came is read when the sweep sees it.
func TestSweepReadsOnInTheInbox(t *testing.T) {
	b := newRenewer()
	s := start(t, b)
	c := join(t, s, 5)
	b.store(5, "one", "two")
	sweepOnce(t, s, b, kept(b, 5))
	c.expectTexts("one", "two")
}

func TestSweepTellsAStoreThatLostItsTail(t *testing.T) {
	b := newRenewer()
	s := start(t, b)
	c := join(t, s, 5)
	at := b.store(5, "one", "two")
	push(t, s, Push{User: 5, Cursor: Cursor{at.LogEpoch, 1}, Body: body("one")})
	push(t, s, Push{User: 5, Cursor: Cursor{at.LogEpoch, 2}, Body: body("two")})
	c.expectTexts("one", "two")
	lost := Cursor{at.LogEpoch + 1, 1}
	b.change(5, func(box *fakeInbox) {
		box.epoch, box.earlier, box.bodies = lost.LogEpoch, Cursor{at.LogEpoch, 1}, box.bodies[:1]
	})
	ref := sweepOnce(t, s, b, RenewResult{State: RenewRestored, Inbox: Inbox{LogEpoch: lost.LogEpoch, Last: lost.Seq}})
	if ref.Written != (Cursor{at.LogEpoch, 2}) {
		t.Errorf("the store was told that %+v had been written", ref.Written)
	}
	if f := c.expect(cimpb.Command_SYNC); f.GetLogEpoch() != lost.LogEpoch || f.GetFollows().GetSeq() != 1 {
		t.Errorf("the client was told %v", f)
	}
	if len(b.ackedCh) > 0 {
		t.Errorf("what nobody has handled was acknowledged: %+v", <-b.ackedCh)
	}
}

// A session that ended while the store published it again must not stay published.
func TestSweepReleasesWhatItRestoredTooLate(t *testing.T) {
	b := newRenewer()
	s := start(t, b)
	c := join(t, s, 5)
	s.SweepNow()
	ref := receive(t, b.askedCh, "the sweep")[0]
	c.conn.Close()
	first := receive(t, b.releasedCh, "the release")
	b.all(RenewResult{State: RenewRestored})
	if again := receive(t, b.releasedCh, "the second release"); again != first || again.Epoch != ref.Epoch {
		t.Errorf("released %+v and then %+v", first, again)
	}
}

// A store that does not answer ends nobody, and the same sessions are asked about again.
func TestSweepWaitsForTheStore(t *testing.T) {
	b := newRenewer()
	s := start(t, b)
	c := join(t, s, 5)
	ref := sweepOnce(t, s, b, RenewResult{Err: errors.New("away")})
	if again := receive(t, b.askedCh, "the second try"); len(again) != 1 || again[0] != ref {
		t.Errorf("asked about %+v", again)
	}
	b.all(kept(b, 5))
	eventually(t, "the turn ends", func() bool { return s.Stats().SweepTurns == 1 })
	c.sync()
	if r := s.Stats().Renewed; r["failed"] != 1 || r["kept"] != 1 {
		t.Errorf("counted %v", r)
	}
}

// A whole table is looked at in pieces, one at a time, and the loop goes on in between.
func TestSweepIsBounded(t *testing.T) {
	const users = 2*sweepSlots + 10
	b := newRenewer()
	s := start(t, b)
	clients := make([]*client, users)
	for i := range clients {
		clients[i] = join(t, s, int64(i+1))
	}
	s.SweepNow()
	seen := map[int64]bool{}
	for range 3 {
		refs := receive(t, b.askedCh, "a batch")
		if len(refs) > sweepSlots {
			t.Errorf("a batch of %d", len(refs))
		}
		for _, r := range refs {
			seen[r.User] = true
		}
		clients[0].sync() // while the batch is under way
		b.all(RenewResult{})
	}
	eventually(t, "the turn ends", func() bool { return s.Stats().SweepTurns == 1 })
	if len(seen) != users {
		t.Errorf("%d of %d users were looked at", len(seen), users)
	}
}

func TestSweepPace(t *testing.T) {
	w := &sweeper{loop: &loop{srv: &Server{cfg: Config{SweepTurn: 15 * time.Minute}}}}
	for name, tc := range map[string]struct {
		slots, rush int
		failed      bool
		want        time.Duration
	}{
		"empty":         {0, 0, false, 15 * time.Minute},
		"one batch":     {sweepSlots, 0, false, 15 * time.Minute},
		"many":          {15 * sweepSlots, 0, false, time.Minute},
		"in a hurry":    {15 * sweepSlots, 1, false, 0},
		"store is away": {15 * sweepSlots, 1, true, sweepRetry},
	} {
		t.Run(name, func(t *testing.T) {
			w.slots, w.rush, w.failed = tc.slots, tc.rush, tc.failed
			if got := w.pause(); got != tc.want {
				t.Errorf("pause %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSweepAdvance(t *testing.T) {
	const slots = 3 * sweepSlots
	refs := make([]RenewRef, 4)
	for name, tc := range map[string]struct {
		next, rush, failed int
		wantNext, wantRush int
		turns              uint64
	}{
		"on":                    {0, 0, 0, sweepSlots, 0, 0},
		"round":                 {2 * sweepSlots, 0, 0, 0, 0, 1},
		"in a hurry":            {sweepSlots, 1 << 40, 0, 2 * sweepSlots, 2 * sweepSlots, 0},
		"the end of the hurry":  {0, sweepSlots, 0, sweepSlots, 0, 0},
		"nobody was answered":   {sweepSlots, 0, 4, sweepSlots, slots, 0},
		"some were not":         {sweepSlots, 0, 1, 2 * sweepSlots, slots - sweepSlots, 0},
		"some were not, at end": {2 * sweepSlots, 0, 1, 0, slots - sweepSlots, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &sweeper{next: tc.next, rush: tc.rush}
			w.advance(&sweepBatch{slots: slots, refs: refs}, tc.failed)
			if w.next != tc.wantNext || w.rush != tc.wantRush || w.turns.Load() != tc.turns || w.failed != (tc.failed > 0) {
				t.Errorf("next %d, rush %d, turns %d, failed %v", w.next, w.rush, w.turns.Load(), w.failed)
			}
		})
	}
}

func TestPausedFor(t *testing.T) {
	now := time.Now()
	if d := pausedFor(now, now.Add(time.Minute)); d != time.Minute {
		t.Errorf("a process that stood still: %v", d)
	}
	asleep := now.Round(0).Add(time.Hour) // only the clock on the wall went on
	if d := pausedFor(now, asleep); d != time.Hour {
		t.Errorf("a machine that slept: %v", d)
	}
	if d := pausedFor(now, now.Add(time.Second)); d > longPause {
		t.Errorf("a tick: %v", d)
	}
}

// A sweep takes memory for a batch, not for a session.
func TestSweepTakesDownWithoutGarbage(t *testing.T) {
	r := newRig(t, newFakeBackend())
	for i := range 10 {
		r.join(plainHello(int64(i + 1)))
	}
	b := &sweepBatch{doneCh: make(chan struct{}, 1), refs: make([]RenewRef, 0, 10), slot: make([]uint32, 0, 10)}
	if n := testing.AllocsPerRun(100, func() {
		b.refs, b.slot = b.refs[:0], b.slot[:0]
		b.takeDown(r.loop)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(b.refs) != 10 {
		t.Errorf("took down %d", len(b.refs))
	}
}
