package netcore

import (
	"bytes"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// maxLengthBytes is the largest length prefix.
const maxLengthBytes = 5

// read takes what has arrived for s, frame by frame, and leaves an incomplete one where it is. It must run
// on the session's loop, and ends when the session may not be read any further.
func (l *loop) read(s *session) {
	arrived := s.conn.InboundBuffered()
	if arrived == 0 || s.state >= stateClosing {
		return
	}
	if arrived < int(s.needed) || s.state == stateClaiming {
		l.park(s, arrived)
		return
	}
	buf, err := s.conn.Peek(-1)
	if err != nil {
		return
	}
	used := l.consume(s, buf)
	if s.state == stateClosed {
		return
	}
	if used > 0 { // gnet takes Discard(0) for all there is
		_, _ = s.conn.Discard(used)
	}
	l.park(s, arrived-used)
}

// consume handles the complete frames of buf and returns how many bytes they were.
func (l *loop) consume(s *session, buf []byte) (used int) {
	s.needed = 0
	for s.state == stateNew || s.state == stateOpen {
		payload, n, err := frame.Next(buf[used:], l.srv.cfg.MaxFrame)
		if err != nil {
			l.close(s, frameReason(err))
			return used
		}
		if n == 0 {
			s.needed = frameSize(buf[used:])
			return used
		}
		used += n
		s.lastSeen, s.partialSince = uint32(l.now), 0
		l.counters.framesIn.Add(1)
		l.handle(s, payload)
	}
	return used
}

// frameSize is the whole size of the frame that begins in b, as far as that is known, so that a frame
// that comes in many pieces is not looked at for each of them.
func frameSize(b []byte) uint32 {
	var length uint32
	for i, c := range b {
		if i == maxLengthBytes {
			break
		}
		length |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return length + uint32(i) + 1
		}
	}
	return uint32(len(b)) + 1
}

// park accounts for bytes that stay in gnet's buffer, and limits how long and how much.
func (l *loop) park(s *session, left int) {
	l.parked += left - int(s.parked)
	s.parked = uint32(left)
	if left == 0 || s.state >= stateClosing {
		return
	}
	switch {
	case left > l.srv.cfg.MaxFrame+maxLengthBytes && s.state == stateClaiming:
		l.close(s, reasonBadLogin)
	case l.parked > partialBudget:
		l.close(s, reasonPartialBudget)
	case s.partialSince == 0:
		s.partialSince = uint32(l.now)
		if s.state == stateOpen {
			l.arm(s)
		}
	}
}

// pingPayload is the frame that nearly all frames are.
var pingPayload = frame.Ping[1:]

// handle does what one frame asks for.
func (l *loop) handle(s *session, payload []byte) {
	if s.state == stateOpen && bytes.Equal(payload, pingPayload) {
		l.ping(s)
		return
	}
	v := &l.view
	if err := v.Parse(payload); err != nil {
		l.close(s, frameReason(err))
		return
	}
	if s.state == stateNew {
		l.login(s, v)
		return
	}
	l.command(s, v)
}

// command does what an open session may ask for. What a client of CIM sends besides PING is not heeded,
// as CIM does.
func (l *loop) command(s *session, v *frame.View) {
	switch {
	case v.Cmd == cimpb.Command_PING:
		l.ping(s)
	case !s.hello:
		l.counters.dropped[dropUnknownFrame].Add(1)
	case v.Cmd == cimpb.Command_SEND:
		l.send(s, v)
	case v.Cmd == cimpb.Command_ACK:
		l.ack(s, Cursor{v.LogEpoch, v.Seq})
	case v.Cmd == cimpb.Command_SYNC:
		l.sync(s, Cursor{v.LogEpoch, v.Seq})
	case v.Cmd == cimpb.Command_LOGIN:
		l.close(s, reasonMalformed)
	default:
		l.counters.dropped[dropUnknownFrame].Add(1)
	}
}

// ping answers a heartbeat.
func (l *loop) ping(s *session) {
	l.counters.pings.Add(1)
	o := l.box(s)
	if s.hello {
		o.b = append(o.b, frame.Ping...)
		return
	}
	l.ackForCIM(s)
	o.b = append(o.b, frame.CIMPong...)
}
