package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	cimpb "cim/proto"
)

// overTLS is overTCP with TLS on both sockets, and whoever trusts its certificate.
func overTLS(t *testing.T) (s *fake, o Options, rec *recorder, trust *tls.Config) {
	t.Helper()
	s = newFake(t)
	route := httptest.NewTLSServer(s.mux)
	trust = &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(route.Certificate())
	s, o, rec = onSockets(t, s, route, func(ln net.Listener) net.Listener {
		return tls.NewListener(ln, &tls.Config{Certificates: route.TLS.Certificates})
	})
	return s, o, rec, trust
}

func TestOverTLS(t *testing.T) {
	s, o, rec, trust := overTLS(t)
	o.TLS = trust
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p := receive(t, s.peerCh)
	p.message(1, 1, "hello")
	rec.texts(t, "hello")
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	receive(t, p.goneCh)
	acked := false
	for len(p.frameCh) > 0 {
		acked = (<-p.frameCh).Cmd == cimpb.Command_ACK || acked
	}
	if !acked {
		t.Error("the ACK did not arrive before the end")
	}
	if trust.ServerName != "" {
		t.Error("the caller's configuration was changed")
	}
}

func TestTLSNeedsTrust(t *testing.T) {
	_, o, _, trust := overTLS(t)
	stranger := trust.Clone()
	stranger.RootCAs = x509.NewCertPool()
	misnamed := trust.Clone()
	misnamed.ServerName = "elsewhere.invalid"
	for name, cfg := range map[string]*tls.Config{"no trust": stranger, "another name": misnamed, "the system's": nil} {
		o.TLS = cfg
		if c, err := Connect(t.Context(), o); err == nil {
			_ = c.Close(t.Context())
			t.Errorf("%s: connected", name)
		} else if !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerNameIsTheRoutesUnlessGiven(t *testing.T) {
	for given, want := range map[string]string{"": "im.example.com", "other": "other"} {
		if got := tlsFor(&tls.Config{ServerName: given}, "im.example.com:11211").ServerName; got != want {
			t.Errorf("given %q: %q", given, got)
		}
	}
}
