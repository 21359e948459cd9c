package netcore

import (
	"context"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// fallBehind notes that the inbox holds what the session was not written, and reads it.
func (l *loop) fallBehind(s *session) {
	s.behind, s.again = true, true
	l.catchUp(s)
}

// catchUp reads on in the inbox: one read at a time, and none while the connection is full.
func (l *loop) catchUp(s *session) {
	if s.reading || !s.behind || s.state != stateOpen {
		return
	}
	if s.queued() > l.srv.cfg.SoftOutbound {
		l.lookAgain(s)
		return
	}
	s.reading, s.again = true, false
	if !l.srv.backlogs.post(s.user, backlogWork{loop: l, session: s, user: s.user, after: Cursor{s.logEpoch, s.pushed}}) {
		s.reading = false
		l.lookAgain(s)
	}
}

// catchUpUser is catchUp by name, for a stored message that found no room at the door.
func (l *loop) catchUpUser(user int64) {
	if p, ok := l.srv.hub.find(user); ok && int(p.loop) == l.index {
		if s := l.at(p.slot, user); s != nil {
			l.fallBehind(s)
		}
	}
}

// lookAgain has catchUp called in a moment: gnet does not tell when a connection has drained.
func (l *loop) lookAgain(s *session) {
	if !s.waiting {
		s.waiting = true
		l.waiting = append(l.waiting, s)
	}
	if !l.retrySet {
		l.retrySet = true
		time.AfterFunc(retryBacklog, func() { l.door.postAnswer(retryTask{}) })
	}
}

// lookLater is lookAgain at the next tick, for when the store does not help: the sessions of a whole server
// must not ask a broken store twenty times a second each.
func (l *loop) lookLater(s *session) { l.later = append(l.later, s) }

// lookNow lets the sessions that put it off for a tick look again.
func (l *loop) lookNow() {
	later := l.later
	l.later = nil
	for _, s := range later {
		l.catchUp(s)
	}
}

// retryTask lets all sessions that wait look again.
type retryTask struct{}

func (retryTask) run(l *loop) {
	waiting := l.waiting
	l.waiting, l.retrySet = nil, false
	for _, s := range waiting {
		s.waiting = false
		l.catchUp(s)
	}
}

// backlogWork is a read of an inbox on its way to the Backend and, with its answer, back.
type backlogWork struct {
	loop    *loop
	session *session
	user    int64
	after   Cursor
}

// handleBacklogs runs on a backlog worker.
func (s *Server) handleBacklogs(ctx context.Context, batch []backlogWork) {
	for _, w := range batch {
		w.loop.counters.backlogReads.Add(1)
		page, err := s.cfg.Backend.Backlog(ctx, w.user, w.after, backlogMessages, backlogBytes)
		a := &backlogAnswer{session: w.session, page: page, err: err, doneCh: make(chan struct{})}
		w.loop.door.postAnswer(a)
		// One page per worker: a loop that is busy must not have thousands of them at its door.
		select {
		case <-a.doneCh:
		case <-ctx.Done():
		}
	}
}

// backlogAnswer is a part of an inbox for its session.
type backlogAnswer struct {
	session *session
	page    Backlog
	err     error
	doneCh  chan struct{}
}

func (a *backlogAnswer) run(l *loop) {
	close(a.doneCh)
	s := a.session
	s.reading = false
	switch {
	case s.state != stateOpen:
	case a.err != nil:
		l.lookLater(s)
	case a.page.LogEpoch != s.logEpoch && s.logEpoch != 0, a.page.Acked > s.pushed:
		l.restart(s, a.page)
	default:
		l.writeBacklog(s, a.page)
	}
}

// restart tells the session that its log is not what it was: it is another one, or what came before Acked is gone. The
// session goes on behind what it was written of the present log.
func (l *loop) restart(s *session, page Backlog) {
	had := uint64(0)
	if page.Shared.LogEpoch == s.logEpoch {
		had = min(s.pushed, page.Shared.Seq)
	}
	s.logEpoch, s.pushed, s.acked = page.LogEpoch, max(had, page.Acked), page.Acked
	if s.hello {
		l.appendRare(s, &cimpb.Frame{
			Cmd: cimpb.Command_SYNC, LogEpoch: page.LogEpoch, Seq: page.Acked, Follows: follows(page.LogEpoch, page.Shared),
		})
	}
	l.writeBacklog(s, page)
}

// follows tells a client which log the one of an epoch goes on from, if that is another one and known.
func follows(logEpoch uint64, shared Cursor) *cimpb.Cursor {
	if shared.LogEpoch == 0 || shared.LogEpoch == logEpoch {
		return nil
	}
	return &cimpb.Cursor{LogEpoch: shared.LogEpoch, Seq: shared.Seq}
}

// writeBacklog writes what comes next of a page, as far as the connection takes it.
func (l *loop) writeBacklog(s *session, page Backlog) {
	s.logEpoch = page.LogEpoch
	messages, before := page.Messages, s.pushed
	for len(messages) > 0 && messages[0].Seq <= s.pushed {
		messages = messages[1:]
	}
	if s.hello {
		l.writeMessages(s, messages)
	} else {
		l.writeOffline(s, messages)
	}
	switch {
	case s.pushed >= page.Last && !s.again:
		s.behind = false
		if s.draining {
			l.sayReserved(s)
		}
	case s.pushed == before && !s.again && s.queued() <= l.srv.cfg.SoftOutbound:
		l.lookLater(s) // the store says that there is more and does not give what is next
	default:
		l.catchUp(s)
	}
}

func (l *loop) writeMessages(s *session, messages []Stored) {
	for _, m := range messages {
		if m.Seq != s.pushed+1 || s.queued() > l.srv.cfg.SoftOutbound {
			return
		}
		s.pushed = m.Seq
		l.appendBody(s, m.Body, frame.Cursor{LogEpoch: s.logEpoch, Seq: m.Seq})
	}
}

// ack takes the receiver's word for what it has handled.
func (l *loop) ack(s *session, c Cursor) {
	l.counters.acks.Add(1)
	if c.LogEpoch != s.logEpoch || c.Seq <= s.acked {
		return
	}
	w := ackWork{Ack: Ack{s.user, c}}
	beyond := c.Seq > s.pushed // proof that the inbox lost its tail; the store decides, and the session looks then
	if beyond {
		w.loop, w.session = l, s
	}
	switch {
	case !l.srv.acks.post(s.user, w):
		l.counters.dropped[dropAck].Add(1)
	case !beyond:
		s.acked = c.Seq
	}
}

// ackWork is an ACK on its way to the Backend and, if its session has to look at its inbox then, back.
type ackWork struct {
	Ack
	loop    *loop
	session *session // nil: nobody waits
}

// handleAcks runs on the ACK worker.
func (s *Server) handleAcks(ctx context.Context, batch []ackWork) {
	acks := make([]Ack, len(batch))
	for i, w := range batch {
		acks[i] = w.Ack
	}
	s.cfg.Backend.Acknowledge(ctx, acks)
	for i := range batch {
		if w := &batch[i]; w.session != nil {
			w.loop.door.postAnswer(w)
		}
	}
}

func (w *ackWork) run(l *loop) { l.fallBehind(w.session) }

// sync sends the inbox again from above a place, which a client asks for when it finds a gap.
func (l *loop) sync(s *session, c Cursor) {
	switch {
	case c.LogEpoch != s.logEpoch:
		s.pushed = s.acked
	case c.Seq > s.pushed:
		l.ack(s, c) // it has what we never sent: proof that the inbox lost its tail
		return
	default:
		s.pushed = max(c.Seq, s.acked)
	}
	l.fallBehind(s)
}
