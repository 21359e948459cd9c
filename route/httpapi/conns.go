package httpapi

import (
	"errors"
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// connSet knows the open connections, so that Shutdown can cut those that outlast its context: fasthttp
// waits for them and has no Close.
type connSet struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newConnSet() *connSet { return &connSet{open: make(map[net.Conn]struct{})} }

// track is the server's ConnState hook.
func (s *connSet) track(c net.Conn, state fasthttp.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case fasthttp.StateNew:
		s.open[c] = struct{}{}
		if s.closed {
			_ = c.Close()
		}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		delete(s.open, c)
	default:
	}
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
