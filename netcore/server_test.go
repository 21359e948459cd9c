package netcore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	cimpb "cim/proto"
)

func TestCeiling(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.MaxConns = 2 })
	first, second := join(t, s, 1), join(t, s, 2)
	dial(t, s).expectClosed()
	expectReason(t, s, reasonCeiling, 1)
	first.sync()
	second.sync()
	if s.Conns() != 2 || s.Capacity() != 2 {
		t.Errorf("%d of %d connections", s.Conns(), s.Capacity())
	}
	second.conn.Close()
	eventually(t, "there is room again", func() bool { return s.Conns() == 1 })
	join(t, s, 3).sync()
}

func TestStopTellsHelloSessionsAndReleasesAll(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, allowCIM, func(c *Config) { c.Loops = 2 })
	var peers []*client
	for n := range int64(10) {
		peers = append(peers, join(t, s, n+1))
	}
	old, stranger := joinCIM(t, s, 11), dial(t, s)
	eventually(t, "the stranger is seen", func() bool { return s.Conns() == 12 })
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range peers {
		if f := c.expectEnd(cimpb.Command_ERROR, cimpb.CodeStopping); f.GetStatus().GetRetryAfterMs() == 0 {
			t.Error("not told when to come back")
		}
	}
	old.expectClosed()
	stranger.expectClosed()
	expectReason(t, s, reasonStopping, 12)
	expectReleased(t, b, numbersOf(1, 11))
	if s.Conns() != 0 || s.Sessions() != 0 || !s.Leaving() {
		t.Errorf("%d connections, %d sessions", s.Conns(), s.Sessions())
	}
	if err := s.Stop(t.Context()); !errors.Is(err, ErrStopping) {
		t.Errorf("a second Stop: %v", err)
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
}

func numbersOf(first, last int64) (all []int64) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// expectReleased checks whose sessions were released, each once.
func expectReleased(t *testing.T, b *fakeBackend, want []int64) {
	t.Helper()
	var got []int64
	for len(b.releasedCh) > 0 {
		got = append(got, (<-b.releasedCh).User)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("released %v, want %v", got, want)
	}
}

func TestStopWithoutAnyConnection(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.Loops = 2 })
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopOfAServerThatDidNotStart(t *testing.T) {
	s := start(t, newFakeBackend())
	second := prepare(t, newFakeBackend(), func(c *Config) { c.Listen = s.Addr().String() })
	if err := second.Start(); err == nil {
		t.Fatal("two servers on one port")
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStopWhileAnEngineIsDown has Stop meet an engine at any point between its end and its next start.
func TestStopWhileAnEngineIsDown(t *testing.T) {
	for range 10 {
		s := start(t, newFakeBackend())
		join(t, s, 1)
		endEngine(s.loops[0])
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStopAnswersWhatWasSentBefore(t *testing.T) {
	b := newFakeBackend()
	goCh := holdSends(b)
	s := start(t, b)
	c := join(t, s, 1)
	c.send(sendFrame(2, 1, "x"))
	receive(t, b.sentCh, "the SEND")
	stoppedCh := make(chan error, 1)
	go func() { stoppedCh <- s.Stop(context.Background()) }() // is waited for
	eventually(t, "the server stops", s.Leaving)
	close(goCh)
	c.expectSent(1, cimpb.CodeStored)
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeStopping)
	if err := receive(t, stoppedCh, "the end"); err != nil {
		t.Error(err)
	}
}

// TestStopReleasesWhatIsClaimedMeanwhile has the claim answered when no loop is left to hear it.
func TestStopReleasesWhatIsClaimedMeanwhile(t *testing.T) {
	b := newFakeBackend()
	askedCh, goCh := held(b)
	s := start(t, b, allowCIM)
	c := dial(t, s)
	c.send(plainHello(1))
	receive(t, askedCh, "the claim")
	if err := s.Reserve(2, false, 70); err != nil {
		t.Fatal(err)
	}
	stoppedCh := make(chan error, 1)
	go func() { stoppedCh <- s.Stop(context.Background()) }() // is waited for
	c.expectEnd(cimpb.Command_ERROR, cimpb.CodeStopping)
	<-s.ctx.Done()
	goCh <- struct{}{}
	if err := receive(t, stoppedCh, "the end"); err != nil {
		t.Error(err)
	}
	expectReleased(t, b, []int64{1, 2})
}

func TestStopDoesNotWaitForABackendThatDoesNotAnswer(t *testing.T) {
	b := newFakeBackend()
	b.onDeliver = func(ctx context.Context, sends []Send) []SendResult {
		<-ctx.Done()
		return make([]SendResult, len(sends))
	}
	s := start(t, b)
	c := join(t, s, 1)
	c.send(sendFrame(2, 1, "x"))
	receive(t, b.sentCh, "the SEND")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(begin); took >= backendTimeout {
		t.Errorf("Stop took %s", took)
	}
	expectReleased(t, b, []int64{1})
}

// stuckRelease does not answer a release before its time is over.
type stuckRelease struct{ *fakeBackend }

func (b stuckRelease) Release(ctx context.Context, refs []SessionRef) {
	<-ctx.Done()
	b.fakeBackend.Release(ctx, refs)
}

// Many batches of releases, each of which takes a worker the Backend's whole time, are given up together.
func TestClosingLanesGivesUpOnReleases(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, stuckRelease{b})
	const users = 8 * laneBatch // two batches for each worker
	for user := range int64(users) {
		r.srv.release(SessionRef{user + 1, 1})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	r.srv.closeLanes(ctx)
	if took := time.Since(begin); took >= backendTimeout {
		t.Errorf("closing took %s", took)
	}
	if n := len(b.releasedCh); n != users {
		t.Errorf("the Backend was told of %d sessions of %d", n, users)
	}
}

func TestAddressInUse(t *testing.T) {
	s := start(t, newFakeBackend())
	second := prepare(t, newFakeBackend(), func(c *Config) { c.Listen = s.Addr().String() })
	if err := second.Start(); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("a second server on the port: %v", err)
	}
	third := prepare(t, newFakeBackend(), func(c *Config) { c.Listen = "127.0.0.1:no" })
	if err := third.Start(); err == nil || errors.Is(err, ErrAddressInUse) {
		t.Errorf("an address that is none: %v", err)
	}
}

func TestPortZeroIsResolved(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", ":0", "localhost:0"} {
		t.Run(listen, func(t *testing.T) {
			s := start(t, newFakeBackend(), func(c *Config) { c.Listen = listen })
			if s.Addr().Port == 0 {
				t.Error("the port is not known")
			}
			conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(s.Addr().Port)))
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			expectReason(t, s, reasonProbe, 1)
		})
	}
}

func TestEachLoopGetsConnections(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.Loops = 2 })
	for n := range int64(200) {
		join(t, s, n+1)
		if st := s.Stats(); st.Loops[0].Conns > 0 && st.Loops[1].Conns > 0 {
			return
		}
	}
	t.Errorf("200 connections went to one loop: %+v", s.Stats().Loops)
}

func TestStatsAddUp(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.Loops = 2 })
	one, two := join(t, s, 1), join(t, s, 2)
	one.sync()
	two.send(sendFrame(1, 1, "x"), ackFrame(0, 1))
	two.expectSent(1, cimpb.CodeWritten)
	st := s.Stats()
	if st.Conns != 2 || st.Sessions != 2 || st.Accepted != 2 || st.Capacity != 1000 || len(st.Loops) != 2 {
		t.Errorf("%+v", st)
	}
	if st.FramesIn != 5 || st.Pings != 1 || st.Sends != 1 || st.Acks != 1 || st.Writes != 4 || st.BytesOut == 0 {
		t.Errorf("%+v", st)
	}
	if len(st.Closed) != int(reasonCount) || len(st.Dropped) != int(dropCount) {
		t.Errorf("%d reasons and %d drops have a name of their own", len(st.Closed), len(st.Dropped))
	}
}
