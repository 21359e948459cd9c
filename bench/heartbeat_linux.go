package bench

import (
	"time"

	"cim/netcore/frame"
)

// startHeartbeats begins the schedule with the granted heartbeat. A server that names none gets what was
// asked for.
func (s *swarm) startHeartbeats(granted time.Duration) {
	if granted <= 0 {
		granted = s.job.Heartbeat
	}
	s.beats = schedule{period: granted, total: s.job.Total, share: s.job.Share}
	s.beat = s.beats.next(s.now())
}

// beating reports whether PINGs are to be sent. Who writes to others needs none: their server grants hours.
func (s *swarm) beating() bool { return s.beats.period > 0 && s.drainBy == 0 && s.traffic == nil }

// sendHeartbeats sends all PINGs that are due. Connections that are not open have their turn and do nothing
// with it, so that phases never shift.
func (s *swarm) sendHeartbeats() {
	if !s.beating() {
		return
	}
	for now := s.now(); s.beats.due(s.beat) <= now; s.beat++ {
		i := s.beats.conn(s.beat)
		c := &s.conns[i]
		if quiet := c.silent && s.holding; c.state == stateOpen && !quiet {
			s.ping(c, s.beats.due(s.beat))
		}
	}
}

func (s *swarm) ping(c *conn, due time.Duration) {
	if c.unheard > 0 {
		s.tally.Late++
	}
	c.due = due
	c.unheard++
	s.unheard++
	s.tally.Pings++
	s.write(c, frame.Ping)
}

// pong matches a PONG with the oldest PING without one: a connection's PINGs are one period apart. The time
// counts from when the PING was due.
func (s *swarm) pong(c *conn) {
	if c.unheard == 0 {
		s.tally.Messages++
		return
	}
	due := c.due - time.Duration(c.unheard-1)*s.beats.period
	c.unheard--
	s.unheard--
	s.tally.Pongs++
	s.rtt.record(s.now() - due)
}
