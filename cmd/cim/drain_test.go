package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"cim/client"
	"cim/netcore"
	"cim/route"
	"cim/route/embedded"
	"cim/route/httpapi"
)

// peersOf finds servers of this process by their instance.
type peersOf map[string]*netcore.Server

func (p peersOf) Peer(s route.Server) (route.Peer, bool) {
	server, ok := p[s.Instance]
	return localPeer{server}, ok
}

// twoServers are two servers on one store, and the URL of their route. leave takes a server out of the list.
func twoServers(t *testing.T) (servers peersOf, url string, leave map[string]func()) {
	t.Helper()
	store, err := embedded.Open(embedded.Config{Dir: embedded.Memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	servers, leave = peersOf{}, map[string]func(){}
	registry := embedded.NewRegistry()
	router, err := route.New(route.Config{
		Accounts: store, Directory: store, Inbox: store, Registry: registry, Peers: servers,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s1", "s2"} {
		log := newLogger(t.Output(), "error", "text")
		s, err := netcore.New(netcore.Config{
			Listen: "127.0.0.1:0", Instance: name, AllowCIM: true, MaxConns: 100, Logger: log,
			Backend: &backend{router: router, instance: name, log: log, refused: newLoginsRefused(), strays: newStrays(name)},
		})
		if err == nil {
			err = s.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		servers[name] = s
	}
	for name, s := range servers {
		if leave[name], err = registry.Join(t.Context(), route.Server{Instance: name, Host: "127.0.0.1", Port: s.Addr().Port}); err != nil {
			t.Fatal(err)
		}
	}
	return servers, serveAPI(t, router), leave
}

func serveAPI(t *testing.T, router *route.Router) string {
	t.Helper()
	api, err := httpapi.New(httpapi.Config{Router: router, AuthCIM: true})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = api.Serve(ln) })
	t.Cleanup(func() {
		_ = api.Shutdown(context.Background())
		wg.Wait()
	})
	return "http://" + ln.Addr().String()
}

// mailbox keeps what a client gets.
type mailbox struct {
	textCh chan string
	lostCh chan error
}

func (m *mailbox) Message(_ context.Context, msg client.Message) error {
	m.textCh <- msg.Text
	return nil
}

func (m *mailbox) State(s client.StateChange) {
	if s.State != client.StateConnected && s.State != client.StateClosed {
		m.lostCh <- fmt.Errorf("%v: %w", s.State, s.Err)
	}
}

func connectTo(t *testing.T, url, name string) (*client.Client, *mailbox) {
	t.Helper()
	m := &mailbox{make(chan string, 10_000), make(chan error, 100)}
	c, err := client.Connect(t.Context(), client.Options{Route: url, Name: name, Device: "d", Handler: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, m
}

// Two people talk while their server drains: both go to the other one, every message comes once and in order, and
// neither is cut off for a moment.
func TestDrainUnderTraffic(t *testing.T) {
	servers, url, leave := twoServers(t)
	alice, _ := connectTo(t, url, "alice")
	bob, box := connectTo(t, url, "bob")
	from := alice.Session().Instance
	if bob.Session().Instance != from {
		t.Fatalf("the two are on %s and %s", from, bob.Session().Instance)
	}
	drainedCh, stopCh := make(chan error, 1), make(chan struct{})
	go func() {
		defer leave[from]()
		drainedCh <- servers[from].Drain(t.Context(), 500*time.Millisecond)
	}()
	sentCh := make(chan int, 1)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stopCh:
				sentCh <- n
				return
			default:
			}
			if _, err := alice.SendTo(t.Context(), bob.Me().ID, fmt.Sprint(n)); err != nil {
				t.Errorf("message %d: %v", n, err)
			}
		}
	}()
	select {
	case err := <-drainedCh:
		if err != nil {
			t.Errorf("Drain: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("not drained")
	}
	close(stopCh)
	n := <-sentCh
	for i := range n {
		select {
		case text := <-box.textCh:
			if text != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, text)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("message %d of %d did not come", i, n)
		}
	}
	select {
	case err := <-box.lostCh:
		t.Errorf("bob was told: %v", err)
	default:
	}
	for _, c := range []*client.Client{alice, bob} {
		if s := c.Session(); s.Instance == from || c.Stats().Connects != 2 {
			t.Errorf("%+v, %+v", s, c.Stats())
		}
	}
	if moved := servers[from].Stats().Moved; moved != 2 {
		t.Errorf("%d were moved", moved)
	}
	t.Logf("%d messages, %+v", n, alice.Stats())
}
