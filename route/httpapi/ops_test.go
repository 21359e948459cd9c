package httpapi

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"cim/route"
)

func TestHealthAsksNobody(t *testing.T) {
	f := newFixture(t)
	f.router.problems = []route.Problem{{Component: "store", Detail: "gone"}}
	f.router.err = errors.New("down")
	f.expect(http.MethodGet, "/healthz", "", 200, "ok")
}

func TestReady(t *testing.T) {
	f := newFixture(t)
	f.expect(http.MethodGet, "/readyz", "", 200, `{"ready":true,"problems":[]}`)
	f.router.problems = []route.Problem{{Component: "store", Detail: "disk full"}, {Component: "registry", Detail: "no answer"}}
	f.expect(http.MethodGet, "/readyz", "", 503,
		`{"ready":false,"problems":[{"component":"store","detail":"disk full"},{"component":"registry","detail":"no answer"}]}`)
}

func TestMetrics(t *testing.T) {
	f := newFixture(t)
	f.do(http.MethodGet, "/v1/accounts/1", "")
	f.do(http.MethodGet, "/v1/accounts/2", "")
	f.do(http.MethodGet, "/v1/accounts/99", "")
	f.do(http.MethodHead, "/healthz", "")
	f.do(http.MethodPost, "/login", `{"userId":99,"userName":"x"}`)
	f.do("BREW", "/made/up/"+strings.Repeat("x", 50), "")
	got := f.do(http.MethodGet, "/metrics", "")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s", got.status, got.header.Get("Content-Type"))
	}
	for _, want := range []string{
		`cim_http_requests_total{method="GET",route="/v1/accounts/{id}",status="200"} 2`,
		`cim_http_requests_total{method="GET",route="/v1/accounts/{id}",status="404"} 1`,
		`cim_http_requests_total{method="HEAD",route="/healthz",status="200"} 1`,
		`cim_http_requests_total{method="POST",route="/login",status="200"} 1`,
		`cim_http_requests_total{method="other",route="other",status="404"} 1`,
		`cim_http_connections 1`,
	} {
		if !strings.Contains(got.body, "\n"+want+"\n") {
			t.Errorf("%s is missing in %s", want, got.body)
		}
	}
	if strings.Contains(got.body, "made") || strings.Contains(got.body, "BREW") {
		t.Errorf("a caller chose a label: %s", got.body)
	}
}

func TestRefusedRequestsAreCounted(t *testing.T) {
	f := newFixture(t)
	raw(t, f, "POST /p2pRoute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n")
	const want = `cim_http_requests_total{method="POST",route="/p2pRoute",status="413"} 1`
	if got := f.do(http.MethodGet, "/metrics", ""); !strings.Contains(got.body, want) {
		t.Errorf("%s is missing in %s", want, got.body)
	}
}

func TestConfig(t *testing.T) {
	registry := prometheus.NewRegistry()
	tests := []struct {
		name string
		cfg  Config
	}{
		{"no router", Config{AuthCIM: true}},
		{"nobody to ask who calls", Config{Router: newFakeRouter()}},
		{"gatherer without registerer", Config{Router: newFakeRouter(), AuthCIM: true, Metrics: registry}},
		{"registerer without gatherer", Config{Router: newFakeRouter(), AuthCIM: true, Registerer: registry}},
		{"negative size", Config{Router: newFakeRouter(), AuthCIM: true, Limits: Limits{Body: -1}}},
		{"negative time", Config{Router: newFakeRouter(), AuthCIM: true, Limits: Limits{Idle: -1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.cfg); !errors.Is(err, ErrConfig) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTwoAPIsDoNotShareARegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	cfg := Config{Router: newFakeRouter(), AuthCIM: true, Metrics: registry, Registerer: registry}
	if _, err := New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

func TestServerLogIsQuiet(t *testing.T) {
	f := newFixture(t)
	f.log.Reset()
	serverLog{f.api.log}.Printf("error when serving connection %q", "x")
	if f.log.Len() > 0 {
		t.Errorf("a single connection's trouble is on the log at its usual level: %s", f.log)
	}
	if !bytes.Contains(openAPIFile, []byte("openapi: 3")) {
		t.Error("openapi.yaml is not embedded")
	}
}
