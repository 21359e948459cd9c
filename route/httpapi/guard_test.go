package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	cimpb "cim/proto"
	"cim/route"
)

func TestContentType(t *testing.T) {
	tests := []struct {
		name, contentType string
		status            int
	}{
		{"plain", "application/json", 200},
		{"of CIM's SDK", "application/json; charset=utf-8", 200},
		{"in capitals", "Application/JSON;charset=UTF-8", 200},
		{"of a form", "application/x-www-form-urlencoded", 415},
		{"that a page may send without asking", "text/plain", 415},
		{"that begins alike", "application/jsonp", 415},
		{"hidden in a parameter", "text/plain; application/json", 415},
		{"none, with a body", "", 415},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, nil)
			for _, path := range []string{"/registerAccount", "/v1/accounts", "/onlineUser"} {
				body := strings.Replace(`{"N":"alice"}`, "N", map[string]string{"/registerAccount": "userName", "/v1/accounts": "name"}[path], 1)
				req := f.request(http.MethodPost, path, body)
				req.Header.Set("Content-Type", tt.contentType)
				if got := f.send(req); got.status != tt.status {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
			}
		})
	}
	f.expectRefusals(t, "text/plain", "localhost", 415, "bad_request", "3000", errContentType.message)
}

// CIM's older clients ask with a POST that says nothing at all. Whatever changes something is not asked so.
func TestPostWithoutAnything(t *testing.T) {
	f := newFixture(t)
	for _, e := range f.api.routes() {
		if e.method != post {
			continue
		}
		path := strings.Replace(e.path, "{id}", "1", 1)
		res, body := raw(t, f, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
		if lists := path == "/onlineUser"; (res.StatusCode == 200) != lists || !lists && res.StatusCode != 415 && res.StatusCode != 404 {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

// expectRefusals checks the answer in both styles.
func (f *fixture) expectRefusals(t *testing.T, contentType, host string, status int, code, cimCode, message string) {
	t.Helper()
	message = strings.ReplaceAll(message, `"`, `\"`)
	for path, want := range map[string]string{
		"/v1/accounts": fmt.Sprintf(`{"error":{"code":%q,"message":"%s"}}`, code, message),
		"/login":       fmt.Sprintf(`{"code":%q,"message":"%s","reqNo":null,"dataBody":null}`, cimCode, message),
	} {
		req := f.request(http.MethodPost, path, `{}`)
		req.Header.Set("Content-Type", contentType)
		req.Host = host
		if got := f.send(req); got.status != status || got.body != want {
			t.Errorf("%s\n got %d %s\nwant %d %s", path, got.status, got.body, status, want)
		}
	}
}

func TestHost(t *testing.T) {
	tests := []struct {
		host    string
		allowed bool
	}{
		{"localhost", true},
		{"localhost:8083", true},
		{"LocalHost.:8083", true},
		{"127.0.0.1:8083", true},
		{"192.168.7.7", true},
		{"[::1]:8083", true},
		{"[fe80::1]", true},
		{"im.example.com", true},
		{"IM.example.com:443", true},
		{"evil.example.com", false},
		{"im.example.com.evil.org", false},
		{"127.0.0.1.evil.org", false},
		{"localhost.evil.org:8083", false},
	}
	f := newFixture(t, func(c *Config) { c.Hosts = []string{"im.example.com:8083"} })
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			f.t = t
			req := f.request(http.MethodGet, "/v1/online/count", "")
			req.Host = tt.host
			if got := f.send(req); (got.status == 200) != tt.allowed {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	f.t = t
	f.expectRefusals(t, "application/json", "evil.org", 403, "not_allowed", "4000", errHost.message)
}

func TestHostOfUnknownPathsIsCheckedAndOfProbesIsNot(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]int{"/nothing": 403, "/metrics": 403, "/openapi.yaml": 403, "/healthz": 200, "/readyz": 200} {
		req := f.request(http.MethodGet, path, "")
		req.Host = "evil.org"
		if got := f.send(req); got.status != want {
			t.Errorf("%s: %d, want %d", path, got.status, want)
		}
	}
}

func TestHostsAllowAll(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Hosts = []string{"*"} })
	req := f.request(http.MethodGet, "/v1/online/count", "")
	req.Host = "anything.example"
	if got := f.send(req); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestNoCORSHeaders(t *testing.T) {
	f := newFixture(t)
	req := f.request(http.MethodOptions, "/v1/messages", "")
	req.Header.Set("Origin", "https://evil.org")
	req.Header.Set("Access-Control-Request-Method", "POST")
	got := f.send(req)
	for name := range got.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s is there", name)
		}
	}
	if got.status != http.StatusMethodNotAllowed {
		t.Errorf("status %d", got.status)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	noPath := v1Is("unsupported", errNoPath.message)
	tests := []struct {
		name, method, path string
		status             int
		allow, want        string
	}{
		{"unknown path", http.MethodGet, "/nothing", 404, "", noPath},
		{"root", http.MethodGet, "/", 404, "", noPath},
		{"slash at the end", http.MethodGet, "/v1/online/", 404, "", noPath},
		{"id of what has none", http.MethodGet, "/v1/login/5", 404, "", noPath},
		{"two segments for an id", http.MethodGet, "/v1/accounts/5/6", 404, "", noPath},
		{"more segments than any path has", http.MethodGet, "/v1/accounts/5/6/7/8/9/10/11/12", 404, "", noPath},
		{"GET of an act", http.MethodGet, "/v1/accounts/5/secret", 405, "POST", v1Is("unsupported", errMethod.message)},
		{"case matters", http.MethodGet, "/OnlineUser", 404, "", noPath},
		{"GET of a POST", http.MethodGet, "/v1/messages", 405, "POST", v1Is("unsupported", errMethod.message)},
		{"DELETE", http.MethodDelete, "/v1/accounts", 405, "GET, POST", v1Is("unsupported", errMethod.message)},
		{"POST of an id", http.MethodPost, "/v1/accounts/5", 405, "GET", v1Is("unsupported", errMethod.message)},
		{"GET of CIM's login", http.MethodGet, "/login", 405, "POST", cimIsInvalid(errMethod.message)},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			if got := f.expect(tt.method, tt.path, "", tt.status, tt.want).header.Get("Allow"); got != tt.allow {
				t.Errorf("Allow %q, want %q", got, tt.allow)
			}
		})
	}
}

func TestAuthCIMRefusalNamesTheFlag(t *testing.T) {
	f := newTokenFixture(t)
	f.expect(http.MethodPost, "/login", `{"userId":1,"userName":"alice"}`, 403,
		`{"code":"4000","message":"This server does not serve CIM's endpoints, which know no authentication; start it with --auth cim to have them.","reqNo":null,"dataBody":null}`)
}

func TestHeadHasNoBody(t *testing.T) {
	f := newFixture(t)
	got := f.expect(http.MethodHead, "/v1/online/count", "", 200, "")
	if got.header.Get("Content-Length") != "11" {
		t.Errorf("Content-Length %q", got.header.Get("Content-Length"))
	}
}

func TestBodyLimit(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Limits.Body = 100 })
	pad := func(n int) string { return `{"name":"alice"}` + strings.Repeat(" ", n-16) }
	tooLarge := v1Is("too_large", "The body is over 100 bytes; send less at a time.")
	f.expect(http.MethodPost, "/v1/accounts", pad(100), 200, `{"user_id":1,"name":"alice","kind":"user"}`)
	f.expect(http.MethodPost, "/v1/accounts", pad(101), 413, tooLarge)
	f.expect(http.MethodPost, "/registerAccount", pad(101), 413, cimIsInvalid("The body is over 100 bytes; send less at a time."))
	f.expect(http.MethodPost, "/v1/accounts", pad(200), 413, tooLarge)
}

// raw sends bytes and reads one answer.
func raw(t *testing.T, f *fixture, request string) (*http.Response, string) {
	t.Helper()
	conn, err := f.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return exchange(t, conn, request)
}

func exchange(t *testing.T, conn net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// What cannot be read whole gets a last answer in the style of its path, and the connection is closed.
func TestUnreadableRequests(t *testing.T) {
	tests := []struct {
		name, request string
		status        int
		want          string
	}{
		{"body far over the limit", "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2097153\r\n\r\n", 413, v1Is("too_large", "The body is over 1048576 bytes; send less at a time.")},
		{"the same of CIM", "POST /p2pRoute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2097153\r\n\r\n", 413, cimIsInvalid("The body is over 1048576 bytes; send less at a time.")},
		{"header over the buffer", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 8192) + "\r\n\r\n", 431, v1Is("too_large", "The request's header is too large.")},
		{"not HTTP", "HELLO\r\n\r\n", 400, v1Bad("This is not an HTTP request that can be read.")},
		{"a LOGIN of the client wire", "\x0d\x0a\x04test\x10\xff\xb6\xf0\x90\x83\x2d\r\n\r\n", 400, v1Bad("This is not an HTTP request that can be read.")},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := raw(t, f, tt.request)
			if res.StatusCode != tt.status || body != tt.want || !res.Close {
				t.Errorf("%d %s (close: %v)", res.StatusCode, body, res.Close)
			}
		})
	}
}

func TestOldHealthChecksNameNoHost(t *testing.T) {
	f := newFixture(t)
	if res, body := raw(t, f, "GET /v1/online/count HTTP/1.0\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// An absolute address in the request line beats the Host header (RFC 9112, 3.2.2).
func TestHostOfAnAbsoluteAddress(t *testing.T) {
	f := newFixture(t)
	if res, body := raw(t, f, "GET http://evil.org/v1/online/count HTTP/1.1\r\nHost: localhost\r\n\r\n"); res.StatusCode != 403 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestPanicAnswers500(t *testing.T) {
	f := newFixture(t)
	f.router.panics = true
	f.expect(http.MethodGet, "/v1/online/count", "", 500, v1Is("internal", cimpb.CodeInternal.Sentence()))
	f.expect(http.MethodPost, "/registerAccount", `{"userName":"x"}`, 500, `{"code":"8000","message":"`+cimpb.CodeInternal.Sentence()+`","reqNo":null,"dataBody":null}`)
	if log := f.log.String(); !strings.Contains(log, "panic=count") || !strings.Contains(log, "fake_test.go") {
		t.Errorf("the log does not say where: %s", log)
	}
	f.router.panics = false
	f.expect(http.MethodGet, "/v1/online/count", "", 200, `{"count":2}`)
}

// A router that answers for fewer messages than it got must not pass for one that delivered them.
type forgetful struct{ *fakeRouter }

func TestMissingOutcomesAreADefect(t *testing.T) {
	f := newFixture(t)
	f.api.cfg.Router = forgetful{f.router}
	f.expect(http.MethodPost, "/v1/messages", `{"to":2,"text":"hi"}`, 500, v1Is("internal", cimpb.CodeInternal.Sentence()))
}

func (forgetful) Deliver(context.Context, []route.Send) []route.Outcome { return nil }
