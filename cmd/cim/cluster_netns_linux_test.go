package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cim/client"
	"cim/internal/redistest"
	"cim/internal/zktest"
)

// inNamespace is set where the test runs in a network namespace of its own.
const inNamespace = "CIM_TEST_IN_NAMESPACE"

// Addresses of the hosts. All but the far server's are on this side of the cable.
const (
	farAddr    = "10.77.0.2"
	nearAddr   = "10.77.0.1" // the near server, the route, and what they send
	redisAddr  = "10.77.0.3"
	zkAddr     = "10.77.0.4"
	clientAddr = "10.77.0.5"
)

// A server on a host of its own loses the way to Redis, to ZooKeeper and to its peers, one after the other: packets
// vanish, and nobody is told. The hosts are network namespaces, which root can make.
func TestClusterHostsAreCutOff(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		runInNamespace(t)
		return
	}
	h := newHosts(t)
	got, back := newCollector(), newCollector()
	alice := h.connect("alice", h.c.servers[0], back.handler())
	bob := h.connect("bob", h.c.servers[1], got.handler())
	h.talk = func(t *testing.T, text string) {
		t.Helper()
		n := len(got.snapshot())
		if _, err := alice.SendTo(t.Context(), bob.Me().ID, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if texts := got.wait(t, n+1); texts[n] != text {
			t.Errorf("bob heard %q, want %q", texts[n:], text)
		}
	}
	t.Run("from Redis", func(t *testing.T) { cutFromRedis(t, h, alice, bob, back) })
	t.Run("from ZooKeeper", func(t *testing.T) { cutFromZooKeeper(t, h) })
	t.Run("from its peers", func(t *testing.T) { cutFromPeers(t, h, alice, bob, got) })
	if n := bob.Stats().Connects; n != 1 {
		t.Errorf("bob had to connect %d times", n)
	}
}

// Who is connected there stays, and is reached by others; their own stored messages wait.
func cutFromRedis(t *testing.T, h *hosts, alice, bob *client.Client, back *collector) {
	far := h.c.servers[1]
	h.cut(redisAddr)
	h.unready(far, "store")
	h.talk(t, "while it has no Redis")
	sentCh := make(chan error, 1)
	go func() { // ends with the send
		_, err := bob.SendTo(t.Context(), alice.Me().ID, "kept until Redis is there")
		sentCh <- err
	}()
	h.mend(redisAddr)
	if err := <-sentCh; err != nil {
		t.Error(err)
	}
	if texts := back.wait(t, 1); texts[0] != "kept until Redis is there" {
		t.Errorf("alice heard %q", texts)
	}
	h.unready(far, "")
}

// It serves on, and is not forgotten while it answers the others.
func cutFromZooKeeper(t *testing.T, h *hosts) {
	far := h.c.servers[1]
	h.cut(zkAddr)
	h.unready(far, "registry")
	eventually(t, "ZooKeeper has given the server up", func() bool {
		return strings.Contains(h.c.servers[0].stderr.String(), "vanished from ZooKeeper")
	})
	h.talk(t, "while ZooKeeper has no word of it")
	h.mend(zkAddr)
	h.unready(far, "")
	h.c.awaitServers(2)
	h.talk(t, "when ZooKeeper has it again")
}

// The answers of the far server vanish, so it is not asked any more. What could not be pushed is in the inbox, and comes in
// order when it answers again.
func cutFromPeers(t *testing.T, h *hosts, alice, bob *client.Client, got *collector) {
	n := len(got.snapshot())
	h.cut(nearAddr)
	for i := range 3 {
		if _, err := alice.SendTo(t.Context(), bob.Me().ID, fmt.Sprint("kept ", i)); err != nil {
			t.Fatal(err)
		}
	}
	h.mend(nearAddr)
	want := []string{"kept 0", "kept 1", "kept 2"}
	for i, text := range got.wait(t, n+len(want))[n:] {
		if text != want[i] {
			t.Errorf("place %d holds %q, want %q", i, text, want[i])
		}
	}
}

// runInNamespace runs this one test again where nothing but it is connected.
func runInNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// hosts are two of them with a cable between: this one, with Redis, ZooKeeper, a route and a server, and the far one,
// with a server.
type hosts struct {
	t    *testing.T
	far  string // namespace
	c    *testCluster
	talk func(t *testing.T, text string) // alice writes, bob hears it
}

func newHosts(t *testing.T) *hosts {
	t.Helper()
	h := &hosts{t: t, far: fmt.Sprint("cim-test-", os.Getpid())}
	ip(t, "link", "set", "lo", "up")
	ip(t, "netns", "add", h.far)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.far).Run() })
	ip(t, "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", h.far)
	for _, a := range []string{nearAddr, redisAddr, zkAddr, clientAddr} {
		ip(t, "addr", "add", a+"/24", "dev", "near0")
	}
	ip(t, "link", "set", "near0", "up")
	ip(t, "-n", h.far, "addr", "add", farAddr+"/24", "dev", "far0")
	ip(t, "-n", h.far, "link", "set", "lo", "up")
	ip(t, "-n", h.far, "link", "set", "far0", "up")
	h.c = &testCluster{t: t, folder: t.TempDir(), auth: "token", secrets: make(map[string]string), redis: redistest.Start(t, "--appendonly", "yes")}
	forward(t, redisAddr+":6379", h.c.redis.Addr())
	h.c.zk = zkAddr + ":2181"
	forward(t, h.c.zk, zktest.Start(t).Addr())
	h.startAll()
	return h
}

func (h *hosts) startAll() {
	h.t.Helper()
	c := h.c
	if code := run(h.t.Context(), []string{"keys", "secret", "--file", c.secretFile()}, streams{out: io.Discard, err: os.Stderr}); code != exitOK {
		h.t.Fatalf("cim keys secret: exit code %d", code)
	}
	shared := []string{"--zk", c.zk, "--redis", "redis://" + redisAddr + ":6379/0", "--secret-file", c.secretFile(), "--log-level", "debug"}
	serverOn := func(addr string, argv ...string) *clusterProcess {
		p := &clusterProcess{cluster: c, name: "server on " + addr, im: addr + ":11211", http: addr + ":8081", side: addr + ":9100"}
		p.args = append([]string{"server", "--listen", p.im, "--push", p.http, "--metrics", p.side}, shared...)
		p.process = startProcessBy(h.t, append(argv, os.Args[0]), p.args...)
		p.waitLine("is up")
		return p
	}
	c.servers = []*clusterProcess{serverOn(nearAddr), serverOn(farAddr, "ip", "netns", "exec", h.far)}
	r := &clusterProcess{cluster: c, name: "route", http: nearAddr + ":8083", side: nearAddr + ":9101"}
	r.args = append([]string{"route", "--http", r.http, "--register", "anyone", "--balance", "round-robin", "--metrics", r.side}, shared...)
	r.restart(h.t)
	c.routes = []*clusterProcess{r}
	c.awaitServers(2)
}

// connect has a client of this host, with an address that is nobody else's, connect to that server.
func (h *hosts) connect(name string, server *clusterProcess, handler client.Handler) *client.Client {
	h.t.Helper()
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddr)}}
	for range 8 {
		var mu sync.Mutex
		var last string
		cl, err := client.Connect(h.t.Context(), client.Options{
			Route: h.c.route(), Name: name, Device: name + "-device", Handler: handler, Secrets: h.c,
			Backoff: client.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond},
			Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				mu.Lock()
				last = addr
				mu.Unlock()
				return from.DialContext(ctx, network, addr)
			},
		})
		if err != nil {
			h.t.Fatalf("connect %s: %v", name, err)
		}
		mu.Lock()
		there := last == server.im
		mu.Unlock()
		if there {
			h.t.Cleanup(func() { closeClient(h.t, cl, name) })
			return cl
		}
		closeClient(h.t, cl, name)
	}
	h.t.Fatalf("%s was never sent to %s", name, server.name)
	return nil
}

// cut has what the far host sends to an address vanish: it goes to a network card that does not exist.
func (h *hosts) cut(addr string) {
	h.t.Helper()
	ip(h.t, "-n", h.far, "neigh", "replace", addr, "lladdr", "02:00:00:00:00:99", "dev", "far0", "nud", "permanent")
}

func (h *hosts) mend(addr string) {
	h.t.Helper()
	ip(h.t, "-n", h.far, "neigh", "del", addr, "dev", "far0")
}

// unready waits until a server names that as broken; "": until nothing is.
func (h *hosts) unready(p *clusterProcess, component string) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("%s names %q as broken", p.name, component), func() bool {
		body := h.overCable(p.url() + "/readyz")
		if component == "" {
			return strings.Contains(body, `"ready":true`)
		}
		return strings.Contains(body, `"`+component+`"`)
	})
}

// overCable asks from the clients' address, which is never cut.
func (h *hosts) overCable(url string) string {
	h.t.Helper()
	out, _ := exec.CommandContext(h.t.Context(), "curl", "-s", "--max-time", "5", "--interface", clientAddr, url).Output()
	return string(out)
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// forward has an address of this host lead to another.
func forward(t *testing.T, addr, target string) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		wg.Wait()
	})
	pipe := func(a net.Conn) {
		defer a.Close()
		b, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer b.Close()
		defer context.AfterFunc(ctx, func() { _ = a.Close(); _ = b.Close() })()
		wg.Go(func() { _, _ = io.Copy(a, b); _ = a.Close() })
		_, _ = io.Copy(b, a)
	}
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { pipe(conn) })
		}
	})
}
