package netcore

import (
	"context"
	"sync/atomic"
	"time"

	cimpb "cim/proto"
)

// Drain sends all users elsewhere, evenly over that time: sessions with hello get MOVE and stay until their client
// has a new one; those of CIM are closed. Meanwhile the server refuses logins and places, and does everything else.
// Drain returns when all sessions have gone, or with ctx's error; Stop then tells those who are left.
// The server stays in the registry meanwhile: others have to reach the users that it still has, and end the sessions of those
// who have moved. Errors: ErrStopping, also for a second call.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	if s.ctx == nil || s.stopping.Load() || s.draining.Swap(true) {
		return ErrStopping
	}
	movers := make([]mover, len(s.loops))
	step := time.NewTicker(drainStep)
	defer step.Stop()
	for begin := time.Now(); s.Sessions() > 0; {
		part := partOf(time.Since(begin), over)
		for i, l := range s.loops {
			movers[i].post(l, part)
		}
		select {
		case <-step.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return ErrStopping
		}
	}
	return nil
}

// whole is the largest part of a table that a mover can be told.
const whole = 1 << 20

// partOf says how much of the table has to be moved by then.
func partOf(passed, over time.Duration) int64 {
	if over <= 0 || passed >= over {
		return whole
	}
	return int64(float64(passed) / float64(over) * whole)
}

// mover tells a loop how far to go. It is at the loop's door at most once.
type mover struct {
	// atomic
	part   atomic.Int64
	posted atomic.Bool
}

func (m *mover) post(l *loop, part int64) {
	m.part.Store(part)
	if !m.posted.Swap(true) {
		l.door.postAnswer(m)
	}
}

func (m *mover) run(l *loop) {
	m.posted.Store(false)
	l.moveEnd = int((int64(len(l.sessions))*m.part.Load() + whole - 1) / whole)
}

// moveSome moves the next sessions and reports whether there are more to be moved by now. The order is that of
// the table, which has nothing to do with who the users are.
func (l *loop) moveSome() (more bool) {
	for n := walkBudget; n > 0 && l.moveNext < l.moveEnd; n-- {
		if s := l.sessions[l.moveNext]; s != nil && s.state == stateOpen {
			l.move(s)
		}
		l.moveNext++
	}
	return l.moveNext < l.moveEnd
}

// move asks a client to go to another server, and leaves it time to: a session with hello ends when the new one
// has taken over.
func (l *loop) move(s *session) {
	l.counters.moved.Add(1)
	if !s.hello {
		l.finish(s, reasonMoved)
		return
	}
	l.tell(s, cimpb.Command_MOVE, cimpb.CodeMoved, moveWithinMs)
}
