package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	cimpb "cim/proto"
	"cim/route"
)

// helloWire logs in with hello and returns the connection and its WELCOME.
func helloWire(t *testing.T, n *node, user int64, device string) (*wire, *cimpb.Frame) {
	t.Helper()
	w := dialWire(t, n.server.Addr().String())
	w.writeFrame(&cimpb.Frame{UserId: user, Hello: &cimpb.Hello{Version: 1, Device: device}})
	return w, w.frame()
}

// Of many logins of one user at the same moment, one is granted.
func TestConcurrentCIMLogins(t *testing.T) {
	n := newTestNode(t)
	base := "http://" + n.httpAddr.String()
	for round := range 10 {
		id := cimHTTP{t, base}.register(fmt.Sprint("u", round))
		var granted atomic.Int32
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				resp, err := http.Post(base+"/login", "application/json", strings.NewReader(fmt.Sprintf(`{"userId":%d,"userName":"u%d"}`, id, round)))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				text := make([]byte, 20)
				_, _ = resp.Body.Read(text)
				if strings.Contains(string(text), "9000") {
					granted.Add(1)
				}
			})
		}
		wg.Wait()
		if got := granted.Load(); got != 1 {
			t.Fatalf("round %d: %d logins were granted", round, got)
		}
	}
}

// An entry of the directory that its server does not know, such as a claim leaves behind whose caller gave up,
// must not lock anybody out.
func TestStaleEntryLocksNobodyOut(t *testing.T) {
	n := newTestNode(t)
	a, _, err := n.router.Register(t.Context(), "zs", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	_, welcome := helloWire(t, n, a.ID, "phone")
	stale := route.ClaimRequest{
		User: a.ID, Device: "ghost", Instance: welcome.GetWelcome().GetInstance(), Takeover: route.TakeoverAny,
	}
	if _, err := n.store.Claim(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	if _, f := helloWire(t, n, a.ID, "tablet"); f.GetCmd() != cimpb.Command_WELCOME {
		t.Errorf("answered %v", f)
	}
}

// A client that claims to have what was never stored is not made deaf by it.
func TestSyncBeyondTheEnd(t *testing.T) {
	n := newTestNode(t)
	a, _, err := n.router.Register(t.Context(), "zs", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	w, welcome := helloWire(t, n, a.ID, "phone")
	epoch := welcome.GetWelcome().GetInbox().GetLogEpoch()
	w.writeFrame(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: epoch, Seq: 100})
	if f := w.frame(); f.GetCmd() != cimpb.Command_SYNC || f.GetLogEpoch() == epoch {
		t.Errorf("told %v, want a new log epoch", f)
	}
	body, err := route.EncodeBody(route.Message{From: 9, Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	n.router.Deliver(t.Context(), []route.Send{{From: 9, To: a.ID, QoS: route.AtLeastOnce, Body: body}})
	if f := w.frame(); f.GetText() != "hello" {
		t.Errorf("heard %v", f)
	}
}
