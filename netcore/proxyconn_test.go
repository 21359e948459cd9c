package netcore

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
)

// behind makes 127.0.0.1 a proxy.
func behind(c *Config) { c.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestProxyNamesTheClient(t *testing.T) {
	for name, h := range goodProxyHeaders {
		b := newFakeBackend()
		s := start(t, b, behind)
		c := dial(t, s)
		want := h.client
		if want == "" {
			want = c.conn.LocalAddr().String()
		}
		c.send([]byte(h.header), plainHello(1)) // in one write
		c.expect(cimpb.Command_WELCOME)
		c.sync()
		if got := receive(t, b.claimedCh, "the claim").Remote; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestProxyHeaderByteByByteBeforeTLS(t *testing.T) {
	ca := newAuthority(t)
	b := newFakeBackend()
	s := start(t, b, behind, withTLS(ca.server()))
	conn := byteByByte{dial(t, s).conn}
	if _, err := conn.Write([]byte(goodProxyHeaders["2, TCP6"].header)); err != nil {
		t.Fatal(err)
	}
	c := secure(t, conn, ca.client(tls.VersionTLS13))
	c.login(1)
	if got := receive(t, b.claimedCh, "the claim").Remote; got != "[2001:db8::7]:1234" {
		t.Error(got)
	}
	c.conn.Close()
	eventually(t, "it is gone", func() bool { return s.Conns() == 0 })
}

func TestProxyHeaderIsRequiredOfAProxy(t *testing.T) {
	for name, header := range badProxyHeaders {
		s := start(t, newFakeBackend(), behind)
		c := dial(t, s)
		c.send([]byte(header))
		c.expectClosed()
		if n := closedFor(s, reasonBadProxy); n != 1 {
			t.Errorf("%s: %v", name, s.Stats().Closed)
		}
	}
}

func TestProxyHeaderIsNobodyElses(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) {
		c.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::/0")}
	})
	join(t, s, 1).sync() // without a header
	liar := dial(t, s)
	liar.send([]byte(goodProxyHeaders["1, TCP4"].header))
	if liar.expectClosed(); closedFor(s, reasonBadProxy) != 0 {
		t.Errorf("closed: %v", s.Stats().Closed)
	}
}

func TestProxyHeaderHasTheTimeOfALogin(t *testing.T) {
	s := start(t, newFakeBackend(), behind, func(c *Config) { c.LoginTimeout = 50 * time.Millisecond })
	c := dial(t, s)
	c.send([]byte("PROXY TCP4 "))
	c.expectClosed()
	expectReason(t, s, reasonLoginTimeout, 1)
}

func TestWhoIsAProxy(t *testing.T) {
	c := Config{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.1": false, "2001:db8::1": true, "2001:db9::1": false,
	} {
		if got := c.trustsProxy(&net.TCPAddr{IP: net.ParseIP(addr), Port: 1}); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	if c.trustsProxy(&net.UnixAddr{Name: strings.Repeat("x", 3)}) {
		t.Error("a proxy without an address")
	}
}
