package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
	"cim/route/token"
)

// wantRefused expects an ERROR with that code, the end of the connection, and one more of that reason counted.
func (h tokenHTTP) wantRefused(code cimpb.Code, reason string, knock func() (*wire, *cimpb.Frame)) {
	h.t.Helper()
	before, _ := strconv.Atoi(h.refusals(reason))
	w, answer := knock()
	wantCode(h.t, answer, cimpb.Command_ERROR, code)
	if text := answer.GetStatus().GetText(); text != code.Sentence() {
		h.t.Errorf("the sentence is %q", text)
	}
	w.ended()
	if got := h.refusals(reason); got != strconv.Itoa(before+1) {
		h.t.Errorf("%d of %s became %s", before, reason, got)
	}
}

func TestTicketsThatDoNotDo(t *testing.T) {
	h := newTokenNode(t)
	alice, bob := h.register("alice"), h.register("bob")
	sign := func(keys *token.Keys, ticket token.Ticket, ago time.Duration) string {
		signed, err := keys.Ticket(ticket, time.Now().Add(-ago))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	instance := alice.login("phone").Server.Instance
	good := token.Ticket{User: alice.id, Device: "phone", Instance: instance, Generation: 1}
	elsewhere, old, keys := good, good, h.n.keys.tokens
	elsewhere.Instance, old.Generation = "x", 7
	removed := sign(keys, good, 0)
	for range 2 {
		if err := keys.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	payload := strings.Split(sign(keys, good, 0), ".")
	payload[2] = strings.Split(sign(keys, elsewhere, 0), ".")[2]
	for name, tc := range map[string]struct {
		user   int64
		device string
		ticket string
		code   cimpb.Code
		reason string
	}{
		"none":                 {alice.id, "phone", "", cimpb.CodeBadToken, "invalid"},
		"an access token":      {alice.id, "phone", alice.login("phone").AccessToken, cimpb.CodeBadToken, "invalid"},
		"forged":               {alice.id, "phone", sign(token.NewKeys(), good, 0), cimpb.CodeBadToken, "unknown_key"},
		"signed for another":   {alice.id, "phone", strings.Join(payload, "."), cimpb.CodeBadToken, "invalid"},
		"of a removed key":     {alice.id, "phone", removed, cimpb.CodeBadToken, "unknown_key"},
		"expired":              {alice.id, "phone", sign(keys, good, time.Hour), cimpb.CodeTokenExpired, "expired"},
		"too early":            {alice.id, "phone", sign(keys, good, -time.Minute), cimpb.CodeBusy, "too_early"},
		"for another server":   {alice.id, "phone", sign(keys, elsewhere, 0), cimpb.CodeWrongServer, "wrong_server"},
		"of another user":      {bob.id, "phone", alice.login("phone").Ticket, cimpb.CodeBadToken, "other_user"},
		"of another device":    {alice.id, "laptop", alice.login("phone").Ticket, cimpb.CodeBadToken, "other_device"},
		"of a replaced secret": {alice.id, "phone", sign(keys, old, 0), cimpb.CodeBadToken, "replaced_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.wantRefused(tc.code, tc.reason, func() (*wire, *cimpb.Frame) { return alice.knock(tc.user, tc.device, tc.ticket) })
		})
	}
}

// Who steals a ticket from the wire has nothing: it was used there.
func TestStolenTicket(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	in := alice.login("phone")
	w, answer := alice.knock(alice.id, "phone", in.Ticket)
	if answer.GetCmd() != cimpb.Command_WELCOME {
		t.Fatalf("the owner was answered %v", answer)
	}
	h.wantRefused(cimpb.CodeBadToken, "used", func() (*wire, *cimpb.Frame) { return alice.knock(alice.id, "phone", in.Ticket) })
	wantAlive(t, w)
}

// Many connections that show one ticket at the same moment are on all event loops; one is let in.
func TestTicketIsTakenOnceByAllLoops(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	in := alice.login("phone")
	const thieves = 40
	wires := make([]*wire, thieves)
	for i := range wires {
		wires[i] = dialWire(t, h.n.server.Addr().String())
	}
	for _, w := range wires {
		w.writeFrame(&cimpb.Frame{UserId: alice.id, Hello: &cimpb.Hello{Version: 1, Device: "phone", Token: in.Ticket}})
	}
	let := 0
	for _, w := range wires {
		if w.frame().GetCmd() == cimpb.Command_WELCOME {
			let++
		}
	}
	if got := h.refusals("used"); let != 1 || got != strconv.Itoa(thieves-1) {
		t.Errorf("%d were let in, %s refused", let, got)
	}
}

// A second device hears why it is refused and what to do; the session that is there does not notice.
func TestSecondDeviceIsRefused(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	phone := alice.connect("phone")
	h.wantRefused(cimpb.CodeDuplicateSession, "duplicate_session", func() (*wire, *cimpb.Frame) {
		return alice.knock(alice.id, "laptop", alice.login("laptop").Ticket)
	})
	if s := cimpb.CodeDuplicateSession.Sentence(); !strings.Contains(s, "close it there first") || !strings.Contains(s, "--duplicate kick") {
		t.Errorf("the sentence does not say what to do: %q", s)
	}
	wantAlive(t, phone)
}

// The same device takes over its own session at once, though the old connection still looks alive to the server: its
// network is gone, and no word of that has come.
func TestSameDeviceTakesOverItsDeadSession(t *testing.T) {
	h := newTokenNode(t, func(c *nodeConfig) { c.idleTimeout = time.Hour })
	alice := h.register("alice")
	dead := alice.connect("phone")
	again := alice.connect("phone")
	wantAlive(t, again)
	wantCode(t, dead.frame(), cimpb.Command_KICK, cimpb.CodeReplaced)
	dead.ended()
	if got := h.refusals("duplicate_session"); got != "0" {
		t.Errorf("%s logins were refused", got)
	}
}

// Access tokens at the route: the same, by its own counter.
func TestAccessTokensThatDoNotDo(t *testing.T) {
	h := newTokenNode(t)
	alice := h.register("alice")
	keys := h.n.keys.tokens
	in := alice.login("phone")
	expired, _, err := keys.Access(alice.id, 1, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := keys.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	other, _, err := keys.Access(alice.id, 7, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, bearer, reason, counted string }{
		{"a ticket", alice.login("phone").Ticket, "unauthorized", "1"},
		{"signed by a removed key", in.AccessToken, "unauthorized", "2"},
		{"of another secret", other, "unauthorized", "3"},
		{"expired, by a removed key", expired, "unauthorized", "4"},
	} {
		if status := h.as(tc.bearer).call(http.MethodGet, "/v1/online/count", "", nil); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", tc.name, status)
		}
		if got := h.counted(`cim_http_refused_total{reason="` + tc.reason + `"}`); got != tc.counted {
			t.Errorf("%s: %s counted, want %s", tc.name, got, tc.counted)
		}
	}
}
