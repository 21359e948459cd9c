package client

import (
	"context"
	"crypto/tls"
	"net"
)

// dial connects to a server: with TLS if the route says that it speaks TLS, or if the options have it. What the
// options ask for is never given up because a route says otherwise.
func (c *Client) dial(ctx context.Context, to serverPlace) (net.Conn, error) {
	addr := to.addr()
	nc, err := c.opts.Dialer(ctx, "tcp", addr)
	if err != nil || c.opts.TLS == nil && !to.TLS {
		return nc, err
	}
	secured := tls.Client(nc, tlsFor(c.opts.TLS, addr))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		if cut(err) && !to.TLS {
			err = &TLSError{Peer: addr, Fault: TLSNotSpoken, Cause: err} // as a server does that is told a ClientHello
		}
		return nil, ExplainTLS(addr, err)
	}
	return secured, nil
}

// tlsFor has the server prove the name that the route gave, unless cfg asks for another. nil: with the system's
// authorities.
func tlsFor(cfg *tls.Config, addr string) *tls.Config {
	switch {
	case cfg == nil:
		cfg = &tls.Config{}
	case cfg.ServerName != "":
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr) // of our own making
	return cfg
}
