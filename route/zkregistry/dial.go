package zkregistry

import (
	"context"
	"net"
	"sync"
	"time"
)

// hosts gives the library its servers by turns. Unlike the library's own it leaves names unresolved, so that a
// ZooKeeper that moved to another address is found again.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int // guarded by mu
	tried   int // guarded by mu; since the last success
}

// Init implements zk.HostProvider.
func (h *hosts) Init(servers []string) error {
	h.servers = servers
	return nil
}

// Len implements zk.HostProvider.
func (h *hosts) Len() int { return len(h.servers) }

// Next implements zk.HostProvider. With retryStart the library waits a second first.
func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next]
	h.next = (h.next + 1) % len(h.servers)
	retryStart = h.tried > 0 && h.tried%len(h.servers) == 0
	h.tried++
	return server, retryStart
}

// Connected implements zk.HostProvider.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

// dialer makes connections that end with its context and that can be broken off.
type dialer struct {
	ctx       context.Context // of the Registry: the library has none
	handshake time.Duration

	mu      sync.Mutex
	current net.Conn // guarded by mu; the newest
}

// dial is a zk.Dialer.
func (d *dialer) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: timeout}).DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil {
		d.current.Close() // the library leaves open what a session expired on
	}
	d.current = c
	if d.ctx.Err() != nil { // breakOff has been and gone
		c.Close()
	}
	return &handshakeConn{Conn: c, limit: d.handshake}, nil
}

// breakOff makes the library connect again, which answers every call that waits.
func (d *dialer) breakOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil {
		d.current.Close()
	}
}

// handshakeConn bounds the library's handshake. It would wait for a server that stands still for 6.7 times the
// session's time-out, and without any bound in the middle of an answer: long enough to lose the session while the
// ensemble's other servers are well. The library uses it from one goroutine at a time.
type handshakeConn struct {
	net.Conn
	limit       time.Duration
	read, write bool // the first deadline, the handshake's, has been set
}

// SetReadDeadline implements net.Conn. The library removes a deadline only before it sets the next one, so
// removing is not passed on, and the handshake's goes on to cover the rest of the answer.
func (c *handshakeConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if !c.read {
		c.read = true
		t = time.Now().Add(c.limit)
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *handshakeConn) SetWriteDeadline(t time.Time) error {
	if !c.write && !t.IsZero() {
		c.write = true
		t = time.Now().Add(c.limit)
	}
	return c.Conn.SetWriteDeadline(t)
}
