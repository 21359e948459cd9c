package netcore

import "time"

// expired looks at a session whose time has come. Most were heard of since and are armed again: nothing
// is re-armed when a frame arrives. Must run on the session's loop.
func (l *loop) expired(s *session) {
	switch {
	case s.state == stateNew:
		l.close(s, s.lateReason())
	case s.state == stateClaiming:
		l.close(s, reasonClaimTimeout)
	case s.partialSince != 0 && l.now >= l.frameDeadline(s):
		l.close(s, reasonFrameTimeout)
	case l.now >= l.idleDeadline(s):
		l.close(s, reasonIdle)
	default:
		l.arm(s)
	}
}

// arm sets the timer of an open session to whichever deadline is next.
func (l *loop) arm(s *session) {
	due := l.idleDeadline(s)
	if s.partialSince != 0 {
		due = min(due, l.frameDeadline(s))
	}
	l.wheel.Arm(s, due)
}

func (l *loop) idleDeadline(s *session) int64 { return int64(s.lastSeen) + int64(s.idleTicks) }

func (l *loop) frameDeadline(s *session) int64 {
	return int64(s.partialSince) + l.srv.cfg.ticks(l.srv.cfg.FrameTimeout)
}

// setIdle grants a session its time-out.
func (l *loop) setIdle(s *session, d time.Duration) {
	s.idleTicks = uint32(min(l.srv.cfg.ticks(d), 1<<31))
	s.lastSeen = uint32(l.now)
	l.arm(s)
}
