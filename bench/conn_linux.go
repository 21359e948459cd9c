package bench

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	cimpb "cim/proto"
)

type connState uint8

const (
	stateWaiting    connState = iota // for its login
	stateConnecting                  // the handshake is under way
	stateGreeting                    // LOGIN is written
	stateOpen                        // WELCOME was read
	stateClosed
)

// conn is one connection: 64 bytes, and a buffer only while it logs in or a frame is incomplete. TLS adds some 8 KB.
type conn struct {
	tls     *tls.Conn     // nil: plain
	buf     []byte        // while connecting: the LOGIN frame; then the beginning of an incomplete frame
	due     time.Duration // of the last PING, by the schedule
	written time.Duration // when something was last written
	fd      int32
	place   int32      // in the share
	code    cimpb.Code // what the server said before it closes
	unheard uint16     // PINGs without a PONG
	state   connState
	silent  bool
}

// dial starts a connection. A source that is not valid leaves the choice to the kernel.
func dial(server netip.AddrPort, source netip.Addr) (fd int, err error) {
	family := unix.AF_INET
	if server.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = prepare(fd, source); err == nil {
		err = unix.Connect(fd, sockaddr(server))
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// prepare sets what has to be set before connect. IP_BIND_ADDRESS_NO_PORT (ip(7)) leaves the port to
// connect, which may use a port for several servers.
func prepare(fd int, source netip.Addr) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if !source.IsValid() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()})
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// source is where the connection of that place in the run comes from.
func source(server netip.Addr, index int) netip.Addr {
	if !manySources(server) {
		return netip.Addr{}
	}
	return netip.AddrFrom4(sourceAddr(index))
}

// errnoReason names a system error.
func errnoReason(err error) string {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return reasonTLS // whatever else comes of a socket is crypto/tls's
	}
	switch errno {
	case unix.ECONNREFUSED:
		return reasonRefused
	case unix.ECONNRESET, unix.EPIPE:
		return reasonReset
	case unix.ETIMEDOUT:
		return reasonConnectTimeout
	case unix.EADDRNOTAVAIL, unix.EADDRINUSE:
		return reasonNoPort
	case unix.EMFILE, unix.ENFILE:
		return reasonNoFiles
	}
	return strings.ToLower(unix.ErrnoName(errno))
}
