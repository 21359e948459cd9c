package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	cimpb "cim/proto"
)

func withTokens(c *nodeConfig) { c.auth = "token" }

// tokenHTTP calls /v1 as somebody.
type tokenHTTP struct {
	t      *testing.T
	n      *node
	base   string // of a route that is not n's
	bearer string
}

func (h tokenHTTP) url(path string) string {
	if h.base != "" {
		return h.base + path
	}
	return "http://" + h.n.httpAddr.String() + path
}

// as is the same node for another caller.
func (h tokenHTTP) as(bearer string) tokenHTTP { h.bearer = bearer; return h }

// call returns the status and decodes the answer into out unless that is nil.
func (h tokenHTTP) call(method, path, body string, out any) int {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url(path), strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if h.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+h.bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			h.t.Fatalf("%s: %d %s: %v", path, resp.StatusCode, text, err)
		}
	}
	return resp.StatusCode
}

// member is an account with its secret.
type member struct {
	h      tokenHTTP
	id     int64
	name   string
	secret string
}

func (h tokenHTTP) register(name string) *member {
	h.t.Helper()
	var out struct {
		UserID int64 `json:"user_id"`
		Secret string
	}
	if status := h.call(http.MethodPost, "/v1/accounts", `{"name":"`+name+`"}`, &out); status != http.StatusCreated {
		h.t.Fatalf("register %s: %d", name, status)
	}
	return &member{h: h, id: out.UserID, name: name, secret: out.Secret}
}

type tokenLogin struct {
	Ticket      string
	AccessToken string `json:"access_token"`
	Server      struct{ Instance string }
}

func (m *member) login(device string) (out tokenLogin) {
	m.h.t.Helper()
	body := `{"name":"` + m.name + `","secret":"` + m.secret + `","device":"` + device + `"}`
	if status := m.h.call(http.MethodPost, "/v1/login", body, &out); status != http.StatusOK {
		m.h.t.Fatalf("login of %s: %d", m.name, status)
	}
	return out
}

// knock sends LOGIN and returns the connection with the server's answer.
func (m *member) knock(user int64, device, ticket string) (*wire, *cimpb.Frame) {
	m.h.t.Helper()
	w := dialWire(m.h.t, m.h.n.server.Addr().String())
	w.writeFrame(&cimpb.Frame{UserId: user, Hello: &cimpb.Hello{Version: 1, Device: device, Token: ticket}})
	return w, w.frame()
}

func (m *member) connect(device string) *wire {
	m.h.t.Helper()
	w, answer := m.knock(m.id, device, m.login(device).Ticket)
	if answer.GetCmd() != cimpb.Command_WELCOME {
		m.h.t.Fatalf("%s was answered %v", m.name, answer)
	}
	return w
}

func wantCode(t *testing.T, f *cimpb.Frame, cmd cimpb.Command, code cimpb.Code) {
	t.Helper()
	if f.GetCmd() != cmd || f.GetStatus().GetCode() != uint32(code) {
		t.Errorf("answer %v, want %s %s", f, cmd, code)
	}
}

// refusals reads the counter of one reason.
func (h tokenHTTP) refusals(reason string) string {
	h.t.Helper()
	return h.counted(`cim_logins_refused_total{reason="` + reason + `"}`)
}

// counted reads a line of the metrics.
func (h tokenHTTP) counted(name string) string {
	h.t.Helper()
	req, _ := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+h.n.httpAddr.String()+"/metrics", nil)
	req.Header.Set("Authorization", "Bearer "+h.n.keys.application)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return "no line"
}

func newTokenNode(t *testing.T, change ...func(*nodeConfig)) tokenHTTP {
	t.Helper()
	return tokenHTTP{t: t, n: newTestNode(t, append([]func(*nodeConfig){withTokens}, change...)...)}
}

// wantAlive has a session answer a heartbeat.
func wantAlive(t *testing.T, w *wire) {
	t.Helper()
	w.writeFrame(&cimpb.Frame{Cmd: cimpb.Command_PING})
	if f := w.frame(); f.GetCmd() != cimpb.Command_PING {
		t.Errorf("a heartbeat was answered %v", f)
	}
}

func TestReplacedSecret(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	in := alice.login("phone")
	w := alice.connect("phone")
	var out struct{ Secret string }
	own := "/v1/accounts/" + strconv.FormatInt(alice.id, 10) + "/secret"
	if status := h.as(in.AccessToken).call(http.MethodPost, own, "{}", &out); status != http.StatusOK {
		t.Fatalf("replace: %d", status)
	}
	wantCode(t, w.frame(), cimpb.Command_KICK, cimpb.CodeLoggedOut)
	w.ended()
	if status := h.as(in.AccessToken).call(http.MethodGet, "/v1/online/count", "", nil); status != http.StatusUnauthorized {
		t.Errorf("the old access token: %d", status)
	}
	_, answer := alice.knock(alice.id, "phone", in.Ticket)
	wantCode(t, answer, cimpb.Command_ERROR, cimpb.CodeBadToken)
	if status := h.call(http.MethodPost, "/v1/login", `{"name":"alice","secret":"`+alice.secret+`","device":"phone"}`, nil); status != http.StatusUnauthorized {
		t.Errorf("the old secret: %d", status)
	}
	alice.secret = out.Secret
	wantAlive(t, alice.connect("phone"))
}

func TestDisabledAccount(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	unused := alice.login("phone")
	w := alice.connect("phone")
	application := h.as(h.n.keys.application)
	path := "/v1/accounts/" + strconv.FormatInt(alice.id, 10)
	if status := h.as(unused.AccessToken).call(http.MethodPost, path+"/disable", "", nil); status != http.StatusForbidden {
		t.Errorf("a user disables: %d", status)
	}
	if status := application.call(http.MethodPost, path+"/disable", "", nil); status != http.StatusOK {
		t.Fatalf("disable: %d", status)
	}
	wantCode(t, w.frame(), cimpb.Command_KICK, cimpb.CodeAccountDisabled)
	w.ended()
	_, answer := alice.knock(alice.id, "phone", unused.Ticket)
	wantCode(t, answer, cimpb.Command_ERROR, cimpb.CodeAccountDisabled)
	if got := h.refusals("account_disabled"); got != "1" {
		t.Errorf("counted %s", got)
	}
	if status := h.call(http.MethodPost, "/v1/login", `{"name":"alice","secret":"`+alice.secret+`","device":"phone"}`, nil); status != http.StatusForbidden {
		t.Errorf("login: %d", status)
	}
	if status := application.call(http.MethodPost, path+"/enable", "", nil); status != http.StatusOK {
		t.Fatalf("enable: %d", status)
	}
	wantAlive(t, alice.connect("phone"))
}

// CIM's own way in, which knows no authentication, is closed.
func TestCIMIsShutOutByTokens(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	w := dialWire(t, h.n.server.Addr().String())
	w.writeFrame(&cimpb.Frame{Text: "alice", UserId: alice.id})
	w.ended()
	if got := h.n.server.Stats().Closed["hello_required"]; got != 1 {
		t.Errorf("%d connections were closed for it, want 1", got)
	}
	var answer cimAnswer
	if status := h.call(http.MethodPost, "/login", `{"userId":1,"userName":"alice"}`, &answer); status != http.StatusForbidden || answer.Code != "4000" {
		t.Errorf("CIM's login: %d %+v", status, answer)
	}
}

// Keys that another process rotates count at once after a reload; who is connected stays so.
func TestRotation(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := newTokenNode(t, func(c *nodeConfig) { c.data = data })
	alice := h.register("alice")
	connected := alice.connect("phone")
	before := alice.login("laptop")
	rotate := func() {
		if code, _, stderr := runCIM(t, "keys", "rotate", "--data", data); code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if err := h.n.keys.tokens.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	count := func(in tokenLogin) int { return h.as(in.AccessToken).call(http.MethodGet, "/v1/online/count", "", nil) }
	rotate()
	if got := count(before); got != http.StatusOK {
		t.Errorf("a token of the previous key: %d", got)
	}
	after := alice.login("laptop")
	rotate()
	if got := count(before); got != http.StatusUnauthorized {
		t.Errorf("a token of a removed key: %d", got)
	}
	if got := count(after); got != http.StatusOK {
		t.Errorf("a token of the previous key: %d", got)
	}
	_, answer := alice.knock(alice.id, "laptop", before.Ticket)
	wantCode(t, answer, cimpb.Command_ERROR, cimpb.CodeBadToken)
	wantAlive(t, connected)
}

func TestKeysOnTheDisk(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := newTokenNode(t, func(c *nodeConfig) { c.data = data }).n.keys.application
	for path, mode := range map[string]os.FileMode{
		data: 0o700, keysDir(data): 0o700, filepath.Join(keysDir(data), "signing.key"): 0o600, applicationKeyFile(data): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	again, err := openKeys(data)
	if err != nil || again.application != first {
		t.Errorf("read again: %v, the same: %v", err, again.application == first)
	}
	if err := os.WriteFile(applicationKeyFile(data), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openKeys(data); err == nil {
		t.Error("a broken application key was taken")
	}
}

// The program says where its keys are.
func TestUpWithTokens(t *testing.T) {
	for name, data := range map[string]string{"disk": filepath.Join(t.TempDir(), "data"), "memory": ":memory:"} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t, "up", "--auth", "token", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", data)
			line := p.waitLine("--auth token")
			want := applicationKeyFile(data)
			if name == "memory" {
				want = "cimk_"
			}
			if !strings.Contains(line, want) {
				t.Errorf("%q does not say %s", line, want)
			}
			p.waitLine("chat")
			if code := p.stop(); code != exitOK {
				t.Errorf("exit code %d: %s", code, p.stderr.String())
			}
		})
	}
}
