package netcore

import (
	"context"
	"sync/atomic"

	"cim/netcore/frame"
)

// Push is one message for the session of one user, whichever that is: what is stored is ordered by its seq, and a
// session that replaces this one reads its inbox when it opens.
type Push struct {
	User   int64
	Cursor        // zero: not stored
	Body   []byte // partial MESSAGE frame; must not be changed afterwards
	Asked  bool   // other servers are asked for the user, too: not to have them is no drop
}

// PushResult says what the server did with a Push.
type PushResult uint8

const (
	PushAbsent  PushResult = iota // no such session here
	PushWritten                   // handed to the connection; of a stored one: it will be
	PushSlow                      // too much waits for the connection
)

// Push hands messages to sessions and answers each, in order. For those that are not stored it waits for
// the loops, so that PushWritten is the truth; a stored one that a session cannot take now is read from
// its inbox later. It must not be called on an event loop.
func (s *Server) Push(ctx context.Context, pushes []Push) ([]PushResult, error) {
	if s.stopping.Load() {
		return nil, ErrStopping
	}
	results := make([]PushResult, len(pushes))
	tasks := make([]pushTask, len(pushes))
	wait := &pushWait{doneCh: make(chan struct{})}
	wait.left.Store(1) // this call, until all are posted
	for i := range pushes {
		tasks[i].Push = pushes[i]
		if pushes[i].Seq != 0 {
			results[i] = s.pushStored(&tasks[i])
		} else {
			s.pushOnce(&tasks[i], wait)
		}
	}
	wait.done()
	select {
	case <-wait.doneCh:
	case <-ctx.Done():
		return nil, ctx.Err() // the tasks that are still at a door stay valid
	case <-s.ctx.Done():
		return nil, ErrStopping
	}
	for i := range pushes {
		if pushes[i].Seq == 0 {
			results[i] = tasks[i].result
		}
	}
	return results, nil
}

// pushWait is closed by the last of those that somebody waits for.
type pushWait struct {
	doneCh chan struct{}
	left   atomic.Int32
}

func (w *pushWait) done() {
	if w.left.Add(-1) == 0 {
		close(w.doneCh)
	}
}

func (s *Server) pushStored(t *pushTask) PushResult {
	at, live, here := s.hub.findForStored(t.User)
	switch {
	case !here:
		return PushAbsent
	case !live:
		return PushWritten // the login that is under way looks at the inbox
	}
	t.slot = at.slot
	if d := &s.loops[at.loop].door; !d.post(t, len(t.Body)) {
		d.postMissed(t.User)
		return PushSlow
	}
	return PushWritten
}

func (s *Server) pushOnce(t *pushTask, wait *pushWait) {
	if kept, here := s.hub.keepOne(t.User, t.Body); here {
		t.result = PushSlow
		if kept {
			t.result = PushWritten
		}
		return
	}
	at, live := s.hub.find(t.User)
	if !live {
		s.loops[0].absent(t)
		return
	}
	t.slot, t.wait, t.result = at.slot, wait, PushSlow
	wait.left.Add(1)
	if !s.loops[at.loop].door.post(t, len(t.Body)) {
		s.loops[at.loop].counters.dropped[dropDoorFull].Add(1)
		wait.done()
	}
}

// pushTask is a Push at the door of the session's loop.
type pushTask struct {
	Push
	slot   uint32
	wait   *pushWait // nil: nobody waits
	result PushResult
}

// run writes the message, or has the session look at its inbox.
func (t *pushTask) run(l *loop) {
	s := l.at(t.slot, t.User)
	switch {
	case t.Seq != 0:
		if s != nil {
			l.pushStored(s, t)
		}
		return
	case s == nil:
		t.result = PushAbsent
		l.absent(t)
	case s.queued() > l.srv.cfg.SoftOutbound:
		t.result = PushSlow
		l.counters.dropped[dropSlow].Add(1)
	default:
		t.result = PushWritten
		l.writeBroadcasts(s) // what came to the door before goes before
		l.appendBody(s, t.Body, frame.Cursor{})
	}
	t.wait.done()
}

// absent counts a message whose receiver has left. It may be called from anywhere.
func (l *loop) absent(t *pushTask) {
	if !t.Asked {
		l.counters.dropped[dropAbsent].Add(1)
	}
}

// at finds the open session of a user at a slot; nil when it is gone or somebody else's.
func (l *loop) at(slot uint32, user int64) *session {
	if int(slot) >= len(l.sessions) {
		return nil
	}
	if s := l.sessions[slot]; s != nil && s.user == user && s.state == stateOpen {
		return s
	}
	return nil
}

// pushStored writes the next message of an inbox and nothing else: whatever is not next makes the session
// read on from its inbox, so that order is the server's business and not the network's.
func (l *loop) pushStored(s *session, t *pushTask) {
	if s.logEpoch == 0 && t.Seq == 1 {
		s.logEpoch = t.LogEpoch // the inbox began after the session did
	}
	switch {
	case s.behind:
		s.again = true
	case t.LogEpoch == s.logEpoch && t.Seq <= s.pushed: // written before; a repeated push
	case t.LogEpoch != s.logEpoch || t.Seq != s.pushed+1 || s.queued() > l.srv.cfg.SoftOutbound:
		l.fallBehind(s)
	default:
		l.writeBroadcasts(s) // what came to the door before goes before
		s.pushed = t.Seq
		l.appendBody(s, t.Body, frame.Cursor{LogEpoch: t.LogEpoch, Seq: t.Seq})
	}
}

// appendBody adds one MESSAGE to what the round writes to s.
func (l *loop) appendBody(s *session, body []byte, at frame.Cursor) {
	l.counters.messagesOut.Add(1)
	o := l.box(s)
	if s.hello {
		o.b = frame.AppendMessage(o.b, body, at)
		return
	}
	o.b = l.appendForCIM(o.b, s.user, body)
}
