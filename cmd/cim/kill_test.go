package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cim/client"
	cimpb "cim/proto"
)

// collector is a client that remembers what it was handed, in order.
type collector struct {
	mu    sync.Mutex
	texts []string
	newCh chan struct{}
}

func newCollector() *collector { return &collector{newCh: make(chan struct{}, 1)} }

func (c *collector) handler() client.Handler {
	return client.HandlerFuncs{OnMessage: func(_ context.Context, m client.Message) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.texts = append(c.texts, m.Text)
		select {
		case c.newCh <- struct{}{}:
		default:
		}
		return nil
	}}
}

func (c *collector) snapshot() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// wait returns when n messages have been handed over.
func (c *collector) wait(t *testing.T, n int) []string {
	t.Helper()
	timeout := time.After(2 * patience)
	for {
		if got := c.snapshot(); len(got) >= n {
			return got
		}
		select {
		case <-c.newCh:
		case <-timeout:
			t.Fatalf("%d of %d messages came", len(c.snapshot()), n)
		}
	}
}

// connectSDK connects a client that comes back fast.
func connectSDK(t *testing.T, route, name string, h client.Handler) *client.Client {
	t.Helper()
	c, err := client.Connect(t.Context(), client.Options{
		Route: route, Name: name, Device: name + "-device", Handler: h,
		Backoff: client.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatalf("connect %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return c
}

// A server that is killed while 1,000 acknowledged messages are on their way loses none, repeats none and
// keeps their order; and whoever was connected can connect again.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	const messages, kills = 1000, 3
	up := startUp(t)
	got := newCollector()
	bob := connectSDK(t, up.route(), "bob", got.handler())
	alice := connectSDK(t, up.route(), "alice", client.HandlerFuncs{})
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	sentCh := make(chan error, 1)
	progressCh := make(chan int, messages)
	go func() { // ends with the last message or ctx
		for i := range messages {
			if _, err := alice.SendTo(ctx, bob.Me().ID, fmt.Sprint(i)); err != nil {
				sentCh <- fmt.Errorf("message %d: %w", i, err)
				return
			}
			progressCh <- i
		}
		sentCh <- nil
	}()
	for next := messages / (kills + 1); ; {
		select {
		case i := <-progressCh:
			if i == next && next < messages-1 {
				up.kill()
				up.restart(t)
				next += messages / (kills + 1)
			}
			continue
		case err := <-sentCh:
			if err != nil {
				t.Fatal(err)
			}
		}
		break
	}
	for i, text := range got.wait(t, messages) {
		if text != fmt.Sprint(i) {
			t.Fatalf("place %d holds message %s", i, text)
		}
	}
	if n := len(got.snapshot()); n != messages {
		t.Errorf("%d messages were handed over, want %d", n, messages)
	}
}

// The same for clients of CIM: what was answered 7000 is there after a kill, in order.
func TestKillKeepsCIMOfflineMessages(t *testing.T) {
	up := startUp(t)
	h := cimHTTP{t, up.route()}
	a, b := h.register("a"), h.register("b")
	var want []string
	for i := range 20 {
		text := fmt.Sprint("m", i)
		h.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"msg":%q}`, a, b, text), "7000")
		want = append(want, text)
		if i == 10 {
			h.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"a"}`, a), "9000")
		}
	}
	up.kill()
	up.restart(t)
	h.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"a"}`, a), "9000") // nobody is locked out
	h.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"b"}`, b), "9000")
	w := dialWire(t, up.listen)
	w.writeFrame(&cimpb.Frame{Text: "b", UserId: b})
	var got []string
	for len(got) < len(want) {
		got = append(got, w.frame().GetBatch()...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// SIGTERM is a polite end: clients are told when to come back, and the exit code is 0.
func TestTerminate(t *testing.T) {
	up := startUp(t)
	id := cimHTTP{t, up.route()}.register("thing")
	w := dialWire(t, up.listen)
	w.writeFrame(&cimpb.Frame{UserId: id, Hello: &cimpb.Hello{Version: 1, Device: "d"}})
	if f := w.frame(); f.GetCmd() != cimpb.Command_WELCOME {
		t.Fatalf("LOGIN was answered %v", f)
	}
	code := up.stop()
	f := w.frame()
	if s := f.GetStatus(); f.GetCmd() != cimpb.Command_ERROR || cimpb.Code(s.GetCode()) != cimpb.CodeStopping || s.GetRetryAfterMs() == 0 {
		t.Errorf("before the end came %v", f)
	}
	w.ended()
	if code != exitOK {
		t.Errorf("exit code %d\n%s", code, up.stderr.String())
	}
}
