package httpapi

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// connShare is the part of all connections that one address may have: a client needs a few, and none should be able to
// keep everybody else out by connecting alone.
const (
	connShare    = 4
	minConnShare = 16 // where there are few
)

// connSet knows the open connections: how many of each address there are, and, for Shutdown, which outlast its
// context, because fasthttp waits for them and has no Close.
type connSet struct {
	share  int                   // that one address may have
	exempt func(netip.Addr) bool // proxies, which stand for many

	mu     sync.Mutex
	open   map[net.Conn]netip.Addr
	count  map[netip.Addr]int
	closed bool

	refused atomic.Uint64 // because their address had its share
}

func newConnSet(conns int, exempt func(netip.Addr) bool) *connSet {
	return &connSet{
		share: max(minConnShare, conns/connShare), exempt: exempt,
		open: make(map[net.Conn]netip.Addr), count: make(map[netip.Addr]int),
	}
}

// track is the server's ConnState hook.
func (s *connSet) track(c net.Conn, state fasthttp.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case fasthttp.StateNew:
		from := sourceOf(addrOf(c))
		s.open[c] = from
		s.count[from]++
		tooMany := s.count[from] > s.share && !s.exempt(addrOf(c))
		if tooMany {
			s.refused.Add(1)
		}
		if tooMany || s.closed {
			_ = c.Close()
		}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.forget(c)
	default:
	}
}

// forget must run with mu held.
func (s *connSet) forget(c net.Conn) {
	from, ok := s.open[c]
	if !ok {
		return
	}
	delete(s.open, c)
	if s.count[from]--; s.count[from] == 0 {
		delete(s.count, from)
	}
}

// addrOf is invalid for what has no IP address, such as a listener in memory; those share as one.
func addrOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
}

// closeOnce lets the API, the server and whoever made the listener close it.
type closeOnce struct {
	net.Listener
	once sync.Once
	err  error
}

func (l *closeOnce) Close() error {
	l.once.Do(func() {
		if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
			l.err = err
		}
	})
	return l.err
}
