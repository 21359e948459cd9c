package bench

import (
	"errors"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// start connects the socket of a connection that has its login.
func (s *swarm) start(r *loginResult) {
	c := &s.conns[r.conn]
	if r.err != nil {
		s.drop(c, loginReason(r.err))
		return
	}
	login, err := s.loginFrame(r)
	if err != nil {
		s.drop(c, reasonLoginFailed)
		return
	}
	if r.tls != nil {
		s.adopt(r, login)
		return
	}
	fd, err := dial(r.addr, source(r.addr.Addr(), s.job.Share.index(r.conn)))
	if err != nil {
		s.drop(c, errnoReason(err))
		return
	}
	c.fd, c.buf, c.state = int32(fd), login, stateConnecting
	if err := s.poller.add(fd, r.conn, unix.EPOLLOUT); err != nil {
		s.drop(c, errnoReason(err))
		return
	}
	s.greeting = append(s.greeting, greeting{int32(r.conn), s.now() + s.job.Timeout})
}

func (s *swarm) loginFrame(r *loginResult) ([]byte, error) {
	return frame.AppendFrame(nil, &cimpb.Frame{
		Cmd: cimpb.Command_LOGIN, UserId: s.job.Users[r.conn].UserID, Text: s.job.name(r.conn),
		Hello: &cimpb.Hello{
			Version: protocolNumber, Token: r.ticket, Device: deviceName,
			HeartbeatMs: uint32(s.job.Heartbeat.Milliseconds()),
		},
	})
}

// handle goes on with a connection whose socket is ready.
func (s *swarm) handle(i int) {
	switch c := &s.conns[i]; c.state {
	case stateConnecting:
		s.connected(i, c)
	case stateGreeting, stateOpen:
		s.read(c)
		if s.traffic != nil {
			s.traffic.flush(i)
		}
	}
}

// connected ends the handshake and says who this is.
func (s *swarm) connected(i int, c *conn) {
	errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	if err == nil {
		err = s.poller.change(int(c.fd), i, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	if err != nil {
		s.drop(c, errnoReason(err))
		return
	}
	login := c.buf
	c.buf, c.state = nil, stateGreeting
	s.write(c, login)
}

// write sends a few bytes at once. A socket without room for them has a peer that stopped reading long ago.
func (s *swarm) write(c *conn, b []byte) {
	n, err := c.send(b)
	switch {
	case errors.Is(err, unix.EAGAIN), err == nil && n < len(b):
		s.drop(c, reasonWriteBlocked)
	case err != nil:
		s.readLast(c, errnoReason(err))
	default:
		c.written = s.now()
	}
}

// readLast looks for what the peer said before it closed, when a write finds the socket gone.
func (s *swarm) readLast(c *conn, reason string) {
	s.read(c)
	if c.state != stateClosed {
		s.drop(c, reason)
	}
}

// read takes what has come. One call is enough: the poller reports again what is left; but not what crypto/tls holds.
func (s *swarm) read(c *conn) {
	for s.readOnce(c) && c.tls != nil && c.state != stateClosed {
	}
}

// readOnce reports whether there may be more.
func (s *swarm) readOnce(c *conn) bool {
	held := copy(s.scratch, c.buf)
	n, err := c.receive(s.scratch[held:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return false
	case err != nil:
		s.drop(c, errnoReason(err))
		return false
	case n == 0:
		s.drop(c, reasonEOF)
		return false
	}
	buf := s.scratch[:held+n]
	s.tally.Sends.BytesIn += int64(n)
	taken, err := eachFrame(buf, func(payload []byte) bool { return s.frame(c, payload) })
	if err != nil {
		s.drop(c, reasonBadFrame)
	}
	if c.state != stateClosed {
		c.buf = keep(buf[taken:])
	}
	return true
}

// frame handles one frame and reports whether the connection is still there.
func (s *swarm) frame(c *conn, payload []byte) bool {
	if isPong(payload) {
		s.pong(c)
		return true
	}
	var v frame.View
	if err := v.Parse(payload); err != nil {
		s.drop(c, reasonBadFrame)
		return false
	}
	switch v.Cmd {
	case cimpb.Command_WELCOME:
		var w cimpb.Welcome
		if err := proto.Unmarshal(v.Welcome, &w); err != nil {
			s.drop(c, reasonBadFrame)
			return false
		}
		s.welcome(c, &w)
	case cimpb.Command_ERROR, cimpb.Command_KICK, cimpb.Command_MOVE:
		c.code = statusCode(v.Status)
	default:
		if s.traffic == nil || !s.traffic.frame(int(c.place), &v) {
			s.tally.Messages++
		}
	}
	return true
}

func statusCode(status []byte) cimpb.Code {
	var st cimpb.Status
	if err := proto.Unmarshal(status, &st); err != nil {
		return 0
	}
	return cimpb.Code(st.GetCode())
}

// expireGreetings drops the connections that have no WELCOME in time. All have the same time, so the list
// is in order.
func (s *swarm) expireGreetings() {
	now := s.now()
	for len(s.greeting) > 0 {
		g := s.greeting[0]
		c := &s.conns[g.conn]
		under := c.state == stateConnecting || c.state == stateGreeting
		if under && g.by > now {
			return
		}
		if under {
			s.drop(c, greetingReason(c.state))
		}
		s.greeting = s.greeting[1:]
	}
}

func greetingReason(st connState) string {
	if st == stateConnecting {
		return reasonConnectTimeout
	}
	return reasonNoWelcome
}

// drop ends a connection and counts why. What the server said goes before what the socket did.
func (s *swarm) drop(c *conn, reason string) {
	if c.code != 0 {
		reason = codeReason(c.code)
	}
	if c.state != stateWaiting {
		_ = unix.Close(int(c.fd))
	}
	if c.state == stateOpen {
		s.tally.Open--
	} else {
		s.settle()
	}
	if c.state == stateOpen && c.silent && s.holding {
		s.tally.Silenced[reason]++
		s.silent = append(s.silent, s.now()-c.written)
	} else {
		s.tally.Drops[reason]++
	}
	if s.traffic != nil {
		s.traffic.closed(int(c.place))
	}
	s.unheard -= int(c.unheard)
	s.tally.Unanswered += int64(c.unheard)
	c.state, c.buf, c.tls, c.unheard = stateClosed, nil, nil, 0
}
