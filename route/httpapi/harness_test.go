package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(
		m,
		// Of fasthttp: one goroutine keeps the Date header for the life of the process, and one of each
		// server looks once in 10 s whether it may end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

var testTime = time.UnixMilli(1_700_000_000_123)

// fixture is an API that serves on a listener in memory, and a client of it.
type fixture struct {
	t      *testing.T
	router *fakeRouter
	api    *API
	client *http.Client
	log    *bytes.Buffer
	ln     *fasthttputil.InmemoryListener
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, router: newFakeRouter(), log: new(bytes.Buffer)}
	cfg := Config{
		Router: f.router, AuthCIM: true, Now: func() time.Time { return testTime },
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	api, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.api = api
	ln := fasthttputil.NewInmemoryListener()
	f.ln = ln
	served := make(chan error, 1)
	go func() { served <- api.Serve(ln) }()
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return ln.Dial() },
		DisableCompression: true,
	}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := api.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

// fresh gives the next case of a table a router of its own. The API is idle between two requests.
func (f *fixture) fresh(t *testing.T, prepare func(*fakeRouter)) {
	f.t, f.router = t, newFakeRouter()
	f.api.cfg.Router = f.router
	f.log.Reset()
	if prepare != nil {
		prepare(f.router)
	}
}

type response struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) send(req *http.Request) response {
	f.t.Helper()
	res, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(body)}
}

func (f *fixture) request(method, path, body string) *http.Request {
	f.t.Helper()
	req, err := http.NewRequest(method, "http://localhost:8083"+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// do sends body with the headers that a good client sends.
func (f *fixture) do(method, path, body string) response {
	f.t.Helper()
	return f.send(f.request(method, path, body))
}

// expect checks status and body, the latter byte for byte.
func (f *fixture) expect(method, path, body string, status int, want string) response {
	f.t.Helper()
	got := f.do(method, path, body)
	if got.status != status || got.body != want {
		f.t.Errorf("%s %s %s\n got %d %s\nwant %d %s", method, path, body, got.status, got.body, status, want)
	}
	return got
}

// sentFrame decodes the body of the only message that was delivered.
func (f *fixture) sentFrame() *cimpb.Frame {
	f.t.Helper()
	if len(f.router.sends) != 1 {
		f.t.Fatalf("%d messages were delivered, want 1", len(f.router.sends))
	}
	frame := new(cimpb.Frame)
	if err := proto.Unmarshal(f.router.sends[0].Body, frame); err != nil {
		f.t.Fatal(err)
	}
	return frame
}
