package netcore

import (
	"net"

	"github.com/panjf2000/gnet/v2"
)

// proxyConn is a connection that came through a proxy, which says in front of everything else whose it is.
type proxyConn struct {
	gnet.Conn
	client net.Addr // nil: the header has not come
}

// RemoteAddr is the client's address, not the proxy's.
func (p *proxyConn) RemoteAddr() net.Addr {
	if p.client != nil {
		return p.client
	}
	return p.below().RemoteAddr()
}

// trustsProxy reports whether a peer's PROXY header is believed, and required.
func (c Config) trustsProxy(peer net.Addr) bool {
	a, ok := peer.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := a.AddrPort().Addr().Unmap()
	for _, prefix := range c.ProxyFrom {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// readProxyHeader reports whether the header was complete; what follows it may be read then.
func (l *loop) readProxyHeader(s *session, p *proxyConn) bool {
	arrived := p.below().InboundBuffered()
	if arrived == 0 || s.state >= stateClosing {
		return false
	}
	b, err := p.below().Peek(min(arrived, maxProxyHeader))
	if err != nil {
		return false
	}
	client, n, err := parseProxyHeader(b[:min(len(b), maxProxyHeader)])
	switch {
	case err != nil:
		l.finish(s, reasonBadProxy)
		return false
	case n == 0:
		l.park(s, arrived)
		return false
	}
	_, _ = p.below().Discard(n)
	if p.client = p.below().RemoteAddr(); client.IsValid() {
		p.client = net.TCPAddrFromAddrPort(client)
	}
	if l.srv.cfg.TLS != nil {
		s.conn = newTLSConn(l, p)
	}
	return true
}
