package netcore

import "github.com/panjf2000/gnet/v2"

// A connection may have layers between gnet and the frames: a PROXY header, then TLS. A session's conn is the
// topmost one; frames are read from it and written to it as if it were gnet's.

// layer is what a layer adds to the connection below it.
type layer interface{ below() gnet.Conn }

func (t *tlsConn) below() gnet.Conn   { return t.Conn }
func (p *proxyConn) below() gnet.Conn { return p.Conn }

// isLayered reports whether connections of this configuration may have layers.
func (c Config) isLayered() bool { return c.TLS != nil || len(c.ProxyFrom) > 0 }

// addLayers puts the layers of the configuration on a new connection.
func (l *loop) addLayers(c gnet.Conn) gnet.Conn {
	switch {
	case l.srv.cfg.trustsProxy(c.RemoteAddr()):
		return &proxyConn{Conn: c}
	case l.srv.cfg.TLS != nil:
		return newTLSConn(l, c)
	}
	return c
}

// readLayers is read for a session whose connection may have layers. Must run on the session's loop.
func (l *loop) readLayers(s *session) {
	if p, ok := s.conn.(*proxyConn); ok && p.client == nil && !l.readProxyHeader(s, p) {
		return
	}
	if t, ok := s.conn.(*tlsConn); ok {
		l.readTLS(s, t)
		return
	}
	l.read(s)
}

// hangUp closes the socket, after TLS's goodbye.
func hangUp(s *session) {
	sayCloseNotify(s.conn)
	if s.state == stateClosed {
		return // the goodbye found it broken
	}
	c := s.conn
	for {
		y, ok := c.(layer)
		if !ok {
			_ = c.EventLoop().Close(c)
			return
		}
		c = y.below()
	}
}

func sayCloseNotify(c gnet.Conn) {
	if t, ok := c.(*tlsConn); ok {
		t.sayCloseNotify()
	}
}

// abortHandshake lets a handshake know that its connection is gone.
func abortHandshake(c gnet.Conn) {
	if t, ok := c.(*tlsConn); ok && t.handshake != nil {
		t.handshake.abort()
	}
}

// lateReason is why a connection that did not log in in time is closed.
func (s *session) lateReason() Reason {
	if t, ok := s.conn.(*tlsConn); ok && !t.established() {
		return reasonTLSTimeout
	}
	return reasonLoginTimeout
}
