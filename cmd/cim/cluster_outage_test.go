package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"cim/client"
	"cim/internal/redistest"
	cimpb "cim/proto"
)

// Redis is away: what is not stored reaches who is connected, wherever that is, and what needs Redis is refused as
// something to try again. When Redis is back, all is as before.
func TestClusterQoS0WithoutRedis(t *testing.T) {
	for name, outage := range map[string]struct {
		begin, end func(t *testing.T, r *redistest.Server)
	}{
		"Redis hangs": {
			func(t *testing.T, r *redistest.Server) { r.Pause(t) },
			func(t *testing.T, r *redistest.Server) { r.Resume(t) },
		},
		"Redis is killed": {
			func(t *testing.T, r *redistest.Server) { r.Kill(t) },
			func(t *testing.T, r *redistest.Server) { r.Restart(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 3, 1)
			f := newFleeting(c)
			f.say(t, f.bob)
			f.wantAsked(0, 0)
			sending := keepSending(t, f.alice.Client, f.dave.id)
			sending.passes(1)

			outage.begin(t, c.redis)
			testWithoutRedis(t, f)

			outage.end(t, c.redis)
			sending.more(1)
			sending.stop()
			eventually(t, "it is noticed that Redis is back", func() bool {
				f.say(t, f.bob)
				return f.alice.server.metric("cim_directory_away") == 0
			})
			testWithRedisAgain(t, f)
		})
	}
}

// fleeting is people on three servers who send each other what is not stored.
type fleeting struct {
	c                 *testCluster
	alice, bob, carol *fleetingUser
	dave              *member // who is not connected
}

type fleetingUser struct {
	*client.Client
	server *clusterProcess
	got    *collector
	sent   []string // to them
}

func newFleeting(c *testCluster) *fleeting {
	f := &fleeting{c: c, dave: c.member(c.t, "dave")}
	for name, at := range map[string]struct {
		user   **fleetingUser
		server *clusterProcess
	}{"alice": {&f.alice, c.servers[0]}, "bob": {&f.bob, c.servers[1]}, "carol": {&f.carol, c.servers[0]}} {
		got := newCollector()
		*at.user = &fleetingUser{Client: c.connectTo(at.server, name, got.handler()), server: at.server, got: got}
	}
	return f
}

// say has alice send one message that is not stored.
func (f *fleeting) say(t *testing.T, to *fleetingUser) {
	t.Helper()
	text := fmt.Sprint(len(to.sent))
	if r, err := f.alice.SendTo(t.Context(), to.Me().ID, text, client.WithAtMostOnce()); err != nil || r.Stored() {
		t.Fatalf("message %s: %+v, %v", text, r, err)
	}
	to.sent = append(to.sent, text)
}

// push has a back end send one.
func (f *fleeting) push(t *testing.T, to *fleetingUser) {
	t.Helper()
	text := fmt.Sprint(len(to.sent))
	var out, errs bytes.Buffer
	args := []string{
		"push", "--route", f.c.route(), "--key-file", filepath.Join(f.c.folder, "application.key"),
		"--to", fmt.Sprint(to.Me().ID), "--qos", "0", text,
	}
	code := run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	if want := fmt.Sprintf("%d\twritten\t0\n", to.Me().ID); code != exitOK || out.String() != want {
		t.Fatalf("cim push: exit code %d, %q, %q", code, out.String(), errs.String())
	}
	to.sent = append(to.sent, text)
}

// wantAsked checks for how many messages alice's server had to ask for the receiver, and with how many pushes.
func (f *fleeting) wantAsked(messages, pushes float64) {
	f.c.t.Helper()
	s := f.alice.server
	if got := s.metric(`cim_asked_total{outcome="written"}`) + s.metric(`cim_asked_total{outcome="offline"}`); got != messages {
		f.c.t.Errorf("receivers were asked for %v times, want %v", got, messages)
	}
	if got := s.metric("cim_asked_pushes_total"); got != pushes {
		f.c.t.Errorf("asked with %v pushes, want %v", got, pushes)
	}
}

func testWithoutRedis(t *testing.T, f *fleeting) {
	const messages = 20
	for range messages {
		f.say(t, f.bob)
		f.say(t, f.carol)
	}
	if away := f.alice.server.metric("cim_directory_away"); away != 1 {
		t.Errorf("cim_directory_away is %v", away)
	}
	_, err := f.alice.SendTo(t.Context(), f.dave.id, "x", client.WithAtMostOnce())
	if code := client.CodeOf(err); code != cimpb.CodeOffline {
		t.Errorf("to nobody: %v", err)
	}
	f.wantAsked(2*messages+1, 4) // the two other servers, for bob once and for dave; for carol none
	for range 3 {
		f.push(t, f.bob)
	}
	f.bob.got.exactly(t, len(f.bob.sent))
	f.carol.got.exactly(t, len(f.carol.sent))

	if result := f.store(t); result != "store_unavailable" {
		t.Errorf("a stored message was answered %s", result)
	}
	login, _ := json.Marshal(map[string]string{"name": f.dave.name, "secret": f.dave.secret, "device": "phone"})
	if status := f.dave.h.call(http.MethodPost, "/v1/login", string(login), nil); status != http.StatusServiceUnavailable {
		t.Errorf("a login was answered %d", status)
	}
}

// store has a back end send bob something to be stored, and returns the result of one try.
func (f *fleeting) store(t *testing.T) string {
	t.Helper()
	var answer struct{ Results []pushResult }
	app := f.c.application(f.c.routes[0])
	err := app.post(t.Context(), "/v1/messages", map[string]any{"to": f.bob.Me().ID, "text": "stored"}, &answer, onceOnly)
	if refused, ok := errors.AsType[*client.StatusError](err); ok {
		return refused.Code.String()
	}
	if err != nil || len(answer.Results) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	return answer.Results[0].Result
}

func testWithRedisAgain(t *testing.T, f *fleeting) {
	const outcome = `cim_asked_total{outcome="written"}`
	s := f.alice.server
	asked, pushes := s.metric(outcome), s.metric("cim_peer_pushes_total")
	for range 10 {
		f.say(t, f.bob)
	}
	if n := s.metric(outcome) - asked; n != 0 {
		t.Errorf("%v receivers were asked for", n)
	}
	if n := s.metric("cim_peer_pushes_total") - pushes; n != 10 {
		t.Errorf("10 messages took %v pushes", n)
	}
	f.bob.got.exactly(t, len(f.bob.sent))
	if result := f.store(t); result != "stored" {
		t.Errorf("a stored message was answered %s", result)
	}
	f.bob.got.wait(t, len(f.bob.sent)+1)
	f.c.mu.Lock()
	f.c.secrets[f.dave.name] = f.dave.secret
	f.c.mu.Unlock()
	f.c.connect(f.dave.name, client.HandlerFuncs{})
	for _, p := range f.c.servers {
		if n := p.metric(`cim_dropped_total{reason="absent"}`); n != 0 {
			t.Errorf("%s counts %v messages as dropped", p.name, n)
		}
	}
	for _, u := range []*fleetingUser{f.alice, f.bob, f.carol} {
		if n := u.Stats().Connects; n != 1 {
			t.Errorf("%s connected %d times", u.Me().Name, n)
		}
	}
}
