package bench

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// authorityOf is a file with what to trust to trust s.
func authorityOf(t *testing.T, s *fakeServer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIdleOverTLS(t *testing.T) {
	s := startFakeServer(t, map[int]behaviour{3: dribbling, 5: talking, 7: hoarding, 38: dribbling}, true)
	r := newTestIdle(t, s, func(c *IdleConfig) {
		c.TLS.CA, c.Workers, c.Connections = authorityOf(t, s), 2, 40
	})
	r.enough = func(t tally) bool { return t.Pongs >= 400 }
	rep, err := r.Run(t.Context())
	if err != nil || rep.Connected != 40 || rep.Open != 40 || rep.Messages == 0 || !rep.Config.TLS {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rep.Pings < 400 || rep.Pongs+rep.Unanswered != rep.Pings {
		t.Errorf("%d PINGs, %d PONGs, %d unanswered", rep.Pings, rep.Pongs, rep.Unanswered)
	}
	var text strings.Builder
	if err := rep.WriteText(&text); err != nil || !strings.Contains(text.String(), "TLS") {
		t.Errorf("the report does not tell the transport: %s", text.String())
	}
}

func TestIdleOverTLSCountsDropsByReason(t *testing.T) {
	s := startFakeServer(t, map[int]behaviour{
		1: closing, 3: failing, 4: kicking, 5: babbling, 6: refusing, 8: nowhere, 9: loginUnavailable,
	}, true)
	r := newTestIdle(t, s, func(c *IdleConfig) { c.TLS.CA, c.Connections = authorityOf(t, s), 20 })
	r.enough = func(t tally) bool { return t.dropped() >= 7 }
	rep, err := r.Run(t.Context())
	if !errors.Is(err, ErrDropped) {
		t.Fatalf("%+v, %v", rep, err)
	}
	for reason, n := range map[string]int{
		reasonEOF: 1, "slow_reader": 1, "replaced": 1, reasonBadFrame: 1, "store_down": 1, reasonRefused: 1, "login_no_server": 1,
	} {
		if rep.Drops[reason] != n {
			t.Errorf("%d dropped for %s, want %d: %v", rep.Drops[reason], reason, n, rep.Drops)
		}
	}
}

// What is wrong with the certificates ends the run before it begins.
func TestIdleNeedsTrust(t *testing.T) {
	s := startFakeServer(t, nil, true)
	_, err := newTestIdle(t, s, nil).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("error is %v", err)
	}
	_, err = newTestIdle(t, s, func(c *IdleConfig) { c.TLS = TLSFiles{CA: authorityOf(t, s), ServerName: "elsewhere.invalid"} }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "elsewhere.invalid") {
		t.Errorf("error is %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // it never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = tryTLS(t.Context(), netip.MustParseAddrPort(ln.Addr().String()), place{}, &tls.Config{ServerName: "x"}, 10*time.Millisecond)
	if e, ok := errors.AsType[*ServerTLSError](err); !ok || e.Server != ln.Addr().String() || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that says nothing: %v", err)
	}
}

func TestTLSFiles(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]TLSFiles{
		"--tls-ca: open": {CA: junk + "x"}, "holds no certificate": {CA: junk}, "--tls-key": {Cert: junk, Key: junk},
	} {
		if _, err := f.config(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", f, err, name)
		}
	}
	cfg := DefaultIdle()
	cfg.Route, cfg.TLS.CA = "https://127.0.0.1:1", junk
	if _, err := NewIdle(cfg); !errors.Is(err, ErrConfig) {
		t.Errorf("NewIdle: %v", err)
	}
}

// handshakeWith connects to a listener that does with the connection what serve says.
func handshakeWith(ctx context.Context, t *testing.T, timeout time.Duration, serve func(net.Conn)) error {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	doneCh := make(chan struct{})
	go func() {
		defer close(doneCh)
		if c, err := ln.Accept(); err == nil {
			serve(c)
			c.Close()
		}
	}()
	defer func() { ln.Close(); <-doneCh }()
	addr := netip.MustParseAddrPort(ln.Addr().String())
	c, fd, err := secure(ctx, addr, source(addr.Addr(), 0), &tls.Config{ServerName: "x"}, timeout)
	if err == nil {
		unix.Close(fd)
		t.Errorf("a handshake with nobody: %v", c.ConnectionState())
	}
	return err
}

func TestHandshakesThatFail(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	hold := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for name, tc := range map[string]struct {
		ctx     context.Context
		timeout time.Duration
		serve   func(net.Conn)
		reason  string
	}{
		"silence": {t.Context(), 20 * time.Millisecond, hold, reasonConnectTimeout},
		"the end": {canceled, time.Minute, func(c net.Conn) { cancel(); hold(c) }, reasonConnectTimeout},
		"hang up": {t.Context(), time.Minute, func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, reasonEOF},
		"no TLS":  {t.Context(), time.Minute, func(c net.Conn) { _, _ = c.Write([]byte("hello, here is no TLS")); hold(c) }, reasonTLS},
	} {
		err := handshakeWith(tc.ctx, t, tc.timeout, tc.serve)
		if got := loginReason(err); got != tc.reason || err.Error() == "" {
			t.Errorf("%s: %v is %q, want %q", name, err, got, tc.reason)
		}
	}
}
