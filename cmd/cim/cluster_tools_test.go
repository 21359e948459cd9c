package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cim/client"
	cimpb "cim/proto"
)

// tcpProxy stands between processes, so that a test can cut one off from another: held, it lets nothing through and
// closes nothing, as a network that lost its way.
type tcpProxy struct {
	target   string       // immutable
	listener net.Listener // immutable
	wg       sync.WaitGroup

	gate sync.RWMutex // write-locked while nothing passes

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu; nil at the end
	held  bool                  // guarded by mu
}

// newTCPProxy listens on addr; port 0 takes a free one.
func newTCPProxy(t *testing.T, addr, target string) *tcpProxy {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpProxy{target: target, listener: ln, conns: make(map[net.Conn]struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *tcpProxy) addr() string { return p.listener.Addr().String() }

func (p *tcpProxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *tcpProxy) serve(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	if !p.track(near, far) {
		return
	}
	p.wg.Go(func() { p.pass(near, far) })
	p.pass(far, near)
}

func (p *tcpProxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

// pass copies until either side ends, and ends both.
func (p *tcpProxy) pass(from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.gate.RLock()
		if n > 0 {
			_, _ = to.Write(buf[:n])
		}
		p.gate.RUnlock()
		if err != nil {
			return
		}
	}
}

// hold lets nothing through until release.
func (p *tcpProxy) hold() {
	p.gate.Lock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

func (p *tcpProxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		p.held = false
		p.gate.Unlock()
	}
}

func (p *tcpProxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.release()
	p.wg.Wait()
}

// newFront is an HTTP proxy in front of routes, as nginx does it: a request that one of them does not take goes to
// the next. It returns its URL.
func newFront(t *testing.T, routes []*clusterProcess) string {
	t.Helper()
	tries := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
		for _, r := range routes {
			if conn, err = new(net.Dialer).DialContext(ctx, network, r.http); err == nil {
				break
			}
		}
		return conn, err
	}}
	t.Cleanup(tries.CloseIdleConnections)
	u, err := url.Parse(routes[0].url())
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: tries,
	})
	t.Cleanup(front.Close)
	return front.URL
}

// asApplication calls as whoever holds the cluster's application key.
func (c *testCluster) asApplication() tokenHTTP {
	c.t.Helper()
	key, err := os.ReadFile(filepath.Join(c.folder, "application.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	return tokenHTTP{t: c.t, base: c.route()}.as(strings.TrimSpace(string(key)))
}

// member makes an account, for t.
func (c *testCluster) member(t *testing.T, name string) *member {
	t.Helper()
	h := c.asApplication()
	h.t = t
	m := h.register(name)
	m.h.bearer = ""
	return m
}

// directions are what a route tells a client that logs in.
type directions struct {
	tokenLogin
	Server struct {
		Instance string
		Host     string
		Port     int
	}
	NotBeforeMs int64 `json:"not_before_ms"`
}

// place asks the route for a server.
func (m *member) place(device string) directions {
	m.h.t.Helper()
	p, status := m.tryPlace(device)
	if status != http.StatusOK {
		m.h.t.Fatalf("login of %s: %d", m.name, status)
	}
	return p
}

// tryPlace is place, which may be refused with a status.
func (m *member) tryPlace(device string) (p directions, status int) {
	m.h.t.Helper()
	body, _ := json.Marshal(map[string]string{"name": m.name, "secret": m.secret, "device": device})
	status = m.h.call(http.MethodPost, "/v1/login", string(body), &p)
	return p, status
}

// placeAt asks until it is sent to a given server: logins go round, and a route may have to hear of the server first.
func (m *member) placeAt(s *clusterProcess, device string) (p directions) {
	m.h.t.Helper()
	eventually(m.h.t, m.name+" is sent to "+s.name, func() bool {
		p = m.place(device)
		return p.Server.Instance == s.instance
	})
	return p
}

// loginFrame is what m shows to the server of that place.
func (m *member) loginFrame(device string, p directions) *cimpb.Frame {
	return &cimpb.Frame{UserId: m.id, Hello: &cimpb.Hello{Version: 1, Device: device, Token: p.Ticket}}
}

// knockAt logs in at a server and returns the connection with its answer.
func (m *member) knockAt(s *clusterProcess, device string) (*wire, *cimpb.Frame) {
	m.h.t.Helper()
	p := m.placeAt(s, device)
	w := dialWire(m.h.t, s.im)
	w.writeFrame(m.loginFrame(device, p))
	return w, w.frame()
}

// enter is knockAt for whom nothing is in the way.
func (m *member) enter(s *clusterProcess, device string) *wire {
	m.h.t.Helper()
	w, answer := m.knockAt(s, device)
	if answer.GetCmd() != cimpb.Command_WELCOME {
		m.h.t.Fatalf("%s was answered %v", m.name, answer)
	}
	return w
}

// holder is the instance that the store has for a user's session.
func (c *testCluster) holder(user int64) string {
	c.t.Helper()
	return c.redis.Client(c.t).HGet(c.t.Context(), fmt.Sprintf("cim:{%d}:user", user), "o").Val()
}

// logged waits for a line of the process's log.
func (p *clusterProcess) logged(text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s logs %q", p.name, text), func() bool { return strings.Contains(p.stderr.String(), text) })
}

// problems are the components that /readyz names; nothing when the process is ready.
func (p *clusterProcess) problems() (components []string) {
	p.t.Helper()
	var r struct {
		Ready    bool
		Problems []struct{ Component string }
	}
	if text := p.get(p.url() + "/readyz"); json.Unmarshal([]byte(text), &r) != nil {
		return []string{"no answer: " + text}
	}
	for _, one := range r.Problems {
		components = append(components, one.Component)
	}
	return components
}

// names waits until /readyz names a component, and with "" until it names none.
func (p *clusterProcess) names(component string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("/readyz of %s names %q", p.name, component), func() bool {
		return strings.Join(p.problems(), " ") == component
	})
}

// talker sends one message after the other in the background, and counts what was acknowledged.
type talker struct {
	t      *testing.T
	cancel context.CancelFunc
	doneCh chan struct{}
	sentCh chan int // holds the latest count

	err error // read after doneCh
	n   int   // likewise
}

// keepSending sends 0, 1, 2 and so on to a user until stop.
func keepSending(t *testing.T, from *client.Client, to int64) *talker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &talker{t: t, cancel: cancel, doneCh: make(chan struct{}), sentCh: make(chan int, 1)}
	go func() { // ends with stop, or the test
		defer close(s.doneCh)
		for ctx.Err() == nil {
			if _, err := from.SendTo(t.Context(), to, fmt.Sprint(s.n)); err != nil {
				s.err = fmt.Errorf("message %d: %w", s.n, err)
				return
			}
			s.n++
			select {
			case <-s.sentCh:
			default:
			}
			s.sentCh <- s.n
		}
	}()
	t.Cleanup(cancel)
	return s
}

// passes waits until so many were acknowledged.
func (s *talker) passes(n int) {
	s.t.Helper()
	timeout := time.After(3 * patience)
	for {
		select {
		case at := <-s.sentCh:
			if at >= n {
				return
			}
		case <-s.doneCh:
			s.t.Fatal(s.err)
		case <-timeout:
			s.t.Fatalf("%d messages were not acknowledged", n)
		}
	}
}

// more waits until so many more were acknowledged.
func (s *talker) more(n int) {
	s.t.Helper()
	select {
	case at := <-s.sentCh:
		s.passes(at + n)
	case <-s.doneCh:
		s.t.Fatal(s.err)
	}
}

// stop returns how many were acknowledged.
func (s *talker) stop() int {
	s.t.Helper()
	s.cancel()
	<-s.doneCh
	if s.err != nil {
		s.t.Fatal(s.err)
	}
	return s.n
}

// exactly expects 0 to n-1, each once and in order.
func (c *collector) exactly(t *testing.T, n int) {
	t.Helper()
	for i, text := range c.wait(t, n) {
		if text != fmt.Sprint(i) {
			t.Fatalf("place %d holds message %s", i, text)
		}
	}
	if got := len(c.snapshot()); got != n {
		t.Errorf("%d messages were handed over, want %d", got, n)
	}
}
