package zkregistry

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"unicode"

	"cim/route"
)

// nodeData is what a node holds. It never changes while the node lives. CIM's servers write nothing.
type nodeData struct {
	Instance string `json:"instance"`
	Version  string `json:"version,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Capacity int    `json:"capacity,omitempty"`
	TLS      bool   `json:"tls,omitempty"`
	PeerHost string `json:"peer_host,omitempty"`
}

// nodeName is ip:im-port:http-port, as CIM's servers call themselves. An IPv6 address stands in brackets, as in a
// URL. (CIM's route splits at each colon and cannot use such a server.)
// Errors: ErrInvalidAddress.
func nodeName(s route.Server) (string, error) {
	if s.Instance == "" || !validHost(s.Host) || !validPort(s.Port) || !validPort(s.HTTPPort) {
		return "", ErrInvalidAddress
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) + ":" + strconv.Itoa(s.HTTPPort), nil
}

// parseNode reads a node. One without data, or with data of another kind, is named by its address.
func parseNode(name string, data []byte) (route.Server, bool) {
	address, httpPort, ok := cutLast(name)
	if !ok {
		return route.Server{}, false
	}
	host, port, ok := cutLast(address)
	if !ok {
		return route.Server{}, false
	}
	if h, isIPv6 := strings.CutPrefix(host, "["); isIPv6 {
		if host, ok = strings.CutSuffix(h, "]"); !ok {
			return route.Server{}, false
		}
	}
	s := route.Server{Instance: name, Host: host, Port: parsePort(port), HTTPPort: parsePort(httpPort)}
	var d nodeData
	if json.Unmarshal(data, &d) == nil && d.Instance != "" {
		s.Instance, s.Version, s.Zone, s.Capacity = d.Instance, d.Version, d.Zone, max(d.Capacity, 0)
		s.TLS, s.PeerHost = d.TLS, d.PeerHost
	}
	return s, validHost(s.Host) && (s.PeerHost == "" || validHost(s.PeerHost)) && validPort(s.Port) && validPort(s.HTTPPort)
}

func encodeNode(s route.Server) ([]byte, error) {
	return json.Marshal(nodeData{s.Instance, s.Version, s.Zone, s.Capacity, s.TLS, s.PeerHost})
}

// cutLast cuts at the last colon: an IPv6 address has some of its own.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// parsePort is 0 for what is not a decimal number.
func parsePort(s string) int {
	p, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return int(p)
}

func validPort(p int) bool { return p > 0 && p < 1<<16 }

func validHost(h string) bool {
	return h != "" && !strings.ContainsFunc(h, func(r rune) bool {
		return strings.ContainsRune("/[]", r) || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}
