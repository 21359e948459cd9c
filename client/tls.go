package client

import (
	"context"
	"crypto/tls"
	"net"
)

// dial connects to a server, with TLS if the options have it.
func (c *Client) dial(ctx context.Context, addr string) (net.Conn, error) {
	nc, err := c.opts.Dialer(ctx, "tcp", addr)
	if err != nil || c.opts.TLS == nil {
		return nc, err
	}
	secured := tls.Client(nc, tlsFor(c.opts.TLS, addr))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return secured, nil
}

// tlsFor has the server prove the name that the route gave, unless cfg asks for another.
func tlsFor(cfg *tls.Config, addr string) *tls.Config {
	if cfg.ServerName != "" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr) // of our own making
	return cfg
}
