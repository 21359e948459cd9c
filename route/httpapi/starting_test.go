package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"cim/route"
)

// TestStarting: until the process has what it needs, operators and the cluster are answered, and nobody else.
func TestStarting(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Starting = true
		c.Cluster = func(rc *fasthttp.RequestCtx) { rc.SetBodyString("of the cluster") }
	})
	f.expect(http.MethodGet, "/healthz", "", 200, "ok")
	f.expect(http.MethodPost, clusterPath, "", 200, "of the cluster")
	f.expect(http.MethodGet, "/readyz", "", 503, `{"ready":false,"problems":[{"component":"http","detail":"the service is starting"}]}`)
	f.router.problems = []route.Problem{{Component: "registry", Detail: "no answer"}}
	f.expect(http.MethodGet, "/readyz", "", 503, `{"ready":false,"problems":[{"component":"registry","detail":"no answer"}]}`)
	if got := f.do(http.MethodGet, "/metrics", ""); got.status != 200 {
		t.Errorf("/metrics: %d", got.status)
	}
	got := f.do(http.MethodGet, "/v1/online/count", "")
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "/readyz") {
		t.Errorf("/v1: %d %s", got.status, got.body)
	}
	if got = f.do(http.MethodPost, "/login", `{"userId":1,"userName":"a"}`); !strings.Contains(got.body, `"code":"3000"`) {
		t.Errorf("/login: %s", got.body)
	}

	f.router.problems = nil
	f.api.Started()
	f.expect(http.MethodGet, "/readyz", "", 200, `{"ready":true,"problems":[]}`)
	if got = f.do(http.MethodGet, "/v1/online/count", ""); got.status != 200 {
		t.Errorf("/v1 after the start: %d %s", got.status, got.body)
	}
}
