package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cim/route/token"
)

func TestTokenLogin(t *testing.T) {
	f := newTokenFixture(t)
	got := f.as("", http.MethodPost, "/v1/login", `{"name":"alice","user_id":1,"secret":"`+aliceSecret+`","device":"phone"}`)
	in := decodedAs[v1LoginAnswer](t, got)
	if got.status != 200 || in.UserID != 1 || in.Name != "alice" || in.Server.Instance != "i1" || in.AccessExpiresIn != 900 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	ticket, err := f.keys.CheckTicket(in.Ticket, "i1", f.at)
	if err != nil || ticket.User != 1 || ticket.Device != "phone" || ticket.Generation != 1 {
		t.Errorf("ticket %+v, %v", ticket, err)
	}
	f.expectAs(in.AccessToken, http.MethodGet, "/v1/online/count", "", 200, `{"count":2}`)
	again := decodedAs[v1LoginAnswer](t, f.as(in.AccessToken, http.MethodPost, "/v1/login", `{"device":"phone"}`))
	if again.UserID != 1 || again.Ticket == "" || again.Ticket == in.Ticket {
		t.Errorf("with the access token: %+v", again)
	}
}

// The server says when the user may come: the ticket is good from then on, and the client is told how long that is.
func TestLoginNotBefore(t *testing.T) {
	f := newTokenFixture(t)
	for name, tc := range map[string]struct {
		in   time.Duration
		want int64
	}{
		"later":   {30*time.Second + time.Microsecond, 30_001},
		"at once": {-time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f.fresh(t, func(r *fakeRouter) { r.notBefore = f.at.Add(tc.in) })
			in := decodedAs[v1LoginAnswer](t, f.as("", http.MethodPost, "/v1/login", `{"name":"alice","secret":"`+aliceSecret+`","device":"d"}`))
			if in.NotBeforeMs != tc.want {
				t.Errorf("told to wait %d ms", in.NotBeforeMs)
			}
			if tc.want == 0 {
				return
			}
			if _, err := f.keys.CheckTicket(in.Ticket, "i1", f.at); err == nil {
				t.Error("the ticket is good before its time")
			}
			ticket, err := f.keys.CheckTicket(in.Ticket, "i1", f.at.Add(tc.in+token.TicketTime-time.Second))
			if err != nil || ticket.NotBefore.Unix() != f.at.Add(tc.in).Unix() {
				t.Errorf("ticket %+v, %v", ticket, err)
			}
		})
	}
}

// Who guesses learns nothing: an unknown name, a name of another id and a wrong secret are answered alike.
func TestLoginRefusals(t *testing.T) {
	f := newTokenFixture(t)
	right := `"secret":"` + aliceSecret + `","device":"d"}`
	for _, tt := range []struct {
		name, bearer, body string
		status             int
		want               string
	}{
		{"wrong secret", "", `{"name":"alice","secret":"x","device":"d"}`, 401, v1BadLogin},
		{"unknown name", "", `{"name":"eve",` + right, 401, v1BadLogin},
		{"unknown id", "", `{"user_id":99,` + right, 401, v1BadLogin},
		{"another's id", "", `{"user_id":2,"name":"alice",` + right, 401, v1BadLogin},
		{"account without secret", "", `{"name":"sensor","secret":"x","device":"d"}`, 401, v1BadLogin},
		{"another's token", f.access(2), `{"name":"alice","device":"d"}`, 401, v1BadLogin},
		{"another's token by id", f.access(2), `{"user_id":1,"device":"d"}`, 401, v1BadLogin},
		{"no secret", "", `{"name":"alice","device":"d"}`, 401, v1Is("unauthorized", strings.ReplaceAll(errNoSecret.message, `"`, `\"`))},
		{"an application", f.key, `{"name":"alice","device":"d"}`, 403, v1Is("not_allowed", "An application has no sessions; log in with the secret of a user.")},
		{"bad token", "x", `{"name":"alice","device":"d"}`, 401, v1Dead},
		{"nobody", "", `{` + right, 400, v1Bad(`Say who logs in: \"user_id\" or \"name\".`)},
		{"no device", "", `{"name":"alice","secret":"` + aliceSecret + `"}`, 400, v1Bad(`\"device\" is missing: a name for this device among those of the user.`)},
		{"long device", "", `{"name":"alice","secret":"x","device":"` + strings.Repeat("d", 65) + `"}`, 400, v1Bad(`\"device\" is over 64 bytes.`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, nil)
			f.expectAs(tt.bearer, http.MethodPost, "/v1/login", tt.body, tt.status, tt.want)
		})
	}
	t.Run("disabled", func(t *testing.T) {
		f.fresh(t, func(r *fakeRouter) { r.accounts[0].Disabled = true })
		f.expectAs("", http.MethodPost, "/v1/login", `{"name":"alice",`+right, 403, v1Disabled403)
		f.expectAs("", http.MethodPost, "/v1/login", `{"name":"alice","secret":"x","device":"d"}`, 401, v1BadLogin)
	})
	t.Run("no server", func(t *testing.T) {
		f.fresh(t, func(r *fakeRouter) { r.noServer = true })
		got := f.as("", http.MethodPost, "/v1/login", `{"name":"alice",`+right)
		if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "no_server") {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

// A user who logs in again and again would take the places of others at the servers.
func TestLoginsOfAUserAreLimited(t *testing.T) {
	f := newTokenFixture(t, func(c *Config) { c.Limits.Logins = 3 })
	bySecret := `{"name":"alice","secret":"` + aliceSecret + `","device":"d"}`
	for i := range 3 {
		if a, b := f.as("", http.MethodPost, "/v1/login", bySecret), f.as(f.access(1), http.MethodPost, "/v1/login", `{"device":"d"}`); a.status != 200 || b.status != 200 {
			t.Fatalf("login %d: %d and %d", i, a.status, b.status)
		}
	}
	got := f.as("", http.MethodPost, "/v1/login", bySecret)
	if byToken := f.as(f.access(1), http.MethodPost, "/v1/login", `{"device":"d"}`); got.status != 429 || byToken.status != 429 || got.header.Get("Retry-After") != "20" {
		t.Errorf("one more: %d, by token %d, Retry-After %q", got.status, byToken.status, got.header.Get("Retry-After"))
	}
	f.wantRefused(reasonRateLogins, 2)
	if bob := f.as("", http.MethodPost, "/v1/login", `{"name":"bob","secret":"`+bobSecret+`","device":"d"}`); bob.status != 200 {
		t.Errorf("another user: %d", bob.status)
	}
	f.at = f.at.Add(20 * time.Second)
	if got := f.as("", http.MethodPost, "/v1/login", bySecret); got.status != 200 {
		t.Errorf("after the wait: %d", got.status)
	}
}

func TestWrongSecretsOfAnAddressAreLimited(t *testing.T) {
	f := newTokenFixture(t, func(c *Config) { c.Limits.BadLogins = 3 })
	login := func(secret string) int {
		return f.as("", http.MethodPost, "/v1/login", `{"name":"alice","secret":"`+secret+`","device":"d"}`).status
	}
	for i := range 6 {
		if login(aliceSecret) != 200 || login("x") != 401 {
			t.Fatalf("attempt %d was not answered for what it was", i)
		}
	}
	for range 3 {
		if got := f.as("", http.MethodPost, "/v1/login", `{"name":"alice","secret":"x","device":"d"}`); got.status != 429 || got.header.Get("Retry-After") != "20" {
			t.Errorf("an address that guesses goes on: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
		if login(aliceSecret) != 200 {
			t.Error("who guesses shuts out others of the address")
		}
	}
	if m := f.as(f.key, http.MethodGet, "/metrics", "").body; !strings.Contains(m, `cim_http_refused_total{reason="rate_limited_login"} 3`) {
		t.Error("the refusals were not counted")
	}
	f.at = f.at.Add(token.TicketTime)
	if login("x") != 401 {
		t.Error("a wrong secret is not called one after the wait")
	}
}
