package netcore

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), pool: x509.NewCertPool()}
	template := certificateOf("authority")
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificateOf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// sign makes a certificate with that name.
func (a *authority) sign(name string) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, certificateOf(name), a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// server is the configuration of a server with a certificate of a.
func (a *authority) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.sign("server")}, MinVersion: tls.VersionTLS12}
}

// client is that of a client which trusts a and speaks one version.
func (a *authority) client(version uint16) *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", MinVersion: version, MaxVersion: version}
}

// withTLS is an option of start.
func withTLS(cfg *tls.Config) func(*Config) { return func(c *Config) { c.TLS = cfg } }

// secure is a client's half of a TLS connection over conn.
func secure(t testing.TB, conn net.Conn, cfg *tls.Config) *client {
	t.Helper()
	secured := tls.Client(conn, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	return &client{t, secured, bufio.NewReader(secured)}
}

// joinTLS dials, shakes hands and logs in.
func joinTLS(t testing.TB, s *Server, user int64, cfg *tls.Config) *client {
	t.Helper()
	c := secure(t, dial(t, s).conn, cfg)
	c.login(user)
	return c
}

// byteByByte is a connection that writes and reads single bytes.
type byteByByte struct{ net.Conn }

func (b byteByByte) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func (b byteByByte) Read(p []byte) (int, error) { return b.Conn.Read(p[:min(1, len(p))]) }

// versions are those that a server speaks.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// stubPeer is the client's end of a stub. Its Read plays gnet until there is an answer.
type stubPeer struct {
	net.Conn
	r    *rig
	c    *stubConn
	said []byte
}

func (p *stubPeer) Write(b []byte) (int, error) {
	p.said = append(p.said, b...)
	return len(b), nil
}

func (p *stubPeer) Read(b []byte) (int, error) {
	p.r.feed(p.c, p.taken())
	p.r.until("an answer", func() bool { return len(p.c.out) > 0 })
	n := copy(b, p.c.out)
	p.c.out = p.c.out[n:]
	return n, nil
}

// taken is what was written since.
func (p *stubPeer) taken() []byte {
	said := p.said
	p.said = nil
	return said
}

// joinTLS has a stub shake hands and log in. What is written to the client goes into records by peer.
func (r *rig) joinTLS(ca *authority, version uint16) (c *stubConn, peer *stubPeer, secured *client) {
	r.t.Helper()
	c = r.open()
	peer = &stubPeer{r: r, c: c}
	conn := tls.Client(peer, ca.client(version))
	if err := conn.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := conn.Write(plainHello(1)); err != nil {
		r.t.Fatal(err)
	}
	r.feed(c, peer.taken())
	r.until("the login", func() bool { return c.session().state == stateOpen })
	return c, peer, &client{r.t, conn, bufio.NewReader(conn)}
}
