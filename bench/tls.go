package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// TLSFiles say whom a run trusts and what it shows, by files in PEM, which every process of the run reads. The
// zero value trusts the system's authorities and shows nothing.
type TLSFiles struct {
	CA         string `json:"ca,omitempty"`   // empty: the system's
	Cert       string `json:"cert,omitempty"` // empty: none; with Key
	Key        string `json:"key,omitempty"`
	ServerName string `json:"server_name,omitempty"` // empty: the host that is connected to
}

// config reads the files. Errors: ErrConfig.
func (f TLSFiles) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, configError("--tls-ca: %v", err)
		}
		if cfg.RootCAs = x509.NewCertPool(); !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, configError("--tls-ca: %s holds no certificate in PEM", f.CA)
		}
	}
	if f.Cert != "" || f.Key != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, configError("--tls-cert and --tls-key: %v", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// usedAt reports whether connections to a server speak TLS: if the route says so, or an authority was named.
func (f TLSFiles) usedAt(p place) bool { return p.Server.TLS || f.CA != "" }

// expecting has the server of a place prove its name.
func expecting(cfg *tls.Config, p place) *tls.Config {
	if cfg.ServerName != "" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName = p.Server.Host
	return cfg
}

// ServerTLSError says that there is no TLS with a server, where with the route there was none or all was well.
type ServerTLSError struct {
	Server   string // host:port
	Promised bool   // the route says that the server speaks it
	Cause    error
}

func (e *ServerTLSError) Error() string {
	return fmt.Sprintf("TLS with the server %s: %v", e.Server, e.Cause)
}
func (e *ServerTLSError) Unwrap() error { return e.Cause }

// tryTLS shakes hands with a server once, so that what is wrong with it is one error and not one per connection.
func tryTLS(ctx context.Context, server netip.AddrPort, p place, cfg *tls.Config, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := (&tls.Dialer{Config: expecting(cfg, p)}).DialContext(ctx, "tcp", server.String())
	if err != nil {
		return &ServerTLSError{Server: server.String(), Promised: p.Server.TLS, Cause: err}
	}
	return c.Close()
}
