package bench

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// startWork runs a worker in this process and returns its input and its notices.
func startWork(t *testing.T, j *job) (in *json.Encoder, end func() error, notices *json.Decoder) {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Work(t.Context(), inR, outW) }()
	in = json.NewEncoder(inW)
	if err := in.Encode(command{Job: j}); err != nil {
		t.Fatal(err)
	}
	end = func() error {
		inW.Close()
		go io.Copy(io.Discard, outR) // it may be telling its progress
		err := <-ended
		outW.Close()
		return err
	}
	return in, end, json.NewDecoder(outR)
}

func testJob(s *fakeServer, n int) *job {
	users := make([]account, n)
	for i := range users {
		users[i].UserID = 1000 + int64(i)
	}
	return &job{
		Route: s.http.URL, Prefix: "bench-x", Share: share{Step: 1, Count: n}, Total: n, Users: users, Start: time.Now(),
		Heartbeat: time.Second, Rate: 5000, Timeout: 10 * time.Second, HTTPConns: 2, Progress: 10 * time.Millisecond,
	}
}

// waitNotice reads notices until one is of kind.
func waitNotice(t *testing.T, notices *json.Decoder, kind noticeKind) notice {
	t.Helper()
	for {
		var n notice
		if err := notices.Decode(&n); err != nil {
			t.Fatalf("the worker ended before its %s: %v", kind, err)
		}
		if n.Kind == kind {
			return n
		}
	}
}

func TestWorkerThroughItsLife(t *testing.T) {
	in, end, notices := startWork(t, testJob(newFakeServer(t, nil), 50))
	if n := waitNotice(t, notices, noticeReady); n.Tally.Open != 50 {
		t.Errorf("%d open when all have been tried, want 50", n.Tally.Open)
	}
	for _, c := range []command{{Hold: true}, {Finish: true}} {
		if err := in.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	n := waitNotice(t, notices, noticeResult)
	if n.Error != "" || n.Tally.Open != 50 || n.Tally.dropped() != 0 {
		t.Errorf("result is %+v, want 50 open", n)
	}
	if err := newHistogram().merge(n.Histogram); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestWorkerEndsWithItsInput(t *testing.T) {
	_, end, notices := startWork(t, testJob(newFakeServer(t, nil), 50))
	waitNotice(t, notices, noticeProgress)
	if err := end(); err != nil {
		t.Errorf("the worker ended with %v, want nothing to complain about", err)
	}
}

func TestWorkWithoutAJob(t *testing.T) {
	for _, input := range []string{"", "{}", "hello\n"} {
		if err := Work(t.Context(), strings.NewReader(input), io.Discard); !errors.Is(err, ErrWorker) {
			t.Errorf("input %q: %v, want ErrWorker", input, err)
		}
	}
}

// brokenPipe is what a worker writes to when nobody reads.
type brokenPipe struct{ tried chan struct{} }

func (b brokenPipe) Write([]byte) (int, error) {
	select {
	case b.tried <- struct{}{}:
	default:
	}
	return 0, io.ErrClosedPipe
}

// A parent that cannot be told anything has lost the worker: it must not hold connections on.
func TestWorkerFailsWhenNobodyReads(t *testing.T) {
	out := brokenPipe{make(chan struct{}, 1)}
	inR, inW := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Work(t.Context(), inR, out) }()
	if err := json.NewEncoder(inW).Encode(command{Job: testJob(newFakeServer(t, nil), 1)}); err != nil {
		t.Fatal(err)
	}
	<-out.tried
	inW.Close()
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the worker ended with %v, want ErrClosedPipe", err)
	}
}

func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 64 {
		t.Errorf("a connection takes %d bytes, want 64 at most", size)
	}
}

// A PONG counts from when its PING was due, and the oldest PING is the one that it answers.
func TestPongsAreMatchedWithDueTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swarm{job: job{Start: time.Now().Add(-10 * time.Second)}, rtt: newHistogram(), unheard: 3}
		s.beats.period = time.Second
		c := &conn{due: 9 * time.Second, unheard: 3}
		for i, want := range []int64{3_000_000, 2_000_000, 1_000_000} {
			s.rtt = newHistogram()
			s.pong(c)
			if got := s.rtt.latency().P50; got < want || got > want+want/500 {
				t.Errorf("PONG %d took %d us, want %d", i+1, got, want)
			}
		}
		s.pong(c) // of nothing
		if c.unheard != 0 || s.unheard != 0 || s.tally.Pongs != 3 || s.tally.Messages != 1 {
			t.Errorf("%+v and %+v, want three PONGs and a stray one", c, s.tally)
		}
	})
}

func TestErrnoReason(t *testing.T) {
	for err, want := range map[error]string{
		unix.ECONNREFUSED: reasonRefused, unix.ECONNRESET: reasonReset, unix.EPIPE: reasonReset,
		unix.ETIMEDOUT: reasonConnectTimeout, unix.EADDRNOTAVAIL: reasonNoPort, unix.EMFILE: reasonNoFiles,
		unix.ENETUNREACH: "enetunreach", io.EOF: reasonTLS,
	} {
		if got := errnoReason(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

func TestMailboxAfterClose(t *testing.T) {
	woken := 0
	b := &mailbox{wake: func() { woken++ }}
	b.post(mail{command: &command{}})
	b.post(mail{command: &command{}})
	if items := b.take(nil); len(items) != 2 || woken != 1 {
		t.Errorf("%d items and %d wakes, want 2 and 1", len(items), woken)
	}
	b.nudge()
	b.close()
	b.nudge()
	b.post(mail{command: &command{}})
	if items := b.take(nil); len(items) != 0 || woken != 2 {
		t.Errorf("%d items and %d wakes after close, want 0 and 2", len(items), woken)
	}
}
