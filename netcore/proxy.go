package netcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt).
const (
	proxyV2Sign   = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV1Max    = 107 // bytes of a whole line, from the specification
	proxyV2Fixed  = 16
	proxyV2Local  = 0x20 // version 2, the proxy's own connection
	proxyV2Proxy  = 0x21 // version 2, somebody else's
	proxyV2TCP4   = 0x11
	proxyV2TCP6   = 0x21
	proxyV2Extras = 2048 // bytes after the fixed part that are taken: addresses and the proxy's notes

	maxProxyHeader = proxyV2Fixed + proxyV2Extras
)

var errProxyHeader = errors.New("netcore: not a PROXY header")

// parseProxyHeader reads the header at the begin of b. n is its size; 0 while it is incomplete. client is not
// valid when the header names none: the peer speaks for itself.
func parseProxyHeader(b []byte) (client netip.AddrPort, n int, err error) {
	const v1Sign = "PROXY "
	switch {
	case startsAs(b, proxyV2Sign):
		return parseProxyV2(b)
	case startsAs(b, v1Sign):
		return parseProxyV1(b)
	}
	return netip.AddrPort{}, 0, errProxyHeader
}

// startsAs reports whether b begins with sign, as far as there is any of b.
func startsAs(b []byte, sign string) bool {
	n := min(len(b), len(sign))
	return string(b[:n]) == sign[:n]
}

func parseProxyV1(b []byte) (client netip.AddrPort, n int, err error) {
	line, _, ok := bytes.Cut(b[:min(len(b), proxyV1Max)], []byte("\r\n"))
	if !ok {
		if len(b) >= proxyV1Max {
			return client, 0, errProxyHeader
		}
		return client, 0, nil
	}
	n = len(line) + len("\r\n")
	words := strings.Split(string(line), " ")
	if words[1] == "UNKNOWN" {
		return client, n, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return client, 0, errProxyHeader
	}
	six := words[1] == "TCP6"
	client, ok = addrPort(words[2], words[4], six)
	if _, fine := addrPort(words[3], words[5], six); !ok || !fine {
		return netip.AddrPort{}, 0, errProxyHeader
	}
	return client, n, nil
}

func addrPort(host, port string, six bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4() == six || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), true
}

func parseProxyV2(b []byte) (client netip.AddrPort, n int, err error) {
	if len(b) < proxyV2Fixed {
		return client, 0, nil
	}
	command, family := b[12], b[13]
	length := int(binary.BigEndian.Uint16(b[14:]))
	if command != proxyV2Local && command != proxyV2Proxy || length > proxyV2Extras {
		return client, 0, errProxyHeader
	}
	if n = proxyV2Fixed + length; len(b) < n {
		return client, 0, nil
	}
	if command == proxyV2Local {
		return client, n, nil
	}
	client, ok := proxyV2Source(family, b[proxyV2Fixed:n])
	if !ok {
		return client, 0, errProxyHeader
	}
	return client, n, nil
}

// proxyV2Source reads the source address. A family that is not TCP over IP names nobody.
func proxyV2Source(family byte, b []byte) (client netip.AddrPort, ok bool) {
	size := 0
	switch family {
	case proxyV2TCP4:
		size = 4
	case proxyV2TCP6:
		size = 16
	default:
		return client, true
	}
	if len(b) < 2*size+4 { // two addresses, two ports
		return client, false
	}
	ip, _ := netip.AddrFromSlice(b[:size])
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(b[2*size:])), true
}
