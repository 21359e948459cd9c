package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"cim/route"
	"cim/route/embedded"
)

const testSecret = "the secret of a cluster of tests"

var errNoRoute = errors.New("nobody listens there")

func secrets(t testing.TB, text string) *Secrets {
	t.Helper()
	s, err := ParseSecrets([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// network connects clients and servers in memory, so that time can be the bubble's of testing/synctest.
type network struct {
	t     testing.TB
	wg    sync.WaitGroup
	dials atomic.Int32
	open  atomic.Int32

	mu    sync.Mutex
	hosts map[string]func(*fasthttp.RequestCtx)
	deaf  map[string]bool // takes connections and never answers
	conns map[net.Conn]string
}

func newNetwork(t testing.TB) *network {
	n := &network{t: t, hosts: map[string]func(*fasthttp.RequestCtx){}, deaf: map[string]bool{}, conns: map[net.Conn]string{}}
	t.Cleanup(func() {
		n.cut("")
		n.wg.Wait()
	})
	return n
}

func (n *network) listen(address string, handle func(*fasthttp.RequestCtx)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[address] = handle
}

// setDeaf has a host take requests and not answer them.
func (n *network) setDeaf(address string, deaf bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[address] = deaf
}

// cut closes the server's ends of all connections to an address; empty: to all.
func (n *network) cut(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c, to := range n.conns {
		if address == "" || to == address {
			c.Close()
		}
	}
}

func (n *network) dial(_ context.Context, s route.Server) (net.Conn, error) {
	address := s.PeerAddr()
	n.dials.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[address] == nil {
		return nil, errNoRoute
	}
	near, far := net.Pipe()
	n.conns[far] = address
	n.open.Add(1)
	n.wg.Go(func() {
		defer n.open.Add(-1)
		defer far.Close()
		n.serve(far, address)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.conns, far)
	})
	return near, nil
}

// serve answers requests of one connection.
func (n *network) serve(conn net.Conn, address string) {
	r, w := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		var req fasthttp.Request
		if req.ReadLimitBody(r, 2*MaxBatchBytes) != nil {
			return
		}
		n.mu.Lock()
		handle, deaf := n.hosts[address], n.deaf[address]
		n.mu.Unlock()
		if deaf {
			continue
		}
		var rc fasthttp.RequestCtx
		rc.Init(&req, nil, nil)
		handle(&rc)
		if rc.Response.Write(w) != nil || w.Flush() != nil {
			return
		}
	}
}

// cluster is a Client and servers that it reaches.
type cluster struct {
	*Client
	t        testing.TB
	net      *network
	registry *embedded.Registry
	servers  map[string]*fakeServer
	ingress  map[string]*Ingress
	leave    map[string]func()
}

func newCluster(t testing.TB, change func(*Config), instances ...string) *cluster {
	t.Helper()
	c := &cluster{
		t: t, net: newNetwork(t), registry: embedded.NewRegistry(),
		servers: map[string]*fakeServer{}, ingress: map[string]*Ingress{}, leave: map[string]func(){},
	}
	for i, instance := range instances {
		c.join(instance, i)
	}
	cfg := Config{
		Instance: "asker", Secrets: secrets(t, testSecret), Servers: c.registry, Dial: c.net.dial,
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Client, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) join(instance string, i int) {
	c.t.Helper()
	s := route.Server{Instance: instance, Host: "10.0.0.1", Port: 1000 + i, HTTPPort: 2000 + i}
	c.servers[instance] = newFakeServer()
	g, err := NewIngress(IngressConfig{Local: c.servers[instance], Instance: instance, Secrets: secrets(c.t, testSecret)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.ingress[instance] = g
	c.net.listen(s.PeerAddr(), g.Handle)
	if c.leave[instance], err = c.registry.Join(context.Background(), s); err != nil {
		c.t.Fatal(err)
	}
}

// peer is a server as the Router gets it.
func (c *cluster) peer(instance string) route.Peer {
	c.t.Helper()
	s, ok := c.registry.Server(instance)
	if !ok {
		c.t.Fatalf("%s is not listed", instance)
	}
	p, ok := c.Peer(s)
	if !ok {
		c.t.Fatalf("no peer for %s", instance)
	}
	return p
}

func (c *cluster) address(instance string) string {
	s, _ := c.registry.Server(instance)
	return s.PeerAddr()
}

// requests is how many an instance was asked.
func (c *cluster) requests(instance string) uint64 { return c.ingress[instance].Stats().Requests }

// stored is a push that is in the inbox.
func stored(user int64, seq uint64) route.Push {
	return route.Push{User: user, SessionEpoch: 7, Cursor: route.Cursor{LogEpoch: 5, Seq: seq}, Body: fmt.Appendf(nil, "%d/%d", user, seq)}
}

// once is a push that is not.
func once(user int64) route.Push {
	return route.Push{User: user, SessionEpoch: 7, Body: []byte("hi")}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// pushOne pushes one message and wants it written.
func (c *cluster) pushOne(instance string, p route.Push) {
	c.t.Helper()
	results, err := c.peer(instance).Push(context.Background(), []route.Push{p})
	if err != nil || len(results) != 1 || results[0] != route.PushWritten {
		c.t.Fatalf("push: %v, %v", results, err)
	}
}

// took is how long something takes by the bubble's clock.
func took(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}
