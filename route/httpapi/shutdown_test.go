package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// served is an API on a real listener of the loopback interface.
func served(t *testing.T, router Router, change ...func(*Config)) (api *API, addr string, done chan error) {
	t.Helper()
	cfg := Config{Router: router, AuthCIM: true, Limits: Limits{Handle: time.Minute}}
	for _, c := range change {
		c(&cfg)
	}
	api, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- api.Serve(ln) }()
	return api, ln.Addr().String(), done
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Only a test that would hang gets there.
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

const countRequest = "GET /v1/online/count HTTP/1.1\r\nHost: localhost\r\n\r\n"

func TestShutdownClosesIdleKeepAliveConnections(t *testing.T) {
	api, addr, done := served(t, newFakeRouter())
	conn := dial(t, addr)
	if res, body := exchange(t, conn, countRequest); res.StatusCode != 200 || res.Close {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if err := api.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection reads %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the port still accepts")
	}
}

// A connection that never asked for anything is not idle to fasthttp for its first seconds.
func TestShutdownCutsWhatOutlastsItsContext(t *testing.T) {
	router := newFakeRouter()
	router.entered = make(chan struct{})
	api, addr, done := served(t, router, func(c *Config) { c.Limits.Read = time.Hour })
	silent, busy := dial(t, addr), dial(t, addr)
	if _, err := io.WriteString(busy, countRequest); err != nil {
		t.Fatal(err)
	}
	<-router.entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := api.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	for name, conn := range map[string]net.Conn{"silent": silent, "busy": busy} {
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("the %s connection reads %v", name, err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestConnectionsTimeOut(t *testing.T) {
	t.Run("before the first request", func(t *testing.T) {
		api, addr, done := served(t, newFakeRouter(), func(c *Config) { c.Limits.Read = time.Millisecond })
		conn := dial(t, addr)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestTimeout || !res.Close {
			t.Errorf("status %d, close %v", res.StatusCode, res.Close)
		}
		stop(t, api, done)
	})
	t.Run("between requests", func(t *testing.T) {
		api, addr, done := served(t, newFakeRouter(), func(c *Config) { c.Limits.Read, c.Limits.Idle = time.Hour, time.Millisecond })
		conn := dial(t, addr)
		exchange(t, conn, countRequest)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection reads %v", err)
		}
		stop(t, api, done)
	})
}

func stop(t *testing.T, api *API, done <-chan error) {
	t.Helper()
	if err := api.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestShutdownWaitsForRequests(t *testing.T) {
	router := &slowRouter{fakeRouter: newFakeRouter(), entered: make(chan struct{}), leave: make(chan struct{})}
	api, addr, done := served(t, router)
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, countRequest); err != nil {
		t.Fatal(err)
	}
	<-router.entered
	stopped := make(chan error, 1)
	go func() { stopped <- api.Shutdown(context.Background()) }()
	if err := <-done; err != nil { // the listener is closed: Shutdown has begun
		t.Errorf("Serve: %v", err)
	}
	if ps := api.problems(context.Background()); len(ps) != 1 || ps[0].Component != "http" {
		t.Errorf("problems while stopping: %v", ps)
	}
	close(router.leave)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || !res.Close {
		t.Errorf("status %d, close %v", res.StatusCode, res.Close)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// slowRouter holds OnlineCount until leave is closed.
type slowRouter struct {
	*fakeRouter
	entered, leave chan struct{}
}

func (r *slowRouter) OnlineCount(context.Context) (int, error) {
	close(r.entered)
	<-r.leave
	return 1, nil
}

func TestServeAfterShutdown(t *testing.T) {
	api, err := New(Config{Router: newFakeRouter(), AuthCIM: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Serve(ln); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

func TestHandlersHaveADeadline(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Limits.Handle = time.Nanosecond })
	f.router.entered = make(chan struct{})
	f.expect(http.MethodGet, "/v1/online/count", "", 503, v1Is("overloaded", "The request took too long; try again in a moment."))
}

func TestConnectionLimit(t *testing.T) {
	api, addr, done := served(t, newFakeRouter(), func(c *Config) { c.Limits.Conns = 1 })
	first := dial(t, addr)
	if res, body := exchange(t, first, countRequest); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, err := http.ReadResponse(bufio.NewReader(dial(t, addr)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a connection over the limit gets %d", res.StatusCode)
	}
	stop(t, api, done)
}
