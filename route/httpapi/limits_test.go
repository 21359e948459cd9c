package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cim/route"
)

// message sends as somebody.
func (f *tokenFixture) message(bearer, to string) response {
	f.t.Helper()
	return f.as(bearer, http.MethodPost, "/v1/messages", `{`+to+`,"text":"hi"}`)
}

// What the client wire bounds for a session, HTTP bounds for its user: it must not be the way around.
func TestSendsOfAUserAreLimited(t *testing.T) {
	for name, tt := range map[string]struct {
		to     string
		lets   int // at once
		second int // after a second
		reason string
	}{
		"one receiver":      {`"to":2`, 8, 4, reasonRateSends},
		"several receivers": {`"users":[1,2,3,1]`, 2, 1, reasonRateSends},
		"everyone":          {`"everyone":true`, 5, 1, reasonRateEveryone},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTokenFixture(t, func(c *Config) { c.Limits.Sends, c.Limits.Everyone = 4, 1 })
			alice := f.access(1)
			for i := range tt.lets {
				if got := f.message(alice, tt.to); got.status != 200 {
					t.Fatalf("message %d: %d %s", i, got.status, got.body)
				}
			}
			sent := len(f.router.sends)
			if got := f.message(alice, tt.to); got.status != 429 || got.header.Get("Retry-After") != "1" || len(f.router.sends) != sent {
				t.Errorf("one more: %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
			}
			if bob, app := f.message(f.access(2), tt.to), f.message(f.key, tt.to); bob.status != 200 || app.status != 200 {
				t.Errorf("another user: %d, an application: %d", bob.status, app.status)
			}
			f.wantRefused(tt.reason, 1)
			f.at = f.at.Add(time.Second)
			for i := range tt.second {
				if got := f.message(alice, tt.to); got.status != 200 {
					t.Errorf("message %d after the wait: %d %s", i, got.status, got.body)
				}
			}
		})
	}
}

// wantRefused reads the counter of refusals.
func (f *tokenFixture) wantRefused(reason string, n int) {
	f.t.Helper()
	line := fmt.Sprintf("cim_http_refused_total{reason=%q} %d\n", reason, n)
	if m := f.as(f.key, http.MethodGet, "/metrics", "").body; !strings.Contains(m, line) {
		f.t.Errorf("/metrics lacks %s", line)
	}
}

// Each reason but the rate limits, which have tests of their own, is reached here, and counted once.
func TestRefusalsAreCountedByReason(t *testing.T) {
	const head = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	requests := map[string]string{
		reasonHost:        "GET /v1/online HTTP/1.1\r\nHost: evil.org\r\n\r\n",
		reasonContentType: "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
		reasonBody:        head + "Content-Length: 300\r\n\r\n",
		reasonHeader:      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 8192) + "\r\n\r\n",
		reasonRead:        head + "Content-Length: 30\r\n\r\n{",
		reasonUnreadable:  "HELLO\r\n\r\n",
		reasonItems:       "GET /v1/online?limit=1001 HTTP/1.1\r\nHost: localhost\r\n\r\n",
	}
	for _, reason := range reasons {
		request, here := requests[reason]
		if !here && !strings.HasPrefix(reason, "rate_limited_") {
			t.Errorf("%s has no request", reason)
		}
		if !here {
			continue
		}
		t.Run(reason, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				c.Limits.Body = 100
				if reason == reasonRead {
					c.Limits.Read = 20 * time.Millisecond
				}
			})
			raw(t, f, request)
			f.api.cfg.Limits.Read = time.Minute
			got := metricsOf(t, f.api)
			if got != `cim_http_refused_total{reason="`+reason+`"} 1` {
				t.Errorf("counted %q", got)
			}
		})
	}
}

// metricsOf are the lines of refusals, read without another request.
func metricsOf(t *testing.T, a *API) string {
	t.Helper()
	families, err := a.cfg.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		if family.GetName() != "cim_http_refused_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			lines = append(lines, fmt.Sprintf("%s{reason=%q} %v", family.GetName(), m.GetLabel()[0].GetValue(), m.GetCounter().GetValue()))
		}
	}
	return strings.Join(lines, " ")
}

// CIM's endpoints answer HTTP 200 when they refuse, so that the status tells an operator nothing.
func TestCIMRefusalsAreCounted(t *testing.T) {
	f := newFixture(t)
	f.router.noServer = true
	f.do(http.MethodPost, "/login", `{"userId":1,"userName":"alice"}`)
	f.router.noServer, f.router.held[1] = false, true
	f.do(http.MethodPost, "/login", `{"userId":1,"userName":"alice"}`)
	f.do(http.MethodPost, "/p2pRoute", `{"userId":1,"receiveUserId":3,"msg":"stored, and 7000"}`)
	const want = `cim_http_refused_total{reason="duplicate_session"} 1 cim_http_refused_total{reason="no_server"} 1`
	if got := metricsOf(t, f.api); got != want {
		t.Errorf("counted %s", got)
	}
}

// A receiver's refusal is a result of the call, and counted as one of a message.
func TestRefusedMessagesAreCounted(t *testing.T) {
	f := newFixture(t)
	f.router.errTo[2] = route.ErrInboxFull
	f.do(http.MethodPost, "/v1/messages", `{"users":[1,2,99],"text":"hi"}`)
	f.do(http.MethodPost, "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`)
	f.do(http.MethodPost, "/v1/messages", `{"to":3,"text":"hi","qos":0}`)
	metrics := f.do(http.MethodGet, "/metrics", "").body
	for _, want := range []string{`{reason="inbox_full"} 2`, `{reason="unknown_user"} 1`} {
		if !strings.Contains(metrics, "cim_http_sends_refused_total"+want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(metrics, `sends_refused_total{reason="offline"}`) {
		t.Error("nobody there is counted as a refusal")
	}
}

func TestConnectionsOverTheLimitAreCounted(t *testing.T) {
	api, addr, done := served(t, newFakeRouter(), func(c *Config) { c.Limits.Conns = 1 })
	exchange(t, dial(t, addr), countRequest)
	if _, err := io.ReadAll(dial(t, addr)); err != nil {
		t.Fatal(err)
	}
	families, err := api.cfg.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := false
	for _, family := range families {
		counted = counted || family.GetName() == "cim_http_connections_refused_total" && family.GetMetric()[0].GetCounter().GetValue() == 1
	}
	if !counted {
		t.Error("the refused connection was not counted")
	}
	stop(t, api, done)
}

func TestOneAddressHasAShareOfTheConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		proxies []netip.Prefix
		refused uint64
	}{
		"a client": {nil, 1},
		"a proxy":  {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			api, addr, done := served(t, newFakeRouter(), func(c *Config) { c.Limits.Conns, c.ProxyFrom = minConnShare*connShare, tt.proxies })
			for range minConnShare {
				exchange(t, dial(t, addr), countRequest)
			}
			if next := dial(t, addr); tt.refused == 0 {
				exchange(t, next, countRequest)
			} else if text, err := io.ReadAll(next); err != nil || len(text) > 0 {
				t.Errorf("one more read %q, %v", text, err)
			}
			if n := api.conns.refused.Load(); n != tt.refused {
				t.Errorf("%d connections were refused, want %d", n, tt.refused)
			}
			stop(t, api, done)
			if n := len(api.conns.count); n != 0 {
				t.Errorf("%d addresses are remembered after the end", n)
			}
		})
	}
}

// The in-memory listener's clients have the address 0.0.0.0.
func TestForwardedFor(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("10.9.0.0/16")}
	register := func(f *tokenFixture, name string, forwarded ...string) int {
		req := f.request(http.MethodPost, "/v1/accounts", `{"name":"`+name+`"}`)
		for _, h := range forwarded {
			req.Header.Add("X-Forwarded-For", h)
		}
		return f.send(req).status
	}
	for name, tt := range map[string]struct {
		proxies     []netip.Prefix
		first, next []string // headers of the one who uses up the share, and of the next
		same        bool     // they count as one
	}{
		"two clients":                 {proxies, []string{"10.1.1.1"}, []string{"10.1.1.2"}, false},
		"one client":                  {proxies, []string{"10.1.1.1"}, []string{"10.1.1.1"}, true},
		"a client that makes up hops": {proxies, []string{"1.1.1.1, 10.1.1.1"}, []string{"2.2.2.2", "3.3.3.3 ,10.1.1.1"}, true},
		"behind two proxies":          {proxies, []string{"10.1.1.1, 10.9.0.4"}, []string{"10.1.1.2,10.9.0.4"}, false},
		"no proxy":                    {nil, []string{"10.1.1.1"}, []string{"10.1.1.2"}, true},
		"a header that is no address": {proxies, []string{"unknown"}, []string{"10.1.1.1, unknown"}, true},
		"a proxy that adds no header": {proxies, nil, []string{"10.9.0.1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTokenFixture(t, func(c *Config) { c.Limits.Registers, c.ProxyFrom = 1, tt.proxies })
			for i := range burstMinutes {
				if got := register(f, fmt.Sprint("n", i), tt.first...); got != 201 {
					t.Fatalf("account %d: %d", i, got)
				}
			}
			if got := register(f, "next", tt.next...); (got == 429) != tt.same {
				t.Errorf("the next one: %d", got)
			}
		})
	}
}

// A request may hold a credential, in places where a broken one has no header or path.
func TestCredentialsAreNotLogged(t *testing.T) {
	log := new(bytes.Buffer)
	f := newTokenFixture(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	const secret = "cimk_secret"
	f.as(secret, http.MethodGet, "/v1/online", "")
	f.as("", http.MethodPost, "/v1/login", `{"name":"alice","device":"d","secret":"`+secret+`"}`)
	serverLog{f.api.log}.Printf("error when serving connection %q<->%q: %v", "here", "there",
		errors.New("error when reading request headers: missing colon: "+secret))
	if got := log.String(); strings.Contains(got, secret) || !strings.Contains(got, "there") {
		t.Errorf("the log says %s", got)
	}
}
