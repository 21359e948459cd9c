package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// madeFiles are a certificate and its key, which signed themselves, in PEM.
type madeFiles struct {
	dir, cert, key string
	pool           *x509.CertPool
}

func makeFiles(t *testing.T, name string, days int) *madeFiles {
	t.Helper()
	m := &madeFiles{dir: t.TempDir()}
	m.cert, m.key = filepath.Join(m.dir, "cert.pem"), filepath.Join(m.dir, "key.pem")
	m.write(t, name, days)
	return m
}

// write makes the files anew.
func (m *madeFiles) write(t *testing.T, name string, days int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().AddDate(0, 0, days),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	m.pool = x509.NewCertPool()
	m.pool.AppendCertsFromPEM(certPEM)
	for path, text := range map[string][]byte{m.cert: certPEM, m.key: keyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *madeFiles) client() *tls.Config {
	return &tls.Config{RootCAs: m.pool, ServerName: "127.0.0.1"}
}

// onTLS is an option of newTestNode.
func onTLS(t *testing.T, f tlsFlags) func(*nodeConfig) {
	t.Helper()
	certs, err := loadCertificates(f)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *nodeConfig) { c.certs, c.proxyFrom = certs, f.ProxyFrom }
}

// loginFrame is a LOGIN with hello.
func loginFrame(t *testing.T, user int64) []byte {
	t.Helper()
	b, err := frame.AppendFrame(nil, &cimpb.Frame{
		Cmd: cimpb.Command_LOGIN, UserId: user, Hello: &cimpb.Hello{Version: 1, Device: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTLSOfBothPorts(t *testing.T) {
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	user := registerOver(t, n, m)
	conn, err := tls.Dial("tcp", n.server.Addr().String(), m.client())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := &wire{t: t, conn: conn}
	w.write(loginFrame(t, user))
	if f := w.frame(); f.GetCmd() != cimpb.Command_WELCOME {
		t.Error(f)
	}
	if resp, err := http.Get("http://" + n.httpAddr.String() + "/healthz"); err == nil && resp.StatusCode < 400 {
		resp.Body.Close()
		t.Error("the HTTP port answers without TLS")
	}
}

// registerOver makes an account over HTTPS.
func registerOver(t *testing.T, n *node, m *madeFiles) int64 {
	t.Helper()
	return registerAt(t, n.httpAddr.String(), m)
}

func registerAt(t *testing.T, httpAddr string, m *madeFiles) int64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: m.client()}, Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Post("https://"+httpAddr+"/registerAccount", "application/json", strings.NewReader(`{"userName":"ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ DataBody struct{ UserID int64 } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.DataBody.UserID == 0 {
		t.Fatalf("register: %+v, %v", answer, err)
	}
	return answer.DataBody.UserID
}

func TestCertificatesAreReadAgainOnSIGHUP(t *testing.T) {
	m := makeFiles(t, "first", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	if got := shownBy(t, n); got != "first" {
		t.Fatal(got)
	}
	m.write(t, "second", 1)
	hangUp(t)
	waitFor(t, "the new certificate", func() bool { return shownBy(t, n) == "second" })
	if err := os.WriteFile(m.cert, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t)
	if got := shownBy(t, n); got != "second" {
		t.Errorf("after a file that is no certificate: %q", got)
	}
}

// waitFor looks until it is so.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !cond(); <-look.C {
		if time.Now().After(end) {
			t.Fatal("it did not come to this: ", what)
		}
	}
}

func hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// shownBy is the name in the certificate that the IM port shows.
func shownBy(t *testing.T, n *node) string {
	t.Helper()
	return shownAt(t, n.server.Addr().String())
}

func shownAt(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateErrorsSayWhatToDo(t *testing.T) {
	m, other, old := makeFiles(t, "a", 1), makeFiles(t, "b", 1), makeFiles(t, "c", -1)
	junk := writeFile(t, "junk.pem", "junk")
	up := []string{"up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", ":memory:"}
	for name, tc := range map[string]struct {
		flags []string
		code  int
		says  string
	}{
		"no key":          {[]string{"--tls-cert", m.cert}, exitUsage, "--tls-key FILE"},
		"no certificate":  {[]string{"--tls-key", m.key}, exitUsage, "--tls-cert FILE"},
		"CA without TLS":  {[]string{"--tls-client-ca", m.cert}, exitUsage, "without TLS"},
		"missing file":    {[]string{"--tls-cert", "/nonexistent", "--tls-key", m.key}, exitFailed, "--tls-cert: open /nonexistent"},
		"missing key":     {[]string{"--tls-cert", m.cert, "--tls-key", "/nonexistent"}, exitFailed, "--tls-key: open /nonexistent"},
		"junk":            {[]string{"--tls-cert", junk, "--tls-key", m.key}, exitFailed, "PEM files that belong together"},
		"another's key":   {[]string{"--tls-cert", m.cert, "--tls-key", other.key}, exitFailed, "PEM files that belong together"},
		"expired":         {[]string{"--tls-cert", old.cert, "--tls-key", old.key}, exitFailed, "renew it"},
		"CA is junk":      {[]string{"--tls-cert", m.cert, "--tls-key", m.key, "--tls-client-ca", junk}, exitFailed, "no certificate in PEM"},
		"not a network":   {[]string{"--proxy-from", "10.0.0.300/8"}, exitUsage, "proxy-from"},
		"not an addition": {[]string{"--proxy-from", "10.0.0.1"}, exitUsage, "proxy-from"},
	} {
		code, _, stderr := runCIM(t, append(up, tc.flags...)...)
		if code != tc.code || !strings.Contains(stderr, tc.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %q", name, code, stderr)
		}
	}
	if code, out, stderr := runCIM(t, append(up, "--tls-cert", m.cert, "--tls-key", m.key, "--proxy-from", "10.0.0.0/8,::1/128")...); code != exitOK || !strings.Contains(out, "https://") {
		t.Errorf("exit %d, %q, %q", code, out, stderr)
	}
}

func TestClientCertificatesAreRequiredOnBothPorts(t *testing.T) {
	m, devices := makeFiles(t, "server", 1), makeFiles(t, "devices", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key, TLSClientCA: devices.cert}))
	pair, err := tls.LoadX509KeyPair(devices.cert, devices.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{n.server.Addr().String(), n.httpAddr.String()} {
		for _, certs := range [][]tls.Certificate{nil, {pair}} {
			cfg := m.client()
			cfg.Certificates, cfg.MaxVersion = certs, tls.VersionTLS12 // in 1.3 the client would hear of it later
			conn, err := tls.Dial("tcp", addr, cfg)
			if (err == nil) != (certs != nil) {
				t.Errorf("%s with %d certificates: %v", addr, len(certs), err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

func TestProxyFromNamesTheClientToTheNode(t *testing.T) {
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{
		TLSCert: m.cert, TLSKey: m.key, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}))
	conn, err := net.Dial("tcp", n.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.Copy(conn, bytes.NewBufferString("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(conn, m.client()).Handshake(); err != nil {
		t.Error(err)
	}
}
