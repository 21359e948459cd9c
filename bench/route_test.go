package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func answering(t *testing.T, status int, body string) *routeClient {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Content-Type"); r.Method == http.MethodPost && got != "application/json" {
			t.Errorf("Content-Type is %q, want application/json", got)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c := newRouteClient(srv.URL+"/", "", 1)
	t.Cleanup(c.close)
	return c
}

func TestLoginReasons(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a code":            {503, `{"error":{"code":"no_server","message":"later"}}`, "login_no_server"},
		"a proxy's page":    {502, `<html>`, "login_http_502"},
		"not what is meant": {200, `<html>`, reasonLoginFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, tc.status, tc.body).login(t.Context(), account{UserID: 7})
			if err == nil || loginReason(err) != tc.want {
				t.Errorf("%v is %q, want %q", err, loginReason(err), tc.want)
			}
		})
	}
	if got := loginReason(context.DeadlineExceeded); got != reasonLoginFailed {
		t.Errorf("a time-out is %q, want %q", got, reasonLoginFailed)
	}
}

func TestLogin(t *testing.T) {
	p, err := answering(t, 200, `{"user_id":7,"name":"x","server":{"host":"h","port":11211,"instance":"i"},"ticket":"t"}`).login(t.Context(), account{UserID: 7})
	if err != nil || p.addr() != "h:11211" || p.Ticket != "t" {
		t.Errorf("%+v (%v), want h:11211 and ticket t", p, err)
	}
}

func TestRegister(t *testing.T) {
	ids, err := answering(t, 200, `{"accounts":[{"user_id":5,"name":"a"},{"user_id":9,"name":"b"}]}`).register(t.Context(), []string{"a", "b"})
	if err != nil || len(ids) != 2 || ids[0].UserID != 5 || ids[1].UserID != 9 {
		t.Errorf("%v (%v), want 5 and 9", ids, err)
	}
	if _, err := answering(t, 200, `{"accounts":[]}`).register(t.Context(), []string{"a"}); err == nil {
		t.Error("an account is missing and there is no error")
	}
	_, err = answering(t, 207, `{"accounts":[{"user_id":5,"name":"a"},{"name":"b","error":{"code":"disk_full"}}]}`).register(t.Context(), []string{"a", "b"})
	if err == nil || !strings.Contains(err.Error(), "b was not made") {
		t.Errorf("one account was not made: %v", err)
	}
	_, err = answering(t, 403, `{"error":{"code":"not_allowed","message":"Ask the operator."}}`).register(t.Context(), []string{"a"})
	var refused *refusedError
	if !errors.As(err, &refused) || refused.status != 403 || refused.Error() != "Ask the operator." {
		t.Errorf("error is %v, want the route's sentence", err)
	}
	for key, want := range map[string]string{"": "asks for an application key: give the file that holds it with --key-file", "k": "does not know this application key"} {
		r := answering(t, 401, `{"error":{"code":"unauthorized","message":"Send its key as Authorization: Bearer."}}`)
		r.key = key
		if _, err := r.register(t.Context(), []string{"a"}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Bearer") {
			t.Errorf("with the key %q: %v, want %q", key, err, want)
		}
	}
}

func TestConfigValidates(t *testing.T) {
	good := DefaultIdle()
	good.Route = "http://127.0.0.1:8083"
	if err := good.Validate(); err != nil {
		t.Fatalf("the default is refused: %v", err)
	}
	for name, change := range map[string]func(*IdleConfig){
		"no route":           func(c *IdleConfig) { c.Route = "" },
		"route without http": func(c *IdleConfig) { c.Route = "127.0.0.1:8083" },
		"a wrong one of two": func(c *IdleConfig) { c.Route += ",b" },
		"no connections":     func(c *IdleConfig) { c.Connections = 0 },
		"no heartbeat":       func(c *IdleConfig) { c.Heartbeat = 0 },
		"long heartbeat":     func(c *IdleConfig) { c.Heartbeat = maxHeartbeat + 1 },
		"no time":            func(c *IdleConfig) { c.For = 0 },
		"negative workers":   func(c *IdleConfig) { c.Workers = -1 },
		"no rate":            func(c *IdleConfig) { c.Rate = 0 },
		"too many silent":    func(c *IdleConfig) { c.Silent = c.Connections + 1 },
		"negative pid":       func(c *IdleConfig) { c.ServerPID = -1 },
		"no timeout":         func(c *IdleConfig) { c.Timeout = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			if err := bad.Validate(); !errors.Is(err, ErrConfig) {
				t.Errorf("error is %v, want ErrConfig", err)
			}
			if _, err := NewIdle(bad); !errors.Is(err, ErrConfig) {
				t.Errorf("NewIdle gives %v, want ErrConfig", err)
			}
		})
	}
}

// countingRoute answers every login, and counts them.
func countingRoute(t *testing.T) (srv *httptest.Server, logins *atomic.Int32) {
	t.Helper()
	logins = &atomic.Int32{}
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/login" {
			logins.Add(1)
		}
		io.WriteString(w, `{"user_id":7,"server":{"host":"127.0.0.1","port":1}}`)
	}))
	t.Cleanup(srv.Close)
	return srv, logins
}

// The logins of a run are spread over the routes, and those of a route that is gone go to the others.
func TestLoginsAreSpreadOverRoutes(t *testing.T) {
	a, atA := countingRoute(t)
	b, atB := countingRoute(t)
	const n = 40
	run := func() (failed int) {
		j := &job{
			Route: a.URL + "," + b.URL, HTTPConns: 4, Rate: 1e6, Timeout: defaultTimeout, Users: make([]account, n),
			Share: share{Step: 1, Count: n},
		}
		var mu sync.Mutex
		l := newLogins(j, nil, func(r loginResult) {
			mu.Lock()
			defer mu.Unlock()
			if r.err != nil {
				failed++
			}
		})
		l.run(t.Context())
		return failed
	}
	if failed := run(); failed != 0 || atA.Load() == 0 || atB.Load() == 0 || atA.Load()+atB.Load() != n {
		t.Errorf("%d failed, %d at one and %d at the other", failed, atA.Load(), atB.Load())
	}
	a.Close()
	atB.Store(0)
	if failed := run(); failed != 0 || atB.Load() != n {
		t.Errorf("%d failed, %d at the route that is left", failed, atB.Load())
	}
}

func TestMetricsAreOfTheFirstRoute(t *testing.T) {
	a, _ := countingRoute(t)
	b, _ := countingRoute(t)
	c := newRouteClient(a.URL+","+b.URL, "", 1)
	defer c.close()
	a.Close()
	if _, err := c.metrics(t.Context()); err == nil || !strings.Contains(err.Error(), a.URL) {
		t.Errorf("the metrics of another route were taken: %v", err)
	}
	if _, err := c.login(t.Context(), account{UserID: 7}); err != nil {
		t.Error(err)
	}
	b.Close()
	if _, err := c.login(t.Context(), account{UserID: 7}); err == nil || !strings.Contains(err.Error(), a.URL) || !strings.Contains(err.Error(), b.URL) {
		t.Errorf("%v does not name the routes", err)
	}
}
