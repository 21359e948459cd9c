package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

type registered struct {
	UserID  int64  `json:"user_id"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Created *bool  `json:"created"`
	Secret  string `json:"secret"`
	Error   *v1ErrorBody
}

func decodedAs[T any](t *testing.T, r response) (out T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return out
}

var v1Taken = v1Is("name_taken", cimpb.CodeNameTaken.Sentence())

func TestRegisterGivesASecretOnce(t *testing.T) {
	f := newTokenFixture(t)
	got := f.as("", http.MethodPost, "/v1/accounts", `{"name":"carol"}`)
	made := decodedAs[registered](t, got)
	if got.status != 201 || made.UserID != 4 || len(made.Secret) != 43 || made.Created != nil {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if f.router.secrets[4] != route.HashSecret(made.Secret) {
		t.Error("the hash that is kept is not the secret's")
	}
	f.expectAs("", http.MethodPost, "/v1/accounts", `{"name":"carol"}`, 409, v1Taken)
	f.expectAs(f.access(1), http.MethodPost, "/v1/accounts", `{"name":"carol"}`, 409, v1Taken)
	f.expectAs(f.key, http.MethodPost, "/v1/accounts", `{"name":"carol"}`, 200, `{"user_id":4,"name":"carol","kind":"user"}`)
	f.expectAs("nonsense", http.MethodPost, "/v1/accounts", `{"name":"dora"}`, 401, v1Dead)
	if f.router.secrets[4] != route.HashSecret(made.Secret) {
		t.Error("a second registration changed the secret")
	}
}

func TestOnlyApplicationsRegister(t *testing.T) {
	f := newTokenFixture(t, func(c *Config) { c.ApplicationsRegister = true })
	f.expectAs("", http.MethodPost, "/v1/accounts", `{"name":"carol"}`, 401, v1Unauthorized)
	f.expectAs(f.access(1), http.MethodPost, "/v1/accounts", `{"name":"carol"}`, 403, v1Is("not_allowed", errApplication.message))
	if got := f.as(f.key, http.MethodPost, "/v1/accounts", `{"name":"carol"}`); got.status != 201 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestBulkIsIdempotent(t *testing.T) {
	f := newTokenFixture(t)
	const body = `{"accounts":[{"name":"bob"},{"name":"x"},{"name":"d","kind":"device"}]}`
	f.expectAs("", http.MethodPost, "/v1/accounts", body, 401, v1Is("unauthorized", errApplication.message))
	f.expectAs(f.access(1), http.MethodPost, "/v1/accounts", body, 403, v1Is("not_allowed", errApplication.message))
	if len(f.router.accounts) != 3 {
		t.Fatal("a refused call made accounts")
	}
	first := decodedAs[struct{ Accounts []registered }](t, f.as(f.key, http.MethodPost, "/v1/accounts", body)).Accounts
	again := decodedAs[struct{ Accounts []registered }](t, f.as(f.key, http.MethodPost, "/v1/accounts", body)).Accounts
	for i, name := range []string{"bob", "x", "d"} {
		isNew := name != "bob"
		if first[i].Name != name || *first[i].Created != isNew || (len(first[i].Secret) == 43) != isNew {
			t.Errorf("first: %+v", first[i])
		}
		if again[i].UserID != first[i].UserID || *again[i].Created || again[i].Secret != "" || again[i].Kind != first[i].Kind {
			t.Errorf("again: %+v", again[i])
		}
	}
}

// The store fails while a bulk call runs: what was made is told with its secret, and the rest can be asked for again.
func TestBulkThatFailsHalfWay(t *testing.T) {
	f := newTokenFixture(t)
	f.router.names["x"] = fmt.Errorf("create: %w", route.ErrDiskFull)
	const body = `{"accounts":[{"name":"bob"},{"name":"x","kind":"device"},{"name":"carol"}]}`
	got := f.as(f.key, http.MethodPost, "/v1/accounts", body)
	answer := decodedAs[struct{ Accounts []registered }](t, got).Accounts
	if got.status != http.StatusMultiStatus || len(answer) != 3 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if bob, carol := answer[0], answer[2]; bob.Error != nil || *bob.Created || !*carol.Created || f.router.secrets[carol.UserID] != route.HashSecret(carol.Secret) {
		t.Errorf("what is there: %+v, %+v", bob, carol)
	}
	if x := answer[1]; x.Name != "x" || x.Kind != "device" || x.Error == nil || x.Error.Code != "disk_full" || x.UserID != 0 || x.Created != nil || x.Secret != "" {
		t.Errorf("what is not: %+v", x)
	}
	delete(f.router.names, "x")
	again := decodedAs[struct{ Accounts []registered }](t, f.as(f.key, http.MethodPost, "/v1/accounts", body)).Accounts
	if !*again[1].Created || again[1].Secret == "" || *again[2].Created || again[2].UserID != answer[2].UserID {
		t.Errorf("again: %+v", again)
	}
}

// A mistake in the last account is found before the first is made.
func TestBulkIsCheckedFirst(t *testing.T) {
	f := newTokenFixture(t)
	for bad, want := range map[string]string{
		`{"name":""}`:                  `"accounts[1]: \"name\" is missing."`,
		`{"name":"a;b"}`:               `"accounts[1]: The name does not do: `,
		`{"name":"r2","kind":"robot"}`: `"accounts[1]: \"kind\" has to be \"user\" or \"device\"."`,
	} {
		got := f.as(f.key, http.MethodPost, "/v1/accounts", `{"accounts":[{"name":"carol"},`+bad+`]}`)
		if got.status != 400 || !strings.Contains(got.body, want) || len(f.router.accounts) != 3 {
			t.Errorf("%s: %d %s, %d accounts", bad, got.status, got.body, len(f.router.accounts))
		}
	}
}

func TestRegistrationsOfAnAddressAreLimited(t *testing.T) {
	f := newTokenFixture(t, func(c *Config) { c.Limits.Registers = 6 })
	register := func(bearer, name string) response {
		return f.as(bearer, http.MethodPost, "/v1/accounts", `{"name":"`+name+`"}`)
	}
	for i := range 12 {
		if got := register("", "n"+strconv.Itoa(i)+"x"); got.status != 201 {
			t.Fatalf("account %d: %d %s", i, got.status, got.body)
		}
	}
	got := register("", "onemore")
	if got.status != 429 || got.header.Get("Retry-After") != "10" || !strings.Contains(got.body, `"rate_limited"`) {
		t.Errorf("%d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	if got := register(f.key, "byapplication"); got.status != 201 {
		t.Errorf("an application: %d %s", got.status, got.body)
	}
	f.at = f.at.Add(10 * time.Second)
	if got := register("", "onemore"); got.status != 201 {
		t.Errorf("after the wait: %d %s", got.status, got.body)
	}
	if m := f.as(f.key, http.MethodGet, "/metrics", "").body; !strings.Contains(m, `cim_http_refused_total{reason="rate_limited_register"} 1`) {
		t.Error("the refusal was not counted")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	const burst = 2
	l := newLimiter[netip.Addr]("x", 1.0/60, burst, 100)
	now := testTime
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 1000 {
		if f := l.take(address(i), 1, now); f != nil {
			t.Fatalf("address %d: %v", i, f)
		}
	}
	if len(l.buckets) != 100 {
		t.Errorf("%d addresses are remembered, want 100", len(l.buckets))
	}
	// Those that have their full share again make room before one that has not.
	now = now.Add(time.Hour)
	busy := address(5000)
	for range burst {
		_ = l.take(busy, 1, now)
	}
	for i := range limiterSweep / 2 {
		_ = l.take(address(6000+i), 1, now)
	}
	if l.take(busy, 1, now) == nil {
		t.Error("an address was forgotten that had used its share, though others could be")
	}
}

func TestSources(t *testing.T) {
	for from, want := range map[string]string{
		"10.1.2.3": "10.1.2.3", "::ffff:10.1.2.3": "10.1.2.3", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "::1": "::",
	} {
		if got := sourceOf(netip.MustParseAddr(from)); got != netip.MustParseAddr(want) {
			t.Errorf("%s counts as %s, want %s", from, got, want)
		}
	}
}
