package routes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeRoute answers as its mood is.
type fakeRoute struct {
	*httptest.Server
	asked atomic.Int32
	mood  atomic.Value // func(http.ResponseWriter, *http.Request)
}

func newFakeRoute(t *testing.T) *fakeRoute {
	t.Helper()
	f := &fakeRoute{}
	f.is(well)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		f.mood.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeRoute) is(mood func(http.ResponseWriter, *http.Request)) { f.mood.Store(mood) }

func well(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

// answers is a mood: always the same.
func answers(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const noServer = `{"error":{"code":"no_server","message":"Later."}}`

// resets has taken the request, and cuts the connection.
func resets(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// breaks off in the middle of its answer.
func breaks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "{")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// listOf begins with the first.
func listOf(all ...*fakeRoute) *List {
	var urls []string
	for _, f := range all {
		urls = append(urls, f.URL)
	}
	return MustParse(strings.Join(urls, ",")).From(0)
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

var post = Request{Method: http.MethodPost, Path: "/v1/x", Body: []byte(`{"a":1}`), Bearer: "key"}

func TestDoSendsTheRequest(t *testing.T) {
	f := newFakeRoute(t)
	f.is(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Get("Content-Type"), r.Header.Get("Authorization"))
	})
	l := MustParse(f.URL + "/cim/")
	a, err := l.Do(t.Context(), newClient(t), post)
	if err != nil || a.OK() || a.Status != http.StatusTeapot || a.Header.Get("Retry-After") != "7" || a.Doubt ||
		string(a.Body) != `POST/cim/v1/x{"a":1}application/jsonBearer key` || a.URL != f.URL+"/cim/v1/x" {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = l.Do(t.Context(), newClient(t), Request{Method: http.MethodGet, Path: "/v1/x?y=1"})
	if err != nil || string(a.Body) != "GET/cim/v1/xy=1" {
		t.Errorf("%+v, %v", a, err)
	}
}

// What another route is asked after, and what not; twice, for who answered is asked first the next time.
func TestDoGoesOn(t *testing.T) {
	once, insist := post, post
	once.Once, insist.Insist = true, true
	for name, tt := range map[string]struct {
		first   func(http.ResponseWriter, *http.Request) // nil: nobody listens
		request Request
		status  int  // of the answer; 0: none
		doubt   bool // about what the first one did
		asked   [2]int32
		stays   bool // with the first
	}{
		"well":                      {well, post, 200, false, [2]int32{1, 0}, true},
		"refused":                   {nil, post, 200, false, [2]int32{0, 1}, false},
		"refused, once":             {nil, once, 200, false, [2]int32{0, 1}, false},
		"reset":                     {resets, post, 200, true, [2]int32{1, 1}, false},
		"reset, once":               {resets, once, 0, false, [2]int32{1, 0}, true},
		"broken off":                {breaks, post, 200, true, [2]int32{1, 1}, false},
		"broken off, once":          {breaks, once, 0, false, [2]int32{1, 0}, true},
		"bad gateway":               {answers(502, "<html>"), post, 200, true, [2]int32{1, 1}, false},
		"bad gateway, once":         {answers(502, "<html>"), once, 0, false, [2]int32{1, 0}, true},
		"gateway's time":            {answers(504, `{"error":"time-out"}`), post, 200, true, [2]int32{1, 1}, false},
		"no gateway, once":          {answers(503, "<html>"), once, 200, false, [2]int32{1, 1}, false},
		"own refusal":               {answers(409, `{"error":{"code":"name_taken"}}`), post, 409, false, [2]int32{1, 0}, true},
		"too many":                  {answers(429, `{"error":{"code":"rate_limited"}}`), post, 429, false, [2]int32{1, 0}, true},
		"own defect":                {answers(500, `{"error":{"code":"internal"}}`), post, 500, false, [2]int32{1, 0}, true},
		"a page":                    {answers(404, "<html>"), post, 404, false, [2]int32{1, 0}, true},
		"cannot now":                {answers(503, noServer), post, 503, false, [2]int32{1, 0}, false},
		"cannot now, insist":        {answers(503, noServer), insist, 200, true, [2]int32{1, 1}, false},
		"reset, insist":             {resets, insist, 200, true, [2]int32{1, 1}, false},
		"too many, insist":          {answers(429, `{"error":{"code":"rate_limited"}}`), insist, 429, false, [2]int32{1, 0}, true},
		"one that is not of a code": {answers(503, `{"error":{"code":""}}`), post, 200, false, [2]int32{1, 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newFakeRoute(t), newFakeRoute(t)
			if a.is(well); tt.first == nil {
				a.Close()
			} else {
				a.is(tt.first)
			}
			l := listOf(a, b)
			got, err := l.Do(t.Context(), newClient(t), tt.request)
			switch {
			case tt.status == 0 && err == nil, tt.status != 0 && err != nil:
				t.Fatalf("%+v, %v", got, err)
			case err == nil && (got.Status != tt.status || got.Doubt != tt.doubt):
				t.Errorf("%+v, want %d, doubt %t", got, tt.status, tt.doubt)
			}
			if asked := [2]int32{a.asked.Load(), b.asked.Load()}; asked != tt.asked {
				t.Errorf("asked %d, want %d", asked, tt.asked)
			}
			if stays := l.current.Load() == 0; stays != tt.stays {
				t.Errorf("the next one goes to %d", l.current.Load())
			}
		})
	}
}

func TestDoStaysWithWhoAnswered(t *testing.T) {
	a, b, c := newFakeRoute(t), newFakeRoute(t), newFakeRoute(t)
	l, hc := listOf(a, b, c), newClient(t)
	a.is(resets)
	for range 3 {
		if _, err := l.Do(t.Context(), hc, post); err != nil {
			t.Fatal(err)
		}
	}
	a.is(well)
	b.is(resets)
	for range 3 {
		if _, err := l.Do(t.Context(), hc, post); err != nil {
			t.Fatal(err)
		}
	}
	if got := [3]int32{a.asked.Load(), b.asked.Load(), c.asked.Load()}; got != [3]int32{1, 4, 3} {
		t.Errorf("asked %d times", got)
	}
}

func TestDoWithoutAnyRoute(t *testing.T) {
	a, b, c := newFakeRoute(t), newFakeRoute(t), newFakeRoute(t)
	b.is(resets)
	c.is(answers(502, ""))
	a.Close()
	l := listOf(a, b, c)
	_, err := l.Do(t.Context(), newClient(t), post)
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Failures) != 3 || !e.Sent() || e.Failures[0].Sent || !e.Failures[1].Sent || !e.Failures[2].Sent || !errors.Is(err, io.EOF) {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{a.URL + ": dial tcp ", "connection refused; " + b.URL + ": ", "; " + c.URL + ": HTTP 502"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if l.current.Load() != 0 {
		t.Errorf("the next one goes to %d", l.current.Load())
	}
}

// With one route an answer is an answer, whoever gave it, and a failure has the text of its cause.
func TestDoWithOneRoute(t *testing.T) {
	a := newFakeRoute(t)
	a.is(answers(502, "<html>"))
	l := listOf(a)
	if got, err := l.Do(t.Context(), newClient(t), post); err != nil || got.Status != 502 {
		t.Errorf("%+v, %v", got, err)
	}
	a.Close()
	_, err := l.Do(t.Context(), newClient(t), post)
	if err == nil || !strings.HasPrefix(err.Error(), "dial tcp ") {
		t.Errorf("%v", err)
	}
}

// The last answer of those who cannot is better than none.
func TestDoInsistsInVain(t *testing.T) {
	insist := post
	insist.Insist = true
	a, b, c := newFakeRoute(t), newFakeRoute(t), newFakeRoute(t)
	a.is(answers(503, noServer))
	b.Close()
	c.is(answers(503, `{"error":{"code":"store_unavailable"}}`))
	got, err := listOf(a, b, c).Do(t.Context(), newClient(t), insist)
	if err != nil || !strings.Contains(string(got.Body), "store_unavailable") || !got.Doubt {
		t.Errorf("%+v, %v", got, err)
	}
	c.Close()
	got, err = listOf(a, b, c).Do(t.Context(), newClient(t), insist)
	if err != nil || string(got.Body) != noServer {
		t.Errorf("%+v, %v", got, err)
	}
	once := insist
	once.Once = true
	c2 := newFakeRoute(t)
	if got, err = listOf(a, c2).Do(t.Context(), newClient(t), once); err != nil || got.Status != 503 || c2.asked.Load() != 0 {
		t.Errorf("what may be done once alone: %+v, %v", got, err)
	}
}

func TestDoEndsWithItsContext(t *testing.T) {
	a, b := newFakeRoute(t), newFakeRoute(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.is(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not see the end of the connection
		cancel()
		<-r.Context().Done()
	})
	_, err := listOf(a, b).Do(ctx, newClient(t), post)
	if !errors.Is(err, context.Canceled) || b.asked.Load() != 0 {
		t.Errorf("%v; the other was asked %d times", err, b.asked.Load())
	}
}

// silence is a network in which some hosts do not answer: they take connections, or not even those.
type silence struct {
	connects map[string]bool
	served   string        // the host that answers
	endCh    chan struct{} // closed: the network is gone
}

// client is ended with the bubble. A transport goes on dialling when nobody waits for it any more.
func (s *silence) client() (c *http.Client, end func()) {
	s.endCh = make(chan struct{})
	c = &http.Client{Transport: &http.Transport{DialContext: s.dial}}
	return c, func() {
		close(s.endCh)
		synctest.Wait()
		c.CloseIdleConnections()
	}
}

func (s *silence) dial(_ context.Context, _, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	if host != s.served && !s.connects[host] {
		<-s.endCh
		return nil, net.ErrClosed
	}
	ours, theirs := net.Pipe()
	go func() { // ends with the connection
		defer theirs.Close()
		buf := make([]byte, 4096)
		for {
			if _, err := theirs.Read(buf); err != nil {
				return
			}
			if host == s.served {
				_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	}()
	return ours, nil
}

// A route that hangs takes its share of the time and not more.
func TestDoLeavesARouteThatHangs(t *testing.T) {
	once := post
	once.Once = true
	const never = time.Hour
	for name, tt := range map[string]struct {
		request Request
		connect bool          // to the routes that hang
		within  time.Duration // of the caller
		took    time.Duration
		says    string // in the error; empty: there is none
	}{
		"no connection":                {post, false, 15 * time.Second, 2 * connectWithin, ""},
		"no connection, once":          {once, false, 15 * time.Second, 2 * connectWithin, ""},
		"no connection, little time":   {post, false, 3 * time.Second, 2 * time.Second, ""},
		"no answer":                    {post, true, 30 * time.Second, 20 * time.Second, ""},
		"no answer, all the time":      {post, true, never, 2 * answerWithin, ""},
		"no answer, once":              {once, true, 30 * time.Second, 30 * time.Second, "deadline"},
		"no answer, no time for three": {post, true, 3 * time.Second, 2 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &silence{connects: map[string]bool{"a": tt.connect, "b": tt.connect}, served: "c"}
				hc, end := s.client()
				defer end()
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				began := time.Now()
				a, err := MustParse("http://a,http://b,http://c").From(0).Do(ctx, hc, tt.request)
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				switch {
				case tt.says == "" && (err != nil || string(a.Body) != "ok" || a.Doubt != tt.connect):
					t.Errorf("%+v, %v", a, err)
				case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
					t.Errorf("%v, want %q", err, tt.says)
				}
			})
		})
	}
}

// The last route has what is left, and the error says how long each was waited for.
func TestDoTellsWhoHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silence{connects: map[string]bool{"b": true}}
		hc, end := s.client()
		defer end()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		_, err := MustParse("http://a,http://b,http://c").From(0).Do(ctx, hc, post)
		e, ok := errors.AsType[*Error](err)
		want := "http://a: no connection within 3s; http://b: no answer within 6s; http://c: context deadline exceeded"
		if !ok || err.Error() != want || e.Failures[0].Sent || !e.Failures[1].Sent || e.Failures[2].Sent {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// dumb is a transport that does not tell how far it got.
type dumb struct{ err error }

func (d dumb) RoundTrip(*http.Request) (*http.Response, error) { return nil, d.err }

func TestDoWithATransportThatTellsNothing(t *testing.T) {
	for sent, err := range map[bool]error{true: errors.New("something"), false: &net.OpError{Op: "dial", Err: errors.New("refused")}} {
		_, got := MustParse("http://a").Do(t.Context(), &http.Client{Transport: dumb{err}}, post)
		if e, ok := errors.AsType[*Error](got); !ok || e.Sent() != sent {
			t.Errorf("%v: %v", err, got)
		}
	}
}
