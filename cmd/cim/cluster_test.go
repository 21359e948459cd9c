package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cim/client"
	"cim/internal/redistest"
	"cim/internal/zktest"
)

// testCluster is servers and routes as processes of their own, on a Redis and a ZooKeeper of their own.
type testCluster struct {
	t       *testing.T
	redis   *redistest.Server
	zoo     *zktest.Server
	zk      string // address
	url     string // of Redis
	folder  string
	auth    string
	balance string   // of routes
	flags   []string // more of them, of all processes

	ofServers []string // more flags
	servers   []*clusterProcess
	routes    []*clusterProcess

	mu      sync.Mutex
	secrets map[string]string // by user
}

// clusterProcess is one server or route.
type clusterProcess struct {
	*process
	cluster  *testCluster
	args     []string
	name     string
	im       string // where clients connect; of a server
	http     string
	side     string // of metrics
	instance string // of a server
}

type clusterOption func(*testCluster)

// startCluster starts everything, and returns when each route knows each server.
func startCluster(t *testing.T, servers, routes int, options ...clusterOption) *testCluster {
	t.Helper()
	c := &testCluster{t: t, folder: t.TempDir(), auth: "token", balance: "round-robin", secrets: make(map[string]string)}
	for _, o := range options {
		o(c)
	}
	if c.url == "" {
		c.redis = redistest.Start(t, "--appendonly", "yes")
		c.url = "redis://" + c.redis.Addr() + "/0"
	}
	c.zoo = zktest.Start(t)
	c.zk = c.zoo.Addr()
	if code := run(t.Context(), []string{"keys", "secret", "--file", c.secretFile()}, streams{out: new(lockedBuffer), err: os.Stderr}); code != exitOK {
		t.Fatalf("cim keys secret: exit code %d", code)
	}
	for i := range servers {
		c.servers = append(c.servers, c.newServer(fmt.Sprint("server", i+1), c.ofServers...))
	}
	for i := range routes {
		c.routes = append(c.routes, c.newRoute(fmt.Sprint("route", i+1)))
	}
	c.awaitServers(servers)
	return c
}

func (c *testCluster) secretFile() string { return filepath.Join(c.folder, "cluster.secret") }

// shared are the flags of each process. Where it finds ZooKeeper and Redis may be a proxy of its own.
func (c *testCluster) shared(zk, redis string) []string {
	return append([]string{"--zk", zk, "--redis", redis, "--secret-file", c.secretFile(), "--auth", c.auth, "--log-level", "debug"}, c.flags...)
}

func (c *testCluster) newServer(name string, more ...string) *clusterProcess {
	c.t.Helper()
	return c.newServerVia(name, c.zk, c.url, more...)
}

func (c *testCluster) newServerVia(name, zk, redis string, more ...string) *clusterProcess {
	c.t.Helper()
	p := c.server(name, zk, redis, more...)
	p.restart(c.t)
	return p
}

// server is one that does not run yet.
func (c *testCluster) server(name, zk, redis string, more ...string) *clusterProcess {
	c.t.Helper()
	p := &clusterProcess{cluster: c, name: name, im: freeAddr(c.t), http: freeAddr(c.t), side: freeAddr(c.t)}
	p.args = slices.Concat([]string{"server", "--listen", p.im, "--push", p.http, "--drain", "1s", "--metrics", p.side},
		c.shared(zk, redis), more)
	return p
}

func (c *testCluster) newRoute(name string, more ...string) *clusterProcess {
	c.t.Helper()
	p := c.anotherRoute(name, more...)
	p.restart(c.t)
	return p
}

// anotherRoute is one that does not run yet.
func (c *testCluster) anotherRoute(name string, more ...string) *clusterProcess {
	c.t.Helper()
	p := &clusterProcess{cluster: c, name: name, http: freeAddr(c.t), side: freeAddr(c.t)}
	p.args = append([]string{"route", "--http", p.http, "--register", "anyone", "--balance", c.balance, "--metrics", p.side}, append(c.shared(c.zk, c.url), more...)...)
	return p
}

// restart starts the process, again on the same addresses.
func (p *clusterProcess) restart(t *testing.T) {
	t.Helper()
	p.begin(t)
	p.awaitUp()
}

// begin starts the process and waits for nothing.
func (p *clusterProcess) begin(t *testing.T) {
	t.Helper()
	p.process = startProcess(t, p.args...)
}

func (p *clusterProcess) awaitUp() {
	p.t.Helper()
	line := p.waitLine("is up")
	_, p.instance, _ = strings.Cut(line, "instance ")
}

func (p *clusterProcess) url() string { return "http://" + p.http }

// signal sends one, such as SIGSTOP.
func (p *clusterProcess) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// awaitServers waits until every process lists so many servers.
func (c *testCluster) awaitServers(n int) {
	c.t.Helper()
	for _, p := range slices.Concat(c.servers, c.routes) {
		if p.ended() {
			continue
		}
		p.lists(n)
	}
}

// lists waits until the process goes by a list of so many servers.
func (p *clusterProcess) lists(n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s lists %d servers", p.name, n), func() bool { return p.metric("cim_servers_listed") == float64(n) })
}

// ended reports whether the process was killed or stopped by the test.
func (p *clusterProcess) ended() bool { return p.waited }

// metric is one value; -1 when the process does not tell.
func (p *clusterProcess) metric(name string) float64 {
	p.t.Helper()
	for line := range strings.Lines(p.get("http://" + p.side + "/metrics")) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return -1
}

// get is the body of an answer; empty when there was none.
func (p *clusterProcess) get(url string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// eventually asks again and again, for what no event tells of.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(2 * patience)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// route is where the first route is.
func (c *testCluster) route() string { return c.routes[0].url() }

// connectTo connects a client to a given server: logins go round, so a few tries do.
func (c *testCluster) connectTo(server *clusterProcess, name string, h client.Handler) *client.Client {
	c.t.Helper()
	for range 4 * len(c.servers) {
		cl, addr := c.dial(name, h)
		if addr == server.im {
			c.t.Cleanup(func() { closeClient(c.t, cl, name) })
			return cl
		}
		closeClient(c.t, cl, name)
	}
	c.t.Fatalf("%s was never sent to %s", name, server.name)
	return nil
}

// connect connects a client to whichever server there is.
func (c *testCluster) connect(name string, h client.Handler) *client.Client {
	c.t.Helper()
	cl, _ := c.dial(name, h)
	c.t.Cleanup(func() { closeClient(c.t, cl, name) })
	return cl
}

// dial also returns the address of the server.
func (c *testCluster) dial(name string, h client.Handler) (cl *client.Client, addr string) {
	c.t.Helper()
	return c.dialVia(c.route(), name, h)
}

// connectVia connects a client that has another route.
func (c *testCluster) connectVia(route, name string, h client.Handler) *client.Client {
	c.t.Helper()
	cl, _ := c.dialVia(route, name, h)
	c.t.Cleanup(func() { closeClient(c.t, cl, name) })
	return cl
}

func (c *testCluster) dialVia(route, name string, h client.Handler) (cl *client.Client, addr string) {
	c.t.Helper()
	var last atomic.Value // the client dials again by itself
	cl, err := client.Connect(c.t.Context(), client.Options{
		Route: route, Name: name, Device: name + "-device", Handler: h,
		Secrets: c, Backoff: client.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond},
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			last.Store(addr)
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	if err != nil {
		c.t.Fatalf("connect %s: %v", name, err)
	}
	return cl, last.Load().(string)
}

func closeClient(t *testing.T, c *client.Client, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close %s: %v", name, err)
	}
}

// Load implements client.SecretStore: the users of a test cluster keep their secrets together.
func (c *testCluster) Load(_, user string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets[user], nil
}

// Save implements client.SecretStore.
func (c *testCluster) Save(_, user, secret string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[user] = secret
	return nil
}
