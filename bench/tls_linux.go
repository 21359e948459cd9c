package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tlsSocket is a socket as crypto/tls sees it. During the handshake, which crypto/tls cannot leave and come back to,
// a goroutine waits in it; afterwards it belongs to the swarm's loop, and says EAGAIN in place of waiting. That
// error calls itself temporary, and crypto/tls makes no such error of a Read final.
type tlsSocket struct {
	fd     int
	ctx    context.Context // of the handshake; nil afterwards
	giveUp time.Time       // likewise
}

// secure connects and shakes hands. It blocks for at most timeout. The connection and its socket are the caller's.
// Errors: a *connectError.
func secure(ctx context.Context, server netip.AddrPort, from netip.Addr, cfg *tls.Config, timeout time.Duration) (*tls.Conn, int, error) {
	fd, err := dial(server, from)
	if err != nil {
		return nil, -1, &connectError{errnoReason(err), err}
	}
	socket := &tlsSocket{fd: fd, ctx: ctx, giveUp: time.Now().Add(timeout)}
	c := tls.Client(socket, cfg)
	if err = socket.connected(); err == nil {
		err = c.HandshakeContext(ctx)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, -1, &connectError{handshakeReason(err), err}
	}
	socket.ctx = nil
	return c, fd, nil
}

// connected waits for connect to end.
func (s *tlsSocket) connected() error {
	if err := s.await(unix.POLLOUT); err != nil {
		return err
	}
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

func handshakeReason(err error) string {
	var errno unix.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return reasonConnectTimeout
	case errors.As(err, &errno):
		return errnoReason(errno)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reasonEOF
	}
	return reasonTLS
}

// await waits until the socket is ready, and looks at the context now and then.
func (s *tlsSocket) await(events int16) error {
	const look = 100 * time.Millisecond
	for {
		left := time.Until(s.giveUp)
		switch {
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		case left <= 0:
			return os.ErrDeadlineExceeded
		}
		ready := []unix.PollFd{{Fd: int32(s.fd), Events: events}}
		n, err := unix.Poll(ready, int(min(left, look).Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Read waits during the handshake only.
func (s *tlsSocket) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && s.ctx != nil:
			if err := s.await(unix.POLLIN); err != nil {
				return 0, err
			}
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write takes all or fails: what the swarm writes fits into the buffer of a peer that reads.
func (s *tlsSocket) Write(b []byte) (int, error) {
	n, err := unix.Write(s.fd, b)
	if err == nil && n < len(b) {
		err = unix.EAGAIN
	}
	return max(n, 0), err
}

// Close is the swarm's business.
func (s *tlsSocket) Close() error { return nil }

func (s *tlsSocket) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (s *tlsSocket) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline and its like are for the handshake's context, which await looks at.
func (s *tlsSocket) SetDeadline(time.Time) error      { return nil }
func (s *tlsSocket) SetReadDeadline(time.Time) error  { return nil }
func (s *tlsSocket) SetWriteDeadline(time.Time) error { return nil }

// adopt goes on with a connection that has shaken hands.
func (s *swarm) adopt(r *loginResult, login []byte) {
	c := &s.conns[r.conn]
	c.fd, c.tls, c.state = int32(r.fd), r.tls, stateGreeting
	s.greeting = append(s.greeting, greeting{int32(r.conn), s.now() + s.job.Timeout})
	if err := s.poller.add(r.fd, r.conn, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		s.drop(c, errnoReason(err))
		return
	}
	s.write(c, login)
}

// send is write(2), through TLS where the connection has it.
func (c *conn) send(b []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Write(b)
	}
	return unix.Write(int(c.fd), b)
}

// receive is read(2), through TLS where the connection has it.
func (c *conn) receive(b []byte) (int, error) {
	if c.tls == nil {
		return unix.Read(int(c.fd), b)
	}
	n, err := c.tls.Read(b)
	if n > 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil // an end is 0 and no error, as of read(2)
	}
	return n, err
}
