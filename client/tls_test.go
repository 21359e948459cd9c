package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
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

// The route's word is enough where the system knows the authority, and here it does not.
func TestTLSBecauseTheRouteSaysSo(t *testing.T) {
	s, o, _, trust := overTLS(t)
	o.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	defer o.HTTP.CloseIdleConnections()
	for _, says := range []bool{true, false} {
		s.changePlace(t, func(p *serverPlace) { p.TLS = says })
		_, err := Connect(t.Context(), o)
		e, isTLS := errors.AsType[*TLSError](err)
		if isTLS != says || isTLS && e.Fault != TLSUntrusted || !isTLS && !errors.Is(err, errNoWelcome) {
			t.Errorf("the route says %t: %v", says, err)
		}
	}
	o.TLS = trust
	for _, says := range []bool{true, false} {
		s.changePlace(t, func(p *serverPlace) { p.TLS = says })
		c, err := Connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close(t.Context())
	}
}

// changePlace has the route send clients to a server that it describes otherwise.
func (s *fake) changePlace(t *testing.T, change func(*serverPlace)) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.login
	s.login = func(n int, w http.ResponseWriter) bool {
		rec := httptest.NewRecorder()
		done := before(n, rec)
		var answer loginAnswer
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			t.Errorf("the fake's answer: %v", err)
		}
		change(&answer.Server)
		answerJSON(w, http.StatusOK, answer)
		return done
	}
}

func TestServerWithoutTLS(t *testing.T) {
	_, o, _ := overTCP(t)
	o.TLS = &tls.Config{}
	o.HTTP = &http.Client{Transport: &http.Transport{}}
	defer o.HTTP.CloseIdleConnections()
	_, err := Connect(t.Context(), o)
	if e, ok := errors.AsType[*TLSError](err); !ok || e.Fault != TLSNotSpoken || !strings.Contains(err.Error(), "leave Options.TLS out") {
		t.Error(err)
	}
}

func TestRouteWithoutTLS(t *testing.T) {
	_, o, _ := overTCP(t)
	o.Route = strings.Replace(o.Route, "http:", "https:", 1)
	_, err := Connect(t.Context(), o)
	if e, ok := errors.AsType[*TLSError](err); !ok || e.Fault != TLSNotSpoken || e.Peer != o.Route || !errors.Is(err, ErrUnreachable) {
		t.Error(err)
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
		} else if _, ok := errors.AsType[*TLSError](err); !ok || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerNameIsTheRoutesUnlessGiven(t *testing.T) {
	for given, want := range map[string]string{"": "im.example.com", "other": "other"} {
		if got := tlsFor(nil, "im.example.com:11211").ServerName; got != "im.example.com" {
			t.Errorf("without a configuration: %q", got)
		}
		if got := tlsFor(&tls.Config{ServerName: given}, "im.example.com:11211").ServerName; got != want {
			t.Errorf("given %q: %q", given, got)
		}
	}
}
