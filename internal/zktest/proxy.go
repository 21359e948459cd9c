package zktest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and one server. It may cut them off, and knows the session that was opened
// through it last, so that a test can end it. Safe for concurrent use.
type Proxy struct {
	target   string       // immutable
	listener net.Listener // immutable

	mu      sync.Mutex
	conns   map[net.Conn]struct{} // guarded by mu; both sides of each connection
	cut     bool                  // guarded by mu
	session session               // guarded by mu
	wg      sync.WaitGroup
}

// NewProxy starts a proxy that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut closes all connections and lets no new one through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	p.closeAll()
}

// closeAll must run with mu held.
func (p *Proxy) closeAll() {
	for c := range p.conns {
		c.Close()
	}
}

// Mend is the end of a Cut.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.track(client, server) {
		return
	}
	defer p.untrack(client, server)
	p.wg.Go(func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	})
	answer, err := readPacket(server)
	if err != nil {
		return
	}
	p.note(answer)
	if writePacket(client, answer) == nil {
		_, _ = io.Copy(client, server)
	}
}

func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

func (p *Proxy) untrack(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// note keeps the session of an answer to a connect request.
func (p *Proxy) note(answer []byte) {
	s, ok := parseConnectResponse(answer)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
}

// SessionID is the id of the session that was opened through the proxy last; 0: none.
func (p *Proxy) SessionID() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session.id
}

// ExpireSession ends that session behind its client's back: by a second connection that has its id and
// password and closes it. ZooKeeper treats what it held as after an expiry. As after one, the client is cut off
// and may come back.
func (p *Proxy) ExpireSession(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	s := p.session
	p.mu.Unlock()
	if err := s.end(p.target); err != nil {
		t.Fatalf("end session %#x: %v", s.id, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeAll()
}
