package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	cimpb "cim/proto"
)

// drainTime is for the PONGs of the last PINGs.
const drainTime = time.Second

// swarm holds the connections of one worker. All of it belongs to the goroutine of run, except the mailbox.
type swarm struct {
	// Immutable after newSwarm.
	job    job
	notify func(notice) error
	poller *poller
	box    *mailbox

	// loop
	conns    []conn
	tried    int           // connections that got a WELCOME or never will
	ready    bool          // the parent knows that all have been tried
	greeting []greeting    // by deadline
	beats    schedule      // period 0 until the first WELCOME
	beat     int64         // next heartbeat
	unheard  int           // PINGs without a PONG, of all connections
	holding  bool          // the silent ones are silent
	drainBy  time.Duration // set by finish: when to stop waiting for PONGs
	progress time.Duration // when the next notice is due
	tally    tally
	rtt      *histogram
	traffic  *traffic        // nil: nobody sends
	silent   []time.Duration // see notice.SilentTimes
	scratch  []byte
	spare    []mail
}

// greeting is a connection that has to be welcomed by a deadline.
type greeting struct {
	conn int32
	by   time.Duration
}

// newSwarm opens what the loop needs. notify is called from run, and its error ends run.
func newSwarm(j job, notify func(notice) error) (*swarm, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	// A time from another process has no monotonic reading; from here on the loop's clock does not jump.
	j.Start = time.Now().Add(-time.Since(j.Start))
	s := &swarm{
		job: j, notify: notify, poller: p, box: &mailbox{wake: p.wake},
		conns: make([]conn, j.Share.Count), tally: newTally(), rtt: newHistogram(),
		scratch: make([]byte, 2*frameLimit),
	}
	for i := range s.conns {
		s.conns[i].place = int32(i)
	}
	for _, i := range j.Silent {
		s.conns[i].silent = true
	}
	if j.Send != nil {
		s.traffic = newTraffic(s, *j.Send)
	}
	return s, nil
}

// post hands m to the loop. Safe for concurrent use, also after run has returned.
func (s *swarm) post(m mail) { s.box.post(m) }

// now counts from the start of the run, as the schedule does. The start is wall-clock time of the parent:
// workers agree on it as far as the clock is not set meanwhile, and each measures by its monotonic clock.
func (s *swarm) now() time.Duration { return time.Since(s.job.Start) }

// run holds the connections until the parent says finish, then gives the result. All sockets are closed when
// it returns. Errors: that of ctx; those of the poller and of notify.
func (s *swarm) run(ctx context.Context) error {
	defer s.close()
	defer context.AfterFunc(ctx, s.box.nudge)()
	s.progress = s.now() + s.job.Progress
	for !s.finished() {
		if err := s.round(ctx); err != nil {
			return err
		}
	}
	return s.result()
}

// round is one turn of the loop.
func (s *swarm) round(ctx context.Context) error {
	s.takeMail()
	s.sendHeartbeats()
	if s.traffic != nil {
		s.traffic.sendDue()
	}
	s.expireGreetings()
	if err := s.tellProgress(); err != nil {
		return err
	}
	events, err := s.poller.wait(s.now(), s.nextDue())
	if err != nil {
		return err
	}
	for _, e := range events {
		s.handle(int(e.Fd))
	}
	return ctx.Err()
}

func (s *swarm) finished() bool {
	return s.drainBy > 0 && (s.quiet() || s.now() >= s.drainBy)
}

// quiet reports whether nothing is under way that is worth waiting for.
func (s *swarm) quiet() bool {
	return s.unheard == 0 && (s.traffic == nil || s.traffic.quiet())
}

// nextDue is the earliest moment at which the loop has something to do by itself.
func (s *swarm) nextDue() time.Duration {
	due := s.progress
	if s.beating() {
		due = min(due, s.beats.due(s.beat))
	}
	if len(s.greeting) > 0 {
		due = min(due, s.greeting[0].by)
	}
	if s.traffic != nil {
		if send, ok := s.traffic.nextDue(); ok {
			due = min(due, send)
		}
	}
	switch {
	case s.drainBy == 0:
		return due
	case s.quiet():
		return 0 // one last look at what has come
	}
	return min(due, s.drainBy)
}

func (s *swarm) takeMail() {
	s.spare = s.box.take(s.spare)
	for _, m := range s.spare {
		switch {
		case m.login != nil:
			s.start(m.login)
		case m.command.Hold:
			s.hold()
		case m.command.Finish:
			s.finish()
		}
	}
	clear(s.spare)
}

// hold begins what the run is about.
func (s *swarm) hold() {
	s.holding = true
	if s.traffic != nil {
		s.traffic.begin()
	}
}

func (s *swarm) finish() {
	s.drainBy = s.now() + drainTime
	if s.traffic != nil {
		s.drainBy = s.traffic.finish()
	}
}

// tellProgress reports each second, and when the last connection has been tried.
func (s *swarm) tellProgress() error {
	now := s.now()
	if now < s.progress {
		return nil
	}
	s.progress = now + s.job.Progress
	kind := noticeProgress
	if s.tried == len(s.conns) && !s.ready {
		kind, s.ready = noticeReady, true
	}
	return s.notify(notice{Kind: kind, Tally: s.tally})
}

// settle counts a connection that has been tried. The last one is told at once.
func (s *swarm) settle() {
	s.tried++
	if s.tried == len(s.conns) {
		s.progress = 0
	}
}

// result closes the books: what was not heard now is not heard at all.
func (s *swarm) result() error {
	s.tally.Unanswered += int64(s.unheard)
	text, err := s.rtt.encode()
	if err != nil {
		return fmt.Errorf("encode the histogram: %w", err)
	}
	n := notice{Kind: noticeResult, Histogram: text, SilentTimes: s.silent}
	if s.traffic != nil {
		if n.Send, err = s.traffic.results(); err != nil {
			return err
		}
	}
	n.Tally = s.tally
	return s.notify(n)
}

func (s *swarm) close() {
	for i := range s.conns {
		c := &s.conns[i]
		if c.state == stateWaiting || c.state == stateClosed {
			continue
		}
		if c.tls != nil {
			_ = c.tls.CloseWrite() // TLS's goodbye, as clients say it
		}
		_ = unix.Close(int(c.fd))
	}
	s.box.close()
	s.poller.close()
}

// welcome opens a connection. The first one starts the heartbeats of all.
func (s *swarm) welcome(c *conn, w *cimpb.Welcome) {
	if c.state != stateGreeting {
		return
	}
	c.state = stateOpen
	s.tally.Connected++
	s.tally.Open++
	s.tally.Servers[w.GetInstance()]++
	s.settle()
	if s.traffic != nil {
		s.traffic.welcomed(int(c.place), w)
	}
	s.tally.Granted.add(Granted{
		HeartbeatMin: w.GetHeartbeatMs(), HeartbeatMax: w.GetHeartbeatMs(),
		IdleTimeoutMin: w.GetIdleTimeoutMs(), IdleTimeoutMax: w.GetIdleTimeoutMs(),
	})
	if s.beats.period == 0 {
		s.startHeartbeats(time.Duration(w.GetHeartbeatMs()) * time.Millisecond)
	}
}
