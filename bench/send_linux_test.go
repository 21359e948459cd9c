package bench

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	cimpb "cim/proto"
)

// newTestSend runs against s, with worker processes that are this test binary, until so many were acknowledged.
func newTestSend(t *testing.T, s *fakeServer, acknowledged int64, change func(*SendConfig)) *Send {
	t.Helper()
	t.Setenv(asWorker, "work")
	cfg := SendConfig{Route: s.http.URL, Pairs: 10, Size: 64, QoS: cimpb.QoS_AT_LEAST_ONCE, For: time.Minute, Seed: 7}
	var err error
	if cfg.Command, err = SelfCommand(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	r, err := NewSend(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.idle.progress = 20 * time.Millisecond
	r.enough = func(t tally) bool { return t.Sends.Acknowledged+t.Sends.refusals() >= acknowledged }
	return r
}

// wantClean looks at a run in which nothing went wrong.
func wantClean(t *testing.T, s *fakeServer, rep *SendReport, acknowledged int64) {
	t.Helper()
	c := rep.Counts
	if c.Acknowledged < acknowledged || c.Sent != c.Acknowledged || c.Delivered != c.Sent {
		t.Errorf("%d sent, %d acknowledged, %d delivered; want all of at least %d", c.Sent, c.Acknowledged, c.Delivered, acknowledged)
	}
	if rep.Lost+rep.Unanswered+c.Doubled+c.Disordered+c.Unwanted+c.Repeated+c.Foreign+c.Stranded != 0 {
		t.Errorf("%+v", rep)
	}
	if rep.SentLatency.Count != c.Acknowledged || rep.ArrivalLatency.Count != c.Delivered || rep.SentLatency.Max <= 0 {
		t.Errorf("latencies of %d and %d messages", rep.SentLatency.Count, rep.ArrivalLatency.Count)
	}
	if rep.Seconds <= 0 || rep.AcknowledgedSec <= 0 || rep.DeliveredSec <= 0 || rep.LoadCPUSeconds <= 0 {
		t.Errorf("rates are missing: %+v", rep)
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if int64(s.relay.sends) != c.Sent {
		t.Errorf("%d SENDs came, %d were counted", s.relay.sends, c.Sent)
	}
}

func TestSendAsCreditAllows(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(8, nil)
	var log bytes.Buffer
	r := newTestSend(t, s, 3000, func(c *SendConfig) { c.Processes, c.Pairs, c.Log = 2, 11, &log })
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	wantClean(t, s, rep, 3000)
	// Users take turns at three servers: pairs that are six places apart share one, those five apart do not.
	if rep.Connected != 22 || len(rep.Servers) != 3 || rep.Across != 5 || rep.Config.Processes != 2 {
		t.Errorf("%d connected, servers %v, %d pairs across, %d workers", rep.Connected, rep.Servers, rep.Across, rep.Config.Processes)
	}
	if c := rep.Counts; c.BytesOut < 64*c.Sent || c.BytesIn < 64*c.Delivered {
		t.Errorf("%d bytes out, %d in", c.BytesOut, c.BytesIn)
	}
	if !strings.Contains(log.String(), "11 pairs, 64 bytes a message, QoS 1, as fast as credit allows") {
		t.Errorf("the log does not say what runs:\n%s", log.String())
	}
}

// Everything that was delivered is acknowledged to the server, by the end at the latest.
func TestSendAcknowledges(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(4, nil)
	rep, err := newTestSend(t, s, 500, nil).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.close() // every connection has been read to its end
	if rep.Counts.Delivered == 0 || !maps.Equal(s.relay.acked, s.relay.seqs) {
		t.Errorf("acknowledged %v of %v", s.relay.acked, s.relay.seqs)
	}
}

func TestSendAtARate(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(8, nil)
	r := newTestSend(t, s, 400, func(c *SendConfig) { c.Rate, c.Processes = 2000, 2 })
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, s, rep, 400)
	if most := int64(rep.Seconds*2000) + 40; rep.Counts.Sent > most {
		t.Errorf("%d were sent in %.3f s, want %d at most", rep.Counts.Sent, rep.Seconds, most)
	}
}

func TestSendWithoutAStore(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(8, map[int]relayFault{100: faultLose})
	r := newTestSend(t, s, 500, func(c *SendConfig) { c.QoS = cimpb.QoS_AT_MOST_ONCE })
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatalf("%v: QoS 0 may lose a message", err)
	}
	if rep.Lost != 1 || rep.Counts.Delivered != rep.Counts.Acknowledged-1 || s.relay.qos[cimpb.QoS_AT_LEAST_ONCE] != 0 {
		t.Errorf("%d lost, %d of %d delivered, %v", rep.Lost, rep.Counts.Delivered, rep.Counts.Acknowledged, s.relay.qos)
	}
}

// A burst that no socket holds goes on when there is room, and no frame is cut.
func TestSendMoreThanSocketsHold(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(150, nil)
	rep, err := newTestSend(t, s, 300, func(c *SendConfig) { c.Pairs, c.Size = 1, maxSendSize }).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, s, rep, 300)
}

func TestSendSeesWhatGoesWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		fault relayFault
		err   error // nil: the run is well
		is    func(*SendReport) bool
	}{
		"lost":               {faultLose, ErrLost, func(r *SendReport) bool { return r.Lost == 1 && r.Counts.Delivered == r.Counts.Acknowledged-1 }},
		"doubled":            {faultDouble, ErrDoubled, func(r *SendReport) bool { return r.Counts.Doubled == 1 && r.Counts.Disordered == 0 }},
		"out of order":       {faultSwap, ErrDoubled, func(r *SendReport) bool { return r.Counts.Disordered == 1 && r.Lost == 0 }},
		"a gap":              {faultGap, ErrDoubled, func(r *SendReport) bool { return r.Counts.Disordered == 1 && r.Lost == 0 }},
		"repeated":           {faultRepeat, nil, func(r *SendReport) bool { return r.Counts.Repeated == 1 && r.Counts.Doubled == 0 }},
		"refused":            {faultRefuse, nil, func(r *SendReport) bool { return maps.Equal(r.Counts.Refused, map[string]int64{"overloaded": 1}) }},
		"refused, yet came":  {faultUnwanted, nil, func(r *SendReport) bool { return r.Counts.Unwanted == 1 && r.Counts.refusals() == 1 }},
		"unanswered":         {faultSilence, nil, func(r *SendReport) bool { return r.Unanswered == 1 && r.Lost == 0 }},
		"somebody else's":    {faultForeign, nil, func(r *SendReport) bool { return r.Counts.Foreign == 1 && r.Lost == 0 }},
		"refused, then came": {faultLate, nil, func(r *SendReport) bool { return r.Counts.Unwanted == 1 && r.Counts.refusals() == 1 }},
		"cut off":            {faultCut, ErrDropped, func(r *SendReport) bool { return r.Dropped == 1 && r.Lost == 0 && r.Counts.Stranded > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t, nil)
			s.relay = newRelay(8, map[int]relayFault{120: tc.fault})
			r := newTestSend(t, s, 600, nil)
			r.drain = 300 * time.Millisecond // what does not come is not waited for long
			rep, err := r.Run(t.Context())
			if !errors.Is(err, tc.err) {
				t.Errorf("error is %v, want %v", err, tc.err)
			}
			if rep == nil || !tc.is(rep) {
				t.Errorf("%+v", rep)
			}
		})
	}
}

// At a rate, latencies count from when a message was due: a stall shows with everything that it held up.
func TestSendCountsAStallForAll(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(1, map[int]relayFault{1: faultSilence})
	r := newTestSend(t, s, 0, func(c *SendConfig) { c.Pairs, c.Rate, c.For = 1, 200, 300*time.Millisecond })
	r.drain = 100 * time.Millisecond
	r.enough = func(tally) bool { return false }
	rep, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// One of two users never gets on: its credit of one is used up. The other one sends all of its own.
	if rep.Unanswered != 1 || rep.Counts.Sent > 32 || rep.Counts.Sent < 2 {
		t.Errorf("%d sent, %d unanswered", rep.Counts.Sent, rep.Unanswered)
	}
}

func TestSendWhereNothingIsAcknowledged(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(1, map[int]relayFault{1: faultRefuse, 2: faultRefuse})
	rep, err := newTestSend(t, s, 2, func(c *SendConfig) { c.Pairs = 1 }).Run(t.Context())
	if !errors.Is(err, ErrNothingSent) || rep == nil || rep.Counts.refusals() != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestSendReportsAKilledWorker(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(8, nil)
	r := newTestSend(t, s, 0, func(c *SendConfig) { c.Processes = 2 })
	var victim int
	r.idle.started = func(pids []int) { victim = pids[1] }
	r.enough = func(t tally) bool {
		if t.Sends.Acknowledged > 100 {
			syscall.Kill(victim, syscall.SIGKILL)
		}
		return t.Drops[reasonWorkerDied] > 0
	}
	rep, err := r.Run(t.Context())
	if !errors.Is(err, ErrWorker) || !errors.Is(err, ErrDropped) || rep == nil || rep.Dropped != 10 {
		t.Errorf("%+v, %v; want ErrWorker and ErrDropped with a report", rep, err)
	}
}

func TestSendEndsEarly(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(8, nil)
	r := newTestSend(t, s, 0, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.enough = func(tally) bool { cancel(); return false }
	if rep, err := r.Run(ctx); rep != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", rep, err)
	}
	r = newTestSend(t, s, 0, func(c *SendConfig) { c.PIDs = []int{1 << 30} })
	if rep, err := r.Run(t.Context()); rep != nil || err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("%+v, %v; want that there is no such process", rep, err)
	}
}

// A paused user goes on when the pause is over; nobody else waits for them.
func TestSendPausesAfterARefusal(t *testing.T) {
	s := newFakeServer(t, nil)
	s.relay = newRelay(1, map[int]relayFault{1: faultRefuse, 2: faultRefuse})
	rep, err := newTestSend(t, s, 10, func(c *SendConfig) { c.Pairs = 1 }).Run(t.Context())
	if err != nil || rep.Counts.refusals() != 2 || rep.Seconds < sendPause.Seconds() {
		t.Errorf("%+v, %v; want both refused once, and a pause", rep, err)
	}
}
