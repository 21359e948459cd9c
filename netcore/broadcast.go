package netcore

import (
	"slices"

	"cim/netcore/frame"
)

// Broadcast is one message for all sessions of the server.
type Broadcast struct {
	Body       []byte // partial MESSAGE frame; must not be changed afterwards
	Except     int64  // a user who does not get it; 0: nobody
	PeopleOnly bool
}

// Broadcast queues a message for all sessions and returns how many that is. It must not be called on an
// event loop.
// Errors: ErrStopping.
func (s *Server) Broadcast(b Broadcast) (int, error) {
	if s.stopping.Load() {
		return 0, ErrStopping
	}
	kept, full := s.hub.keepForReserved(b)
	s.loops[0].counters.dropped[dropReserved].Add(uint64(full))
	reached := len(kept)
	for _, l := range s.loops {
		n := l.audience(b)
		if n == 0 && l.counters.awaited.Load() == 0 {
			continue // before its first connection nobody wakes a loop, and its door would fill up
		}
		if !l.door.post(&broadcastTask{b, kept}, len(b.Body)) {
			l.counters.dropped[dropDoorFull].Add(1)
			continue
		}
		reached += n
	}
	if s.isHere(b.Except) && reached > 0 {
		reached--
	}
	return reached, nil
}

func (s *Server) isHere(user int64) bool {
	_, ok := s.hub.find(user)
	return ok
}

func (l *loop) audience(b Broadcast) int {
	n := l.counters.people.Load()
	if !b.PeopleOnly {
		n += l.counters.devices.Load()
	}
	return int(n)
}

// broadcastTask is a Broadcast at the door of a loop.
type broadcastTask struct {
	Broadcast
	kept []int64 // users whose reservation has it
}

func (t *broadcastTask) run(l *loop) {
	l.counters.broadcasts.Add(1)
	if !l.casts.add(t, len(l.sessions)) {
		l.counters.dropped[dropBroadcastFull].Add(1)
	}
}

// broadcastLog holds the messages to everyone that a loop has not finished with. The loop walks over its
// sessions, some in each round, and writes to each what has come since its last turn, all in one write:
// under load a write carries many messages. A session's place in the log is a number; the log is dropped
// when a whole turn found nobody who misses anything, and nobody is logging in.
type broadcastLog struct {
	base   uint32 // number of messages that were dropped from the log
	casts  []cast
	bytes  []byte // the same, encoded for hello sessions, one after the other
	next   int    // slot to visit
	left   int    // slots to visit until all have seen all
	people bool   // some message is for people only
	except map[int64]struct{}
}

// cast is one message of the log; end is where its encoding ends in broadcastLog.bytes.
type cast struct {
	broadcastTask
	end int
}

// head is the number of the newest message. It wraps around; only differences count.
func (g *broadcastLog) head() uint32 { return g.base + uint32(len(g.casts)) }

// add refuses when too much waits.
func (g *broadcastLog) add(t *broadcastTask, slots int) bool {
	if len(g.bytes) > broadcastBytes {
		return false
	}
	g.bytes = frame.AppendMessage(g.bytes, t.Body, frame.Cursor{})
	g.casts = append(g.casts, cast{*t, len(g.bytes)})
	g.people = g.people || t.PeopleOnly
	if t.Except != 0 {
		if g.except == nil {
			g.except = make(map[int64]struct{})
		}
		g.except[t.Except] = struct{}{}
	}
	g.left = slots
	return true
}

// grow makes up for a slot that is added during a turn: the turn goes on where it is, and wraps one slot later.
func (g *broadcastLog) grow() {
	if g.left > 0 {
		g.left++
	}
}

// reset drops the log. Sessions keep their numbers.
func (g *broadcastLog) reset() {
	g.base = g.head()
	clear(g.casts)
	g.casts, g.bytes, g.people = g.casts[:0], g.bytes[:0], false
	clear(g.except)
	if cap(g.bytes) > outboxKeep {
		g.bytes = nil // a burst must not keep its memory for ever
	}
}

// walk visits the next sessions and reports whether there are more.
func (l *loop) walk() (more bool) {
	g := &l.casts
	if g.left == 0 {
		return false
	}
	for n := min(walkBudget, g.left); n > 0; n-- {
		if g.next >= len(l.sessions) {
			g.next = 0
		}
		if s := l.sessions[g.next]; s != nil && s.state == stateOpen {
			l.writeBroadcasts(s)
		}
		g.next++
		g.left--
	}
	l.settleBroadcasts()
	return g.left > 0
}

// settleBroadcasts drops the log when nobody misses anything of it, or those who do have been awaited for so much that
// it would soon be in the way of others.
func (l *loop) settleBroadcasts() {
	g := &l.casts
	if g.left == 0 && len(g.casts) > 0 && (l.counters.awaited.Load() == 0 || len(g.bytes) > awaitedBytes) {
		g.reset()
	}
}

// sayMissed is for a session that has just opened: with hello it gets what came since its LOGIN. A client that moves here
// misses nothing by that: its old session ends before the new one opens, and after LOGIN.
func (l *loop) sayMissed(s *session) {
	if !s.hello {
		s.broadcasts = l.casts.head()
		return
	}
	if lost := int32(l.casts.base - s.broadcasts); lost > 0 { // the log was dropped meanwhile
		l.counters.dropped[dropBroadcastFull].Add(uint64(lost))
		s.broadcasts = l.casts.base
	}
	l.writeBroadcasts(s)
}

// writeBroadcasts writes all that s has not seen.
func (l *loop) writeBroadcasts(s *session) {
	g := &l.casts
	first := int(s.broadcasts - g.base)
	s.broadcasts = g.head()
	missed := len(g.casts) - first
	if missed <= 0 || s.draining { // then its reservation has them
		return
	}
	if s.queued() > l.srv.cfg.SoftOutbound {
		l.counters.dropped[dropBroadcastSlow].Add(uint64(missed))
		return
	}
	_, excepted := g.except[s.user]
	if excepted || !s.hello || s.isDevice && g.people {
		l.writeSome(s, g.casts[first:])
		return
	}
	begin := 0
	if first > 0 {
		begin = g.casts[first-1].end
	}
	l.counters.messagesOut.Add(uint64(missed))
	if s.out == nil {
		l.write(s, g.bytes[begin:]) // the same bytes for everyone, without a copy
		return
	}
	s.out.b = append(s.out.b, g.bytes[begin:]...)
}

// writeSome is for sessions that do not get all, or not in this encoding.
func (l *loop) writeSome(s *session, casts []cast) {
	for _, c := range casts {
		if c.Except == s.user || c.PeopleOnly && s.isDevice || !s.hello && slices.Contains(c.kept, s.user) {
			continue
		}
		l.appendBody(s, c.Body, frame.Cursor{})
	}
}
