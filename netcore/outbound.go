package netcore

import (
	"cim/netcore/frame"
	cimpb "cim/proto"
)

// box returns the buffer of what this round writes to s. The caller appends and stores it back.
func (l *loop) box(s *session) *outbox {
	if s.out == nil {
		s.out = l.takeBox()
		l.markDirty(s)
	}
	return s.out
}

func (l *loop) takeBox() *outbox {
	if n := len(l.boxes); n > 0 {
		o := l.boxes[n-1]
		l.boxes = l.boxes[:n-1]
		return o
	}
	return &outbox{}
}

// markDirty has flushAll look at s.
func (l *loop) markDirty(s *session) { l.dirty = append(l.dirty, s) }

// flushAll ends a round: each connection that has something to say gets one write, and those that are to
// be closed are closed. What a close sets off is flushed too.
func (l *loop) flushAll() {
	for i := 0; i < len(l.dirty); i++ {
		l.flush(l.dirty[i])
	}
	clear(l.dirty)
	l.dirty = l.dirty[:0]
}

func (l *loop) flush(s *session) {
	if o := s.out; o != nil {
		s.out = nil
		l.write(s, o.b)
		if cap(o.b) <= outboxKeep {
			o.b = o.b[:0]
			l.boxes = append(l.boxes, o)
		}
	}
	switch {
	case s.state != stateClosing:
	case s != l.current:
		hangUp(s)
	case l.layers:
		sayCloseNotify(s.conn) // gnet closes it when OnTraffic returns
	}
}

// write hands bytes to the connection now. gnet writes to whoever has the number of a closed socket, and
// closes the connection within Write when that fails, so the state is looked at before and after.
func (l *loop) write(s *session, b []byte) {
	if s.state == stateClosed || len(b) == 0 {
		return
	}
	l.counters.writes.Add(1)
	l.counters.bytesOut.Add(uint64(len(b)))
	if _, err := s.conn.Write(b); err != nil || s.state == stateClosed {
		return
	}
	l.checkOutbound(s)
}

// checkOutbound closes a connection for which too much waits.
func (l *loop) checkOutbound(s *session) {
	if s.conn.OutboundBuffered() > l.srv.cfg.HardOutbound && s.state != stateClosing {
		s.reason, s.state = reasonSlowReader, stateClosing
		l.markDirty(s)
	}
}

// close ends a session for a reason that is counted, and tells a hello session.
func (l *loop) close(s *session, why Reason) {
	if code := reasons[why].code; code != 0 {
		l.tell(s, cimpb.Command_ERROR, code, retryAfter(code))
	}
	l.finish(s, why)
}

// retryAfter is 0 for codes that do not ask for patience.
func retryAfter(code cimpb.Code) uint32 {
	if code.Comeback() == cimpb.Comeback_LATER {
		return retrySoonMs
	}
	return 0
}

// finish has the session closed at the end of the round, after what was said to it.
func (l *loop) finish(s *session, why Reason) {
	if s.state >= stateClosing {
		return
	}
	s.reason, s.state = why, stateClosing
	l.markDirty(s)
}

// tell says a status to a hello session; a client of CIM would take it for a chat message.
func (l *loop) tell(s *session, cmd cimpb.Command, code cimpb.Code, retryMs uint32) {
	if !s.hello || s.state >= stateClosing {
		return
	}
	l.appendRare(s, &cimpb.Frame{Cmd: cmd, Seq: s.epoch, Status: code.Status(retryMs)})
}

// appendRare writes a frame by generated code: it is sent once in a session's life.
func (l *loop) appendRare(s *session, f *cimpb.Frame) {
	o := l.box(s)
	b, err := frame.AppendFrame(o.b, f)
	if err != nil {
		l.srv.cfg.Logger.Error("a frame of the server's own could not be encoded", "cmd", f.GetCmd(), "err", err)
		return
	}
	o.b = b
}
