package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cim/client"
	"cim/client/routes"
)

const testKey = "cimk_abc"

// fakeRoute is /v1 of a route as a back end sees it.
type fakeRoute struct {
	t      *testing.T
	url    string
	routes *routes.List // that push is to use; nil: this one

	mu       sync.Mutex
	names    map[string]int64
	messages []pushMessage
	requests int
	// answer, if set, is asked first, for the n-th POST from 0; true: it has answered.
	answer  func(n int, w http.ResponseWriter, r *http.Request) bool
	results map[int64]string // of messages; default stored
}

func newFakeRoute(t *testing.T) *fakeRoute {
	t.Helper()
	f := &fakeRoute{t: t, names: map[string]int64{"alice": 5, "bob": 6}, results: map[int64]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/accounts", f.lookUp)
	mux.HandleFunc("POST /v1/messages", f.send)
	mux.HandleFunc("POST /v1/accounts", f.register)
	mux.HandleFunc("POST /v1/accounts/{id}/{what}", f.change)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.special(w, r) {
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+testKey {
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func (f *fakeRoute) special(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	f.requests++
	return f.answer != nil && f.answer(f.requests-1, w, r)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"It is %s."}}`, code, code)
}

// cut ends the connection without an answer.
func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func (f *fakeRoute) lookUp(w http.ResponseWriter, r *http.Request) {
	id, ok := f.names[r.URL.Query().Get("name")]
	if !ok {
		refuse(w, http.StatusNotFound, "unknown_user")
		return
	}
	fmt.Fprintf(w, `{"user_id":%d,"name":"x"}`, id)
}

func (f *fakeRoute) send(w http.ResponseWriter, r *http.Request) {
	var m pushMessage
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Users) > itemsACall {
		refuse(w, http.StatusBadRequest, "bad_request")
		return
	}
	f.messages = append(f.messages, m)
	if m.Everyone {
		fmt.Fprint(w, `{"reached":3}`)
		return
	}
	var results []string
	for _, id := range m.Users {
		result := f.results[id]
		if result == "" {
			result = "stored"
		}
		results = append(results, fmt.Sprintf(`{"user_id":%d,"result":%q,"seq":%d,"log_epoch":1}`, id, result, id*10))
		if result == "overloaded" {
			delete(f.results, id)
		}
	}
	fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

func (f *fakeRoute) register(w http.ResponseWriter, r *http.Request) {
	var in struct{ Accounts []newAccount }
	_ = json.NewDecoder(r.Body).Decode(&in)
	var made []map[string]any
	for _, a := range in.Accounts {
		out := map[string]any{"name": a.Name, "kind": a.Kind, "created": f.names[a.Name] == 0}
		if f.names[a.Name] == 0 {
			f.names[a.Name] = int64(100 + len(f.names))
			out["secret"] = "s-" + a.Kind + "-" + a.Name
		}
		out["user_id"] = f.names[a.Name]
		made = append(made, out)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"accounts": made})
}

func (f *fakeRoute) change(w http.ResponseWriter, r *http.Request) {
	switch what := r.PathValue("what"); what {
	case "secret":
		fmt.Fprintf(w, `{"user_id":%s,"secret":"new-%s"}`, r.PathValue("id"), r.PathValue("id"))
	default:
		fmt.Fprintf(w, `{"user_id":%s,"disabled":%t}`, r.PathValue("id"), what == "disable")
	}
}

// asked is how many POSTs came. A handler that cuts its connection may still be at it when the client knows.
func (f *fakeRoute) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// args are those of a command with this route and its key.
func (f *fakeRoute) args(more ...string) []string {
	key := filepath.Join(f.t.TempDir(), "application.key")
	if err := os.WriteFile(key, []byte(testKey+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return append(more, "--route", f.url, "--key-file", key)
}

// push runs the command without its pauses, which are returned.
func (f *fakeRoute) push(c *pushCmd) (out string, pauses []time.Duration, err error) {
	f.t.Helper()
	app := &application{routes: f.routes, key: testKey, http: http.DefaultClient}
	if app.routes == nil {
		app.routes = routes.MustParse(f.url)
	}
	app.pause = func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}
	m, err := c.message(strings.NewReader(""))
	if err != nil {
		f.t.Fatal(err)
	}
	var w bytes.Buffer
	err = c.push(f.t.Context(), app, m, &w)
	return w.String(), pauses, err
}

func text(s string) *string { return &s }

// runScript runs a command to its end.
func runScript(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

func TestPushTellsEachResult(t *testing.T) {
	f := newFakeRoute(t)
	f.results[6] = "inbox_full"
	code, out, errs := runScript(t, f.args("push", "hello", "--to", "alice", "--to", "bob", "--to", "7", "--to", "nobody", "--to", "5",
		"--to", "99999999999999999999")...)
	want := "5\tstored\t50\n6\tinbox_full\t60\n7\tstored\t70\nnobody\tunknown_user\t0\n5\tstored\t50\n99999999999999999999\tunknown_user\t0\n"
	if code != exitFailed || out != want || !strings.Contains(errs, "3 of 6 receivers did not get the message") {
		t.Errorf("exit code %d, %q, %q; want %q", code, out, errs, want)
	}
	m := f.messages[0]
	if len(f.messages) != 1 || !slices.Equal(m.Users, []int64{5, 6, 7}) || *m.Text != "hello" || m.QoS != 1 || m.ClientMsgID == 0 {
		t.Errorf("sent %+v", f.messages)
	}
}

func TestPushAsJSON(t *testing.T) {
	f := newFakeRoute(t)
	code, out, errs := runScript(t, f.args("push", "--json", "--to", "alice", "--to", "x", "hello")...)
	want := `{"to":"alice","user_id":5,"result":"stored","seq":50,"log_epoch":1}` + "\n" + `{"to":"x","result":"unknown_user"}` + "\n"
	if code != exitFailed || out != want {
		t.Errorf("exit code %d, %s, %s", code, out, errs)
	}
}

func TestPushToEveryone(t *testing.T) {
	f := newFakeRoute(t)
	code, out, errs := runScript(t, f.args("push", "--all", "hello")...)
	if code != exitOK || out != "everyone\treached\t3\n" || f.messages[0].QoS != 0 || !f.messages[0].Everyone {
		t.Errorf("exit code %d, %q, %q, %+v", code, out, errs, f.messages)
	}
	f.answer = func(int, http.ResponseWriter, *http.Request) bool { cut(nil); return true }
	code, out, errs = runScript(t, f.args("push", "--all", "hello")...)
	if code != exitFailed || out != "everyone\tno_answer\t0\n" || f.asked() != 2 {
		t.Errorf("without an answer: exit code %d, %q, %q after %d requests", code, out, errs, f.asked())
	}
}

func TestPushContent(t *testing.T) {
	file := writeFile(t, "payload", "\x00\xff")
	for name, tt := range map[string]struct {
		args  []string
		check func(m pushMessage) bool
	}{
		"stdin":   {[]string{"-"}, func(m pushMessage) bool { return *m.Text == "one\ntwo" && m.Payload == nil }},
		"payload": {[]string{"--payload-file", file}, func(m pushMessage) bool { return m.Text == nil && string(m.Payload) == "\x00\xff" }},
		"qos 0":   {[]string{"x", "--qos", "0"}, func(m pushMessage) bool { return m.QoS == 0 }},
		"a dash":  {[]string{"--", "--all"}, func(m pushMessage) bool { return *m.Text == "--all" }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			var out, errs bytes.Buffer
			args := append(f.args("push", "--to", "5"), tt.args...)
			code := run(t.Context(), args, streams{strings.NewReader("one\ntwo\r\n"), &out, &errs})
			if code != exitOK || len(f.messages) != 1 || !tt.check(f.messages[0]) {
				t.Errorf("exit code %d, %q, %q, %+v", code, out.String(), errs.String(), f.messages)
			}
		})
	}
}

func TestPushToThousands(t *testing.T) {
	f := newFakeRoute(t)
	c := &pushCmd{Text: text("x")}
	for i := range 2*itemsACall + 1 {
		c.To = append(c.To, fmt.Sprint(i+1))
	}
	out, _, err := f.push(c)
	if err != nil || strings.Count(out, "\tstored\t") != len(c.To) || !strings.HasPrefix(out, "1\tstored\t10\n2\t") {
		t.Errorf("%d lines, %v", strings.Count(out, "\n"), err)
	}
	if len(f.messages) != 3 || f.messages[0].ClientMsgID != f.messages[2].ClientMsgID {
		t.Errorf("%d requests; want 3 with one message id", len(f.messages))
	}
}

// What was sent again after a lost answer is the same message to the route.
func TestPushIsRepeated(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		least  time.Duration
	}{
		"lost answer": {cut, callPause / 2},
		"busy":        {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "2"); refuse(w, 503, "overloaded") }, 2 * time.Second},
		"too many":    {func(w http.ResponseWriter) { refuse(w, 429, "rate_limited") }, callPause / 2},
		"much later":  {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "9999"); refuse(w, 503, "overloaded") }, callPatient},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			var ids []uint64
			f.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n == 2 {
					return false
				}
				var m pushMessage
				_ = json.NewDecoder(r.Body).Decode(&m)
				ids = append(ids, m.ClientMsgID)
				tt.answer(w)
				return true
			}
			out, pauses, err := f.push(&pushCmd{To: []string{"5"}, Text: text("x")})
			if err != nil || out != "5\tstored\t50\n" || len(pauses) != 2 || pauses[0] < tt.least || pauses[0] > tt.least+callPause {
				t.Errorf("%q after %v, %v", out, pauses, err)
			}
			if ids = append(ids, f.messages[0].ClientMsgID); ids[0] != ids[1] || ids[1] != ids[2] {
				t.Errorf("message ids %d", ids)
			}
		})
	}
}

func TestPushIsRepeatedForWhoMustWait(t *testing.T) {
	f := newFakeRoute(t)
	f.results[6] = "overloaded" // once
	out, pauses, err := f.push(&pushCmd{To: []string{"5", "6"}, Text: text("x")})
	if err != nil || out != "5\tstored\t50\n6\tstored\t60\n" || len(pauses) != 1 {
		t.Errorf("%q after %v, %v", out, pauses, err)
	}
	if len(f.messages) != 2 || !slices.Equal(f.messages[1].Users, []int64{6}) {
		t.Errorf("sent %+v", f.messages)
	}
}

// What is not stored may have been written where the store did not answer: only what surely was not is sent again.
func TestPushOfQoS0IsNotRepeatedInDoubt(t *testing.T) {
	f := newFakeRoute(t)
	f.results[5], f.results[6] = "store_unavailable", "overloaded"
	qos0 := 0
	out, _, err := f.push(&pushCmd{To: []string{"5", "6"}, Text: text("x"), QoS: &qos0})
	if err == nil || out != "5\tstore_unavailable\t50\n6\tstored\t60\n" {
		t.Errorf("%q, %v", out, err)
	}
	if len(f.messages) != 2 || !slices.Equal(f.messages[1].Users, []int64{6}) {
		t.Errorf("sent %+v", f.messages)
	}
}

func TestPushFails(t *testing.T) {
	many := make([]string, itemsACall+1)
	for i := range many {
		many[i] = fmt.Sprint(i + 1)
	}
	qos0 := 0
	for name, tt := range map[string]struct {
		set      func(f *fakeRoute, c *pushCmd)
		results  string // of the first and the last
		requests int
		says     string
	}{
		"always busy": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				refuse(w, 503, "store_unavailable")
				return true
			}
		}, "store_unavailable not_sent", callTries, "It is store_unavailable."},
		"no answer ever": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(int, http.ResponseWriter, *http.Request) bool { cut(nil); return true }
		}, "no_answer not_sent", callTries, "no answer came"},
		"no answer to what may not be repeated": {func(f *fakeRoute, c *pushCmd) {
			c.QoS = &qos0
			f.answer = func(int, http.ResponseWriter, *http.Request) bool { cut(nil); return true }
		}, "no_answer not_sent", 1, "no answer came"},
		"another key": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { refuse(w, 401, "unauthorized"); return true }
		}, "unauthorized not_sent", 1, "does not know this application key"},
		"a proxy's page": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true }
		}, "failed not_sent", 1, "answered HTTP 404"},
		"not a route": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true }
		}, "no_answer not_sent", 1, "check --route"},
		"a receiver is forgotten": {func(f *fakeRoute, _ *pushCmd) {
			f.answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == 0 {
					fmt.Fprint(w, `{"results":[]}`)
				}
				return n == 0
			}
		}, "no_answer stored", 2, "1000 of 1001 receivers"},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFakeRoute(t), &pushCmd{To: many, Text: text("x")}
			tt.set(f, c)
			out, _, err := f.push(c)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			first, last := strings.Split(lines[0], "\t"), strings.Split(lines[len(lines)-1], "\t")
			if got := first[1] + " " + last[1]; len(lines) != len(many) || got != tt.results || f.asked() != tt.requests {
				t.Errorf("%d lines, %q, %d requests; want %q and %d", len(lines), got, f.asked(), tt.results, tt.requests)
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
		})
	}
}

func TestPushWithoutARoute(t *testing.T) {
	f := newFakeRoute(t)
	f.url = "http://" + freeAddr(t)
	out, pauses, err := f.push(&pushCmd{To: []string{"5"}, Text: text("x")})
	if !errors.Is(err, client.ErrUnreachable) || out != "5\tunreachable\t0\n" || len(pauses) != callTries-1 {
		t.Errorf("%q after %v, %v", out, pauses, err)
	}
}

func TestPushNeedsAKey(t *testing.T) {
	f := newFakeRoute(t)
	code, out, errs := runScript(t, "push", "--route", f.url, "--to", "5", "hello")
	if code != exitFailed || out != "5\tunauthorized\t0\n" || !strings.Contains(errs, "give the file that holds it with --key-file") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	code, _, errs = runScript(t, "push", "--key-file", writeFile(t, "key", "a b"), "--to", "5", "hello")
	if code != exitFailed || !strings.Contains(errs, "holds no application key") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

func TestPushUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"nobody":         {[]string{"hello"}, "--to ID|NAME"},
		"both":           {[]string{"hello", "--to", "5", "--all"}, "not both"},
		"a group":        {[]string{"hello", "--group", "5"}, "groups are not in this version"},
		"nothing":        {[]string{"--to", "5"}, "either TEXT"},
		"two contents":   {[]string{"hello", "--to", "5", "--payload-file", "f"}, "either TEXT"},
		"qos 2":          {[]string{"hello", "--to", "5", "--qos", "2"}, "0 or 1"},
		"stored for all": {[]string{"hello", "--all", "--qos", "1"}, "--qos 1 is not for --all"},
		"no name":        {[]string{"hello", "--to", "a;b"}, "neither an id nor a name"},
		"no URL":         {[]string{"hello", "--to", "5", "--route", "localhost"}, "is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := runScript(t, append([]string{"push"}, tt.args...)...)
			if code != exitUsage || !strings.Contains(errs, tt.says) {
				t.Errorf("exit code %d, %q", code, errs)
			}
		})
	}
}

// A whole node, as a script sees it.
func TestPushToANode(t *testing.T) {
	h := newHome(t, newTestNode(t))
	alice := h.chat(t, "alice").ready()
	code, out, errs := runScript(t, "push", "--route", h.route, "--to", "alice", "--to", "nobody", "hello")
	if want := fmt.Sprintf("%d\tstored\t1\nnobody\tunknown_user\t0\n", alice.id); code != exitFailed || out != want {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	if line := alice.line(); !strings.HasSuffix(line, "\tprivate\thello") {
		t.Errorf("alice heard %q", line)
	}
}
