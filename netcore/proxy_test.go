package netcore

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// v2 is a header of version 2.
func v2(command, family byte, rest string) string {
	h := append([]byte(proxyV2Sign), command, family, 0, 0)
	binary.BigEndian.PutUint16(h[14:], uint16(len(rest)))
	return string(h) + rest
}

const (
	v2Addresses4 = "\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x2b\xcb"
	v2Note       = "\x03\x00\x04abcd"
)

var v2Addresses6 = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07" + strings.Repeat("\x00", 15) + "\x01" + "\x04\xd2\x2b\xcb"

var goodProxyHeaders = map[string]struct{ header, client string }{
	"1, TCP4":           {"PROXY TCP4 192.0.2.7 127.0.0.1 1234 11211\r\n", "192.0.2.7:1234"},
	"1, TCP6":           {"PROXY TCP6 2001:db8::7 ::1 1234 11211\r\n", "[2001:db8::7]:1234"},
	"1, mapped":         {"PROXY TCP6 ::ffff:192.0.2.7 ::1 1234 11211\r\n", "192.0.2.7:1234"},
	"1, unknown":        {"PROXY UNKNOWN\r\n", ""},
	"1, unknown, noise": {"PROXY UNKNOWN ffff::1 what ever 1 2\r\n", ""},
	"1, longest":        {"PROXY UNKNOWN" + strings.Repeat(" ", proxyV1Max-15) + "\r\n", ""},
	"2, TCP4":           {v2(proxyV2Proxy, proxyV2TCP4, v2Addresses4), "192.0.2.7:1234"},
	"2, TCP4 and note":  {v2(proxyV2Proxy, proxyV2TCP4, v2Addresses4+v2Note), "192.0.2.7:1234"},
	"2, TCP6":           {v2(proxyV2Proxy, proxyV2TCP6, v2Addresses6), "[2001:db8::7]:1234"},
	"2, local":          {v2(proxyV2Local, 0, ""), ""},
	"2, local, noise":   {v2(proxyV2Local, proxyV2TCP4, v2Addresses4), ""},
	"2, unix":           {v2(proxyV2Proxy, 0x31, strings.Repeat("x", 216)), ""},
	"2, unspecified":    {v2(proxyV2Proxy, 0, ""), ""},
}

var badProxyHeaders = map[string]string{
	"a LOGIN":             string(plainHello(1)),
	"http":                "GET / HTTP/1.1\r\n\r\n",
	"1, lower case":       "proxy TCP4 192.0.2.7 127.0.0.1 1234 11211\r\n",
	"1, no family":        "PROXY \r\n",
	"1, UDP":              "PROXY UDP4 192.0.2.7 127.0.0.1 1234 11211\r\n",
	"1, too few words":    "PROXY TCP4 192.0.2.7 127.0.0.1 1234\r\n",
	"1, too many words":   "PROXY TCP4 192.0.2.7 127.0.0.1 1234 11211 1\r\n",
	"1, 6 as 4":           "PROXY TCP4 ::1 127.0.0.1 1234 11211\r\n",
	"1, 4 as 6":           "PROXY TCP6 192.0.2.7 ::1 1234 11211\r\n",
	"1, a zone":           "PROXY TCP6 fe80::1%eth0 ::1 1234 11211\r\n",
	"1, port too high":    "PROXY TCP4 192.0.2.7 127.0.0.1 65536 11211\r\n",
	"1, port with a sign": "PROXY TCP4 192.0.2.7 127.0.0.1 +1 11211\r\n",
	"1, port with a 0":    "PROXY TCP4 192.0.2.7 127.0.0.1 01 11211\r\n",
	"1, bad destination":  "PROXY TCP4 192.0.2.7 x 1234 11211\r\n",
	"1, no end":           "PROXY UNKNOWN" + strings.Repeat(" ", proxyV1Max),
	"2, bad command":      v2(0x22, proxyV2TCP4, v2Addresses4),
	"2, version 1":        v2(0x11, proxyV2TCP4, v2Addresses4),
	"2, short addresses":  v2(proxyV2Proxy, proxyV2TCP4, v2Addresses4[1:]),
	"2, short addresses6": v2(proxyV2Proxy, proxyV2TCP6, v2Addresses4),
	"2, too long":         v2(proxyV2Proxy, 0, strings.Repeat("x", proxyV2Extras+1)),
}

func TestProxyHeaders(t *testing.T) {
	for name, c := range goodProxyHeaders {
		for _, after := range []string{"", "frames"} {
			client, n, err := parseProxyHeader([]byte(c.header + after))
			if err != nil || n != len(c.header) {
				t.Errorf("%s: %d of %d bytes, %v", name, n, len(c.header), err)
			}
			if want, _ := netip.ParseAddrPort(c.client); client != want {
				t.Errorf("%s: client %v", name, client)
			}
		}
		for cut := range len(c.header) {
			if client, n, err := parseProxyHeader([]byte(c.header[:cut])); n != 0 || err != nil || client.IsValid() {
				t.Errorf("%s, cut at %d: %v, %d, %v", name, cut, client, n, err)
			}
		}
	}
}

func TestBadProxyHeaders(t *testing.T) {
	for name, header := range badProxyHeaders {
		if client, n, err := parseProxyHeader([]byte(header)); n != 0 || err == nil || client.IsValid() {
			t.Errorf("%s: %v, %d, %v", name, client, n, err)
		}
	}
}

// FuzzProxyHeader holds the parser to its bounds: what it takes is there, what is incomplete may yet become a
// header, and more bytes never change what was taken.
func FuzzProxyHeader(f *testing.F) {
	for _, c := range goodProxyHeaders {
		f.Add([]byte(c.header))
	}
	for _, header := range badProxyHeaders {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		client, n, err := parseProxyHeader(b)
		switch {
		case n < 0 || n > len(b) || n > maxProxyHeader:
			t.Fatalf("%d of %d bytes", n, len(b))
		case (err != nil || n == 0) && client.IsValid():
			t.Error("a client without a header")
		case err == nil && n == 0 && len(b) >= maxProxyHeader:
			t.Error("would wait for ever")
		}
		if n > 0 {
			again, m, err := parseProxyHeader(append(b[:n:n], "more"...))
			if again != client || m != n || err != nil {
				t.Errorf("with more behind it: %v, %d, %v", again, m, err)
			}
		}
	})
}
