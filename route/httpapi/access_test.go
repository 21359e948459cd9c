package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
	"cim/route/token"
)

// tokenFixture is an API that asks who calls, with a clock that tests turn.
type tokenFixture struct {
	*fixture
	keys *token.Keys
	key  string // of the application
	at   time.Time
}

func newTokenFixture(t *testing.T, change ...func(*Config)) *tokenFixture {
	t.Helper()
	f := &tokenFixture{keys: token.NewKeys(), key: auth.NewApplicationKey(), at: testTime}
	withAuth := func(c *Config) {
		c.AuthCIM, c.Now = false, func() time.Time { return f.at }
		c.Auth = auth.New(f.keys, f, route.HashSecret(f.key), c.Now)
	}
	f.fixture = newFixture(t, append([]func(*Config){withAuth}, change...)...)
	return f
}

// Credentials implements auth.Accounts with the router of the moment.
func (f *tokenFixture) Credentials(ctx context.Context, id int64) (route.Credentials, error) {
	return f.router.Credentials(ctx, id)
}

// access is a token of a user.
func (f *tokenFixture) access(user int64) string {
	f.t.Helper()
	signed, _, err := f.keys.Access(user, 1, f.at)
	if err != nil {
		f.t.Fatal(err)
	}
	return signed
}

// as calls with a bearer token; without, anonymously.
func (f *tokenFixture) as(bearer, method, path, body string) response {
	f.t.Helper()
	req := f.request(method, path, body)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return f.send(req)
}

func (f *tokenFixture) expectAs(bearer, method, path, body string, status int, want string) response {
	f.t.Helper()
	got := f.as(bearer, method, path, body)
	if got.status != status || got.body != want {
		f.t.Errorf("%s %s %s\n got %d %s\nwant %d %s", method, path, body, got.status, got.body, status, want)
	}
	return got
}

var (
	v1Unauthorized = v1Is("unauthorized", cimpb.CodeUnauthorized.Sentence())
	v1BadLogin     = v1Is("bad_credentials", cimpb.CodeBadCredentials.Sentence())
	v1Disabled403  = v1Is("account_disabled", cimpb.CodeAccountDisabled.Sentence())
	v1Dead         = v1Is("unauthorized", "The credential does not count: log in again, or send the application key as it stands in its file.")
)

// requestBodies are what callers of TestAnonymousCallers send where an empty object would not be understood.
var requestBodies = map[string]string{
	"/v1/accounts": `{"name":"carol"}`,
	"/v1/login":    `{"name":"alice","secret":"a guess","device":"laptop"}`,
}

const securityDoc = "../../docs/security.md"

// docs/security.md lists what an anonymous caller gets of each path; this test is where the list comes from.
func TestAnonymousCallers(t *testing.T) {
	anyone := newTokenFixture(t)
	applications := newTokenFixture(t, func(c *Config) { c.ApplicationsRegister = true })
	var table strings.Builder
	table.WriteString("| path | `--register anyone` | `--register applications` |\n|---|---|---|\n")
	for _, e := range anyone.api.routes() {
		fmt.Fprintf(&table, "| `%s %s` | %s | %s |\n", e.method, e.path, anyone.anonymous(t, e), applications.anonymous(t, e))
	}
	doc, err := os.ReadFile(securityDoc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), table.String()) {
		t.Errorf("%s should hold\n%s", securityDoc, table.String())
	}
}

// anonymous is how e answers somebody without credential; nothing of them may reach routing but what is open.
func (f *tokenFixture) anonymous(t *testing.T, e *endpoint) string {
	t.Helper()
	f.fresh(t, nil)
	body := requestBodies[e.path]
	if body == "" || e.method == get {
		body = "{}"
	}
	got := f.as("", e.method, strings.Replace(e.path, "{id}", "1", 1), body)
	if reached := len(f.router.logouts) + len(f.router.pages) + len(f.router.sends); reached > 0 {
		t.Errorf("%s %s reached routing", e.method, e.path)
	}
	answer := fmt.Sprint(got.status)
	for _, code := range []cimpb.Code{cimpb.CodeUnauthorized, cimpb.CodeBadCredentials} {
		if strings.Contains(got.body, `"code":"`+code.String()+`"`) {
			answer += " `" + code.String() + "`"
		}
	}
	if strings.Contains(got.body, `"code":"4000"`) {
		answer += ", code 4000"
	}
	if got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("%s %s: WWW-Authenticate %q", e.method, e.path, got.header.Get("WWW-Authenticate"))
	}
	return answer
}

// What each kind of caller may do is in the table of routes; this is what follows from it.
func TestUsersAndApplications(t *testing.T) {
	f := newTokenFixture(t)
	for _, e := range f.api.routes() {
		f.fresh(t, nil)
		path := strings.Replace(e.path, "{id}", "1", 1)
		user, application := f.as(f.access(1), e.method, path, "{}"), f.as(f.key, e.method, path, "{}")
		refused := func(r response) bool { return r.status == 401 || r.status == 403 }
		wantUser := e.access == accessApplication || e.access == accessCIM
		if refused(user) != wantUser {
			t.Errorf("%s %s of a user: %d %s", e.method, e.path, user.status, user.body)
		}
		if refused(application) != (e.access == accessCIM) {
			t.Errorf("%s %s of an application: %d %s", e.method, e.path, application.status, application.body)
		}
	}
}

func TestCredentialsThatDoNotCount(t *testing.T) {
	f := newTokenFixture(t)
	stale := f.access(1)
	rotated := f.access(1)
	for _, tt := range []struct {
		name, header string
		prepare      func()
		status       int
		want         string
	}{
		{"another scheme", "Basic YTpi", nil, 401, v1Is("unauthorized", errScheme.message)},
		{"a scheme alone", "Bearer", nil, 401, v1Is("unauthorized", errScheme.message)},
		{"nonsense", "Bearer x", nil, 401, v1Dead},
		{"another key", "Bearer " + auth.NewApplicationKey(), nil, 401, v1Dead},
		{"the scheme in other letters", "bEARER " + f.access(1), nil, 200, `{"count":2}`},
		{"a replaced secret", "Bearer " + f.access(1), func() { f.router.generation[1]++ }, 401, v1Dead},
		{"a disabled account", "Bearer " + f.access(1), func() { f.router.accounts[0].Disabled = true }, 403, v1Disabled403},
		{"a store that is down", "Bearer " + f.access(1), func() { f.router.err = route.ErrStoreUnavailable }, 503, v1NoStore},
		{"a key that is removed", "Bearer " + rotated, func() { f.rotate(); f.rotate() }, 401, v1Dead},
		{"an old token", "Bearer " + f.access(1), func() { f.at = f.at.Add(token.AccessTime + time.Minute) }, 401, v1Dead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, nil)
			header := tt.header
			if tt.name == "an old token" {
				header, tt.want = "Bearer "+f.access(1), v1Is("token_expired", "The access token has expired; log in again.")
			}
			if tt.prepare != nil {
				tt.prepare()
			}
			req := f.request(http.MethodGet, "/v1/online/count", "")
			req.Header.Set("Authorization", header)
			if got := f.send(req); got.status != tt.status || got.body != tt.want {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, tt.want)
			}
		})
	}
	f.t = t
	f.fresh(t, nil)
	for _, path := range []string{"/healthz", "/openapi.yaml"} {
		if got := f.as(stale+"x", http.MethodGet, path, ""); got.status != 200 {
			t.Errorf("%s with a bad token: %d", path, got.status)
		}
	}
	metrics := f.as(f.key, http.MethodGet, "/metrics", "").body
	for _, line := range []string{
		`cim_http_refused_total{reason="unauthorized"} 6`, `cim_http_refused_total{reason="token_expired"} 1`,
		`cim_http_refused_total{reason="account_disabled"} 1`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

func (f *tokenFixture) rotate() {
	f.t.Helper()
	if err := f.keys.Rotate(); err != nil {
		f.t.Fatal(err)
	}
}

func TestUsersSendAsThemselves(t *testing.T) {
	for _, tt := range []struct {
		name, bearer, from string
		status             int
		want               int64
	}{
		{"a user who says nothing", "user", "", 200, 1},
		{"a user who says so", "user", `"from":1,`, 200, 1},
		{"a user who is not", "user", `"from":2,`, 403, 0},
		{"a user who is nobody", "user", `"from":0,`, 400, 0},
		{"an application", "application", "", 200, 0},
		{"an application for a user", "application", `"from":2,`, 200, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newTokenFixture(t)
			bearer := map[string]string{"user": f.access(1), "application": f.key}[tt.bearer]
			got := f.as(bearer, http.MethodPost, "/v1/messages", `{`+tt.from+`"to":2,"text":"hi"}`)
			if got.status != tt.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if tt.status != 200 {
				if len(f.router.sends) != 0 {
					t.Error("a refused message was sent")
				}
				return
			}
			if frame := f.sentFrame(); f.router.sends[0].From != tt.want || frame.GetFrom() != tt.want || (frame.GetFromName() == "alice") != (tt.want == 1) {
				t.Errorf("sent by %d as %v", f.router.sends[0].From, frame)
			}
		})
	}
}

func TestSecretsAndDisabling(t *testing.T) {
	f := newTokenFixture(t)
	own := f.access(1)
	f.expectAs(f.access(2), http.MethodPost, "/v1/accounts/1/secret", "", 403, v1Is("not_allowed", errAnother.message))
	f.expectAs(own, http.MethodPost, "/v1/accounts/1/secret", "{}", 200, `{"user_id":1,"secret":"another"}`)
	f.expectAs(own, http.MethodGet, "/v1/online/count", "", 401, v1Dead)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/2/secret", "", 200, `{"user_id":2,"secret":"another"}`)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/99/secret", "", 404, v1NoUser)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/bob/secret", "", 400, v1Bad("The path has to hold a user's id, which is a number."))
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/2/secret", `{"x":1}`, 400, v1Bad(`There is no field \"x\".`))
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/2/disable", "", 200, `{"user_id":2,"disabled":true}`)
	f.expectAs(f.access(2), http.MethodGet, "/v1/online/count", "", 403, v1Disabled403)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/2/enable", "", 200, `{"user_id":2,"disabled":false}`)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts/99/disable", "", 404, v1NoUser)
}

// The old secret is gone, so the new one has to be told whatever becomes of the session.
func TestReplacedSecretIsToldEvenSo(t *testing.T) {
	f := newTokenFixture(t)
	f.router.endErr = route.ErrStoreUnavailable
	f.expectAs(f.access(1), http.MethodPost, "/v1/accounts/1/secret", "", 200, `{"user_id":1,"secret":"another","warning":"`+warnSession+`"}`)
	if !strings.Contains(f.log.String(), "level=WARN") || strings.Contains(f.log.String(), "another") {
		t.Errorf("the log says %s", f.log)
	}
}

// Without tokens there is nothing that a secret would open.
func TestAuthCIMKnowsNoSecrets(t *testing.T) {
	f := newFixture(t)
	for _, act := range []string{"secret", "disable", "enable"} {
		f.expect(http.MethodPost, "/v1/accounts/1/"+act, "{}", 404, v1Is("unsupported", errNoSecrets.message))
	}
	f.expect(http.MethodPost, "/v1/login", `{"name":"alice","secret":"whatever"}`, 200,
		`{"user_id":1,"name":"alice","server":{"host":"10.0.0.9","port":11211,"instance":"i1","tls":false},"ticket":""}`)
}
