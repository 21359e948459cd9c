package zkregistry

import (
	"errors"
	"testing"

	"cim/route"
)

func TestNodeName(t *testing.T) {
	for name, tc := range map[string]struct {
		s    route.Server
		want string // empty: refused
	}{
		"IPv4":           {route.Server{Instance: "i", Host: "10.0.0.1", Port: 11211, HTTPPort: 8081}, "10.0.0.1:11211:8081"},
		"name":           {route.Server{Instance: "i", Host: "im-1.example.org", Port: 1, HTTPPort: 65535}, "im-1.example.org:1:65535"},
		"IPv6":           {route.Server{Instance: "i", Host: "2001:db8::1", Port: 11211, HTTPPort: 8081}, "[2001:db8::1]:11211:8081"},
		"IPv6 with zone": {route.Server{Instance: "i", Host: "fe80::1%eth0", Port: 1, HTTPPort: 2}, "[fe80::1%eth0]:1:2"},
		"no instance":    {route.Server{Host: "10.0.0.1", Port: 1, HTTPPort: 2}, ""},
		"no host":        {route.Server{Instance: "i", Port: 1, HTTPPort: 2}, ""},
		"slash":          {route.Server{Instance: "i", Host: "a/b", Port: 1, HTTPPort: 2}, ""},
		"bracket":        {route.Server{Instance: "i", Host: "[::1]", Port: 1, HTTPPort: 2}, ""},
		"blank":          {route.Server{Instance: "i", Host: "a b", Port: 1, HTTPPort: 2}, ""},
		"control":        {route.Server{Instance: "i", Host: "a\x00", Port: 1, HTTPPort: 2}, ""},
		"port 0":         {route.Server{Instance: "i", Host: "h", HTTPPort: 2}, ""},
		"http port 0":    {route.Server{Instance: "i", Host: "h", Port: 2}, ""},
		"port too large": {route.Server{Instance: "i", Host: "h", Port: 65536, HTTPPort: 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nodeName(tc.s)
			if got != tc.want || (tc.want == "") != errors.Is(err, ErrInvalidAddress) {
				t.Fatalf("%q, %v; want %q", got, err, tc.want)
			}
			if tc.want == "" {
				return
			}
			data, err := encodeNode(tc.s)
			if err != nil {
				t.Fatal(err)
			}
			if back, ok := parseNode(got, data); !ok || back != tc.s {
				t.Errorf("back: %+v, %v", back, ok)
			}
		})
	}
}

func TestParseNode(t *testing.T) {
	const cim = "127.0.0.1:11211:8081"
	at := route.Server{Instance: cim, Host: "127.0.0.1", Port: 11211, HTTPPort: 8081}
	full := at
	full.Instance, full.Version, full.Zone, full.Capacity, full.TLS, full.PeerHost = "i", "v1", "z", 7, true, "10.0.0.7"
	bare := at
	bare.Instance = "i"
	for name, tc := range map[string]struct {
		node, data string
		want       route.Server // zero: not a server
	}{
		"ours":                  {cim, `{"instance":"i","version":"v1","zone":"z","capacity":7,"tls":true,"peer_host":"10.0.0.7"}`, full},
		"of a later version":    {cim, `{"instance":"i","more":[1]}`, bare},
		"negative capacity":     {cim, `{"instance":"i","capacity":-7}`, bare},
		"CIM's":                 {cim, "", at},
		"an address, curator's": {cim, "10.1.2.3", at},
		"JSON, not an object":   {cim, "[1]", at},
		"without instance":      {cim, `{"version":"v1","capacity":7}`, at},
		"wrong type":            {cim, `{"instance":5}`, at},
		"IPv6 without brackets": {"::1:11211:8081", "", route.Server{Instance: "::1:11211:8081", Host: "::1", Port: 11211, HTTPPort: 8081}},
		"nothing":               {"", "", route.Server{}},
		"no port":               {"127.0.0.1", "", route.Server{}},
		"one port":              {"127.0.0.1:8081", "", route.Server{}},
		"no host":               {":11211:8081", "", route.Server{}},
		"port 0":                {"h:0:8081", "", route.Server{}},
		"port is a word":        {"h:11211:http", "", route.Server{}},
		"port is signed":        {"h:11211:+80", "", route.Server{}},
		"port too large":        {"h:11211:65536", "", route.Server{}},
		"open bracket":          {"[::1:11211:8081", "", route.Server{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := parseNode(tc.node, []byte(tc.data))
			if ok != (tc.want != route.Server{}) || ok && got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, ok, tc.want)
			}
		})
	}
}
