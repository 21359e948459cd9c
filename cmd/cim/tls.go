package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// tlsFlags are what a command that listens says of TLS, and of proxies in front of it.
type tlsFlags struct {
	TLSCert     string         `name:"tls-cert" help:"Speak TLS on both ports, with this certificate and its chain (PEM); read again on SIGHUP." placeholder:"FILE"`
	TLSKey      string         `name:"tls-key" help:"Private key of --tls-cert (PEM)." placeholder:"FILE"`
	TLSClientCA string         `name:"tls-client-ca" help:"Require a certificate that one of these authorities signed (PEM) from every client." placeholder:"FILE"`
	ProxyFrom   []netip.Prefix `name:"proxy-from" help:"Networks of proxies: connections from there to --listen have to begin with a PROXY header, version 1 or 2; on the HTTP port, their X-Forwarded-For is believed." placeholder:"CIDR,..."`
}

// check is part of the command's Validate.
func (f tlsFlags) check() error {
	switch {
	case f.TLSCert != "" && f.TLSKey == "":
		return errors.New("--tls-cert needs --tls-key FILE, the certificate's private key")
	case f.TLSCert == "" && f.TLSKey != "":
		return errors.New("--tls-key needs --tls-cert FILE, the key's certificate")
	case f.TLSCert == "" && f.TLSClientCA != "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key: without TLS nobody shows a certificate")
	}
	return nil
}

// certificates are what the servers of a node show and require; nil: they do without TLS.
type certificates struct {
	flags   tlsFlags                   // immutable after loadCertificates
	current atomic.Pointer[tls.Config] // of new connections
}

// loadCertificates returns nil without the flags.
func loadCertificates(f tlsFlags) (*certificates, error) {
	if f.TLSCert == "" {
		return nil, nil
	}
	c := &certificates{flags: f}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// load reads the files. On an error what was loaded before stays.
func (c *certificates) load() error {
	pair, err := loadPair(c.flags.TLSCert, c.flags.TLSKey)
	if err != nil {
		return err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.flags.TLSClientCA != "" {
		if cfg.ClientCAs, err = loadPool(c.flags.TLSClientCA); err != nil {
			return fmt.Errorf("--tls-client-ca: %w", err)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.SessionTicketsDisabled = true // an authority that is taken out is to count at once
	}
	c.current.Store(cfg)
	return nil
}

func loadPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("--tls-cert: %w", err)
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return pair, fmt.Errorf("%s and %s: %w; --tls-cert and --tls-key have to be PEM files that belong together", cert, key, err)
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		return pair, fmt.Errorf("--tls-cert %s expired on %s: renew it", cert, end.Format(time.DateOnly))
	}
	return pair, nil
}

func loadPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// signedItself reports whether the certificate in a file is its own authority, as one that somebody has made to try
// things out.
func signedItself(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && bytes.Equal(cert.RawIssuer, cert.RawSubject)
}

// config is that of a server; it follows what is loaded later. It is nil without TLS.
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// monitorReload loads the files again on each SIGHUP until ctx ends.
func (c *certificates) monitorReload(ctx context.Context, log *slog.Logger) {
	hangupCh := make(chan os.Signal, 1)
	signal.Notify(hangupCh, syscall.SIGHUP)
	defer signal.Stop(hangupCh)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangupCh:
		}
		if err := c.load(); err != nil {
			log.Error("the certificates could not be read again, and those that were read before stay", "err", err)
			continue
		}
		log.Info("the certificates were read again", "cert", c.flags.TLSCert)
	}
}

// scheme is how URLs of the HTTP port begin.
func (f tlsFlags) scheme() string {
	if f.TLSCert == "" {
		return "http"
	}
	return "https"
}
