package netcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	cimpb "cim/proto"
)

// push hands over one message and returns the answer.
func push(t testing.TB, s *Server, p Push) PushResult {
	t.Helper()
	results, err := s.Push(t.Context(), []Push{p})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// give stores texts and pushes each.
func give(t testing.TB, s *Server, b *fakeBackend, user int64, texts ...string) {
	t.Helper()
	for _, text := range texts {
		at := b.store(user, text)
		push(t, s, Push{User: user, Cursor: at, Body: body(text)})
	}
}

// numbers are texts, from first to last.
func numbers(first, last int) (texts []string) {
	for n := first; n <= last; n++ {
		texts = append(texts, fmt.Sprint("m", n))
	}
	return texts
}

func TestStoredMessagesArriveWithTheirPlace(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	give(t, s, b, 1, "a", "b", "c")
	for i, want := range []string{"a", "b", "c"} {
		f := c.expect(cimpb.Command_MESSAGE)
		if f.GetText() != want || f.GetSeq() != uint64(i+1) || f.GetLogEpoch() != 1 || f.GetFrom() != sender || f.GetFromName() != "user-9" {
			t.Errorf("got %v, want %q", f, want)
		}
	}
	if n := b.reads.Load(); n != 0 {
		t.Errorf("the inbox was read %d times though nothing was missing", n)
	}
}

func TestGapIsFilledFromTheInbox(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	give(t, s, b, 1, "m1")
	last := b.store(1, numbers(2, 300)...) // more than two pages
	push(t, s, Push{User: 1, Cursor: last, Body: body("m300")})
	c.expectTexts(numbers(1, 300)...)
	give(t, s, b, 1, "m301")
	c.expectTexts("m301")
	c.sync()
}

func TestOvertakingPushesArriveOnceAndInOrder(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	b.store(1, numbers(1, 200)...)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for seq := 200 - w; seq > 0; seq -= 4 { // backwards, the worst order
				p := Push{User: 1, Cursor: Cursor{1, uint64(seq)}, Body: body(fmt.Sprint("m", seq))}
				if r, err := s.Push(context.Background(), []Push{p}); err != nil || r[0] != PushWritten {
					t.Errorf("push %d: %v, %v", seq, r, err)
				}
			}
		})
	}
	wg.Wait()
	c.expectTexts(numbers(1, 200)...)
	c.sync()
}

func TestRepeatedPushIsIgnored(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	give(t, s, b, 1, "a", "b")
	for seq := range uint64(2) {
		if got := push(t, s, Push{User: 1, Cursor: Cursor{1, seq + 1}, Body: body("again")}); got != PushWritten {
			t.Errorf("a repeated push was answered %d", got)
		}
	}
	c.expectTexts("a", "b")
	give(t, s, b, 1, "c")
	c.expectTexts("c")
	if n := b.reads.Load(); n != 0 {
		t.Errorf("the inbox was read %d times", n)
	}
}

func TestPushDuringTheClaimIsNotLost(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := make(chan struct{}), make(chan struct{})
	b.onClaim = func(_ context.Context, c Claim) ClaimResult {
		r := b.grant(c) // with the inbox as it is now: empty
		askedCh <- struct{}{}
		<-goCh
		return r
	}
	s := start(t, b)
	c := dial(t, s)
	if got := push(t, s, Push{User: 1, Cursor: Cursor{1, 1}, Body: body("early")}); got != PushAbsent {
		t.Errorf("a push to nobody was answered %d", got)
	}
	c.send(plainHello(1))
	receive(t, askedCh, "the claim")
	at := b.store(1, "meanwhile")
	if got := push(t, s, Push{User: 1, Cursor: at, Body: body("meanwhile")}); got != PushWritten {
		t.Errorf("a push to a session that is being claimed was answered %d", got)
	}
	goCh <- struct{}{}
	c.expect(cimpb.Command_WELCOME)
	c.expectTexts("meanwhile")
}

func TestInboxIsDrainedBeforeWhatIsLive(t *testing.T) {
	b := newFakeBackend()
	b.store(1, numbers(1, 10)...)
	b.change(1, func(box *fakeInbox) { box.acked = 4 })
	readCh, goCh := make(chan struct{}, fakeRoom), make(chan struct{})
	b.onBacklog = func(_ context.Context, user int64, after Cursor) (Backlog, error) {
		page := b.page(user, after, backlogMessages)
		readCh <- struct{}{}
		<-goCh
		return page, nil
	}
	s := start(t, b)
	c := join(t, s, 1)
	receive(t, readCh, "the first read")
	give(t, s, b, 1, "m11", "m12") // live, while the older ones are on their way
	close(goCh)
	c.expectTexts(numbers(5, 12)...)
	c.sync()
}

func TestDoorFullMakesTheSessionLookAtItsInbox(t *testing.T) {
	b := newFakeBackend()
	s := prepare(t, b)
	s.loops[0].door.limit = 0
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c := join(t, s, 1)
	at := b.store(1, "a", "b")
	if got := push(t, s, Push{User: 1, Cursor: at, Body: body("b")}); got != PushSlow {
		t.Errorf("answered %d", got)
	}
	c.expectTexts("a", "b")
	if got := push(t, s, Push{User: 1, Body: body("once")}); got != PushSlow {
		t.Errorf("QoS 0 was answered %d", got)
	}
	if n := s.Stats().Dropped["door_full"]; n != 1 {
		t.Errorf("%d drops are counted", n)
	}
	c.sync()
}

func TestQoS0IsAnsweredWithTheTruth(t *testing.T) {
	r := newRig(t, newFakeBackend())
	here, full := r.join(plainHello(1)), r.join(plainHello(2))
	full.stuck = r.srv.cfg.SoftOutbound + 1
	resultCh := make(chan []PushResult, 1)
	go func() { // ends with the answer, which is waited for
		results, err := r.srv.Push(t.Context(), []Push{{User: 1, Body: body("x")}, {User: 2, Body: body("x")}, {User: 3, Body: body("x")}})
		if err != nil {
			t.Error(err)
		}
		resultCh <- results
	}()
	r.until("the answer", func() bool { return r.counters.dropped[dropSlow].Load() == 1 })
	if got := receive(t, resultCh, "the results"); !slices.Equal(got, []PushResult{PushWritten, PushSlow, PushAbsent}) {
		t.Errorf("answered %v", got)
	}
	if got := here.texts(t); !slices.Equal(got, []string{"x"}) || len(full.out) > 0 {
		t.Errorf("wrote %v and %x", got, full.out)
	}
	if r.counters.dropped[dropAbsent].Load() != 1 {
		t.Error("the absent user is not counted")
	}
	results, err := r.srv.Push(t.Context(), []Push{{User: 3, Body: body("x"), Asked: true}})
	if err != nil || results[0] != PushAbsent || r.counters.dropped[dropAbsent].Load() != 1 {
		t.Errorf("of a user who was only asked for: %v, %v, %d drops", results, err, r.counters.dropped[dropAbsent].Load())
	}
}

// TestQoS0ToASessionThatHasJustLeft is about a push that found a session in the table, and at the loop
// finds it gone and its slot somebody else's.
func TestQoS0ToASessionThatHasJustLeft(t *testing.T) {
	r := newRig(t, newFakeBackend())
	left := r.join(plainHello(1))
	wait := &pushWait{doneCh: make(chan struct{})}
	wait.left.Store(1)
	task := &pushTask{Push: Push{User: 1, Body: body("x")}, slot: left.session().slot, wait: wait}
	_ = r.events.Close(left)
	other := r.join(plainHello(2))
	if other.session().slot != task.slot {
		t.Fatal("the slot is not used again")
	}
	task.run(r.loop)
	r.flushAll()
	<-wait.doneCh
	if task.result != PushAbsent || len(other.out) > 0 {
		t.Errorf("answered %d, wrote %x", task.result, other.out)
	}
}

func TestPushEndsWithItsContextAndWithTheServer(t *testing.T) {
	r := newRig(t, newFakeBackend())
	r.join(plainHello(1))
	over, end := context.WithCancel(t.Context())
	end()
	once := []Push{{User: 1, Body: body("x")}}
	if _, err := r.srv.Push(over, once); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	r.srv.cancel()
	if _, err := r.srv.Push(context.Background(), once); !errors.Is(err, ErrStopping) {
		t.Errorf("with loops that have ended: %v", err)
	}
	r.srv.stopping.Store(true)
	if _, err := r.srv.Push(context.Background(), nil); !errors.Is(err, ErrStopping) {
		t.Errorf("with a server that stops: %v", err)
	}
}
