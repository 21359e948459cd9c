package bench

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// behaviour is what the fake server does to one connection.
type behaviour int

const (
	normal           behaviour = iota
	dribbling                  // every byte in a write of its own
	hoarding                   // PONGs come when three are due
	mute                       // never answers a PING
	talking                    // sends a message beside each PONG
	closing                    // closes at the second PING
	resetting                  // resets at the second PING
	failing                    // ERROR slow_reader at the second PING
	kicking                    // KICK replaced at the second PING
	babbling                   // an empty frame at the second PING
	refusing                   // ERROR store_down in place of WELCOME
	unwelcoming                // never says WELCOME
	nowhere                    // its login names a port where nobody listens
	loginUnavailable           // its login is refused
	loginBroken                // its login gets an answer that is not JSON
)

// fakeServer is a route and a server that do what behaviours say; connections without one are normal.
type fakeServer struct {
	t          *testing.T
	ln         net.Listener
	http       *httptest.Server
	behaviours map[int]behaviour // by place in the run
	heartbeat  uint32            // granted, in ms
	closedPort int
	tls        *tls.Config // nil: plain
	key        string      // of the application; empty: no secrets are asked for
	relay      *relay      // nil: who sends anything but a PING is cut off
	idleAfter  int         // PINGs of all connections without one of its own that make a connection idle; 0: never

	wg sync.WaitGroup

	mu       sync.Mutex
	names    map[string]int64
	devices  int // accounts of kind device
	asked    map[uint32]bool
	sources  map[string]int // connections by source address
	conns    map[*fakeConn]struct{}
	pings    int
	replaced int // secrets
}

type fakeConn struct {
	net.Conn
	lastPing int   // value of fakeServer.pings, 0 before LOGIN; guarded by its mu
	user     int64 // of its LOGIN
}

func newFakeServer(t *testing.T, behaviours map[int]behaviour) *fakeServer {
	t.Helper()
	return startFakeServer(t, behaviours, false)
}

// startFakeServer serves both ports with TLS, or both without.
func startFakeServer(t *testing.T, behaviours map[int]behaviour, secured bool) *fakeServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{
		t: t, ln: ln, behaviours: behaviours, heartbeat: 100,
		names: map[string]int64{}, asked: map[uint32]bool{}, sources: map[string]int{}, conns: map[*fakeConn]struct{}{},
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.closedPort = closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/accounts", s.register)
	mux.HandleFunc("POST /v1/accounts/{id}/secret", s.replaceSecret)
	mux.HandleFunc("POST /v1/login", s.login)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, metricsText) })
	s.http = httptest.NewUnstartedServer(mux)
	if secured {
		s.http.StartTLS()
		s.tls = s.http.TLS.Clone()
		s.tls.NextProtos = nil
		s.ln = tls.NewListener(ln, s.tls)
	} else {
		s.http.Start()
	}
	s.wg.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *fakeServer) close() {
	s.ln.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.http.Close()
	s.wg.Wait()
}

func (s *fakeServer) register(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Accounts []struct{ Name, Kind string }
	}
	if !s.isApplication(r) {
		http.Error(w, `{"error":{"code":"unauthorized","message":"Who are you?"}}`, http.StatusUnauthorized)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Accounts) > accountsACall {
		http.Error(w, `{"error":{"code":"bad_request","message":"no."}}`, http.StatusBadRequest)
		return
	}
	type account struct {
		UserID int64  `json:"user_id"`
		Name   string `json:"name"`
		Secret string `json:"secret,omitempty"`
	}
	out := make([]account, len(in.Accounts))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range in.Accounts {
		if s.names[a.Name] == 0 {
			s.names[a.Name] = 1000 + int64(indexOf(a.Name)) // so that an id tells the place in the run
			if a.Kind == "device" {
				s.devices++
			}
			out[i].Secret = s.secret(s.names[a.Name])
		}
		out[i].UserID, out[i].Name = s.names[a.Name], a.Name
	}
	json.NewEncoder(w).Encode(map[string]any{"accounts": out})
}

func (s *fakeServer) isApplication(r *http.Request) bool {
	return s.key == "" || r.Header.Get("Authorization") == "Bearer "+s.key
}

// secret of an account; the same one each time.
func (s *fakeServer) secret(id int64) string {
	if s.key == "" {
		return ""
	}
	return fmt.Sprint("secret-", id)
}

func (s *fakeServer) replaceSecret(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || s.key == "" || !s.isApplication(r) {
		http.Error(w, "{}", http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.replaced++
	s.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]any{"user_id": id, "secret": s.secret(id)})
}

// indexOf finds the place in the run that an account name ends with.
func indexOf(name string) int {
	n, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil {
		panic(err)
	}
	return n - 1
}

func (s *fakeServer) login(w http.ResponseWriter, r *http.Request) {
	var in struct {
		UserID int64 `json:"user_id"`
		Device string
		Secret string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Device == "" || in.Secret != s.secret(in.UserID) {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	port := s.ln.Addr().(*net.TCPAddr).Port
	switch s.behaviours[int(in.UserID-1000)] {
	case loginUnavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"error":{"code":"no_server","message":"No server can take a connection now."}}`)
		return
	case loginBroken:
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, `<html>Bad gateway</html>`)
		return
	case nowhere:
		port = s.closedPort
	}
	json.NewEncoder(w).Encode(map[string]any{
		"user_id": in.UserID, "server": map[string]any{"host": "127.0.0.1", "port": port, "tls": s.tls != nil},
		"ticket": fmt.Sprint("ticket-", in.UserID),
	})
}

func (s *fakeServer) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			fc := &fakeConn{Conn: c}
			s.mu.Lock()
			s.conns[fc] = struct{}{}
			s.sources[c.RemoteAddr().(*net.TCPAddr).IP.String()]++
			s.mu.Unlock()
			s.serve(fc)
			s.mu.Lock()
			delete(s.conns, fc)
			s.mu.Unlock()
			c.Close()
		})
	}
}

// serve reads a connection until it ends or its behaviour ends it.
func (s *fakeServer) serve(c *fakeConn) {
	var held []byte
	behave := behaviour(-1) // until LOGIN
	pings := 0
	for buf := make([]byte, 4096); ; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		held = append(held, buf[:n]...)
		open := true
		taken, err := eachFrame(held, func(payload []byte) bool {
			if behave < 0 {
				behave, open = s.greet(c, payload)
				return open
			}
			if !isPong(payload) {
				open = s.relay != nil && s.relay.take(s, c, payload)
				return open
			}
			pings++
			open = s.answer(c, behave, pings)
			return open
		})
		if err != nil || !open {
			return
		}
		held = held[taken:]
	}
}

// greet checks a LOGIN and answers it.
func (s *fakeServer) greet(c *fakeConn, payload []byte) (behaviour, bool) {
	var f cimpb.Frame
	if err := proto.Unmarshal(payload, &f); err != nil || f.GetHello().GetVersion() != 1 {
		s.t.Errorf("the first frame is %v (%v), want a LOGIN with hello", &f, err)
		return 0, false
	}
	if want := fmt.Sprint("ticket-", f.GetUserId()); f.GetHello().GetToken() != want || f.GetHello().GetDevice() == "" {
		s.t.Errorf("LOGIN of %d shows %q, want %q and a device", f.GetUserId(), f.GetHello().GetToken(), want)
	}
	s.mu.Lock()
	s.asked[f.GetHello().GetHeartbeatMs()] = true
	c.lastPing = max(1, s.pings)
	s.mu.Unlock()
	behave := s.behaviours[indexOf(f.GetText())]
	switch behave {
	case refusing:
		s.send(c, behave, &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeStoreDown.Status(0)})
		return behave, false
	case unwelcoming:
		return behave, true
	}
	w := &cimpb.Welcome{HeartbeatMs: s.heartbeat, IdleTimeoutMs: s.heartbeat * 5 / 2}
	c.user = f.GetUserId()
	if s.relay != nil {
		s.relay.welcome(c, w)
	}
	s.send(c, behave, &cimpb.Frame{Cmd: cimpb.Command_WELCOME, Welcome: w})
	return behave, true
}

// answer reacts to the n-th PING of a connection and reports whether it stays.
func (s *fakeServer) answer(c *fakeConn, behave behaviour, n int) bool {
	s.count(c)
	if n >= 2 {
		switch behave {
		case closing:
			return false
		case resetting:
			c.Conn.(*net.TCPConn).SetLinger(0)
			return false
		case failing:
			s.send(c, behave, &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeSlowReader.Status(0)})
			return false
		case kicking:
			s.send(c, behave, &cimpb.Frame{Cmd: cimpb.Command_KICK, Status: cimpb.CodeReplaced.Status(0)})
			return false
		case babbling:
			c.Write([]byte{0})
			return true // the client hangs up
		}
	}
	switch {
	case behave == mute:
	case behave == hoarding && n%3 != 0:
	case behave == hoarding:
		c.Write([]byte(strings.Repeat(string(frame.Ping), 3)))
	case behave == dribbling:
		s.write(c, behave, frame.Ping)
	case behave == talking:
		s.send(c, behave, &cimpb.Frame{Cmd: cimpb.Command_MESSAGE, Text: "hello"})
		c.Write(frame.Ping)
	default:
		c.Write(frame.Ping)
	}
	return true
}

// count keeps the idle time-out, by PINGs instead of a clock: nothing depends on the machine's speed.
func (s *fakeServer) count(c *fakeConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pings++
	c.lastPing = s.pings
	for other := range s.conns {
		if s.idleAfter > 0 && other.lastPing > 0 && s.pings-other.lastPing > s.idleAfter {
			s.send(other, normal, &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeIdleTimeout.Status(0)})
			other.Close()
			delete(s.conns, other)
		}
	}
}

func (s *fakeServer) send(c *fakeConn, behave behaviour, f *cimpb.Frame) {
	s.write(c, behave, encode(s.t, f))
}

func (s *fakeServer) write(c *fakeConn, behave behaviour, b []byte) {
	if behave != dribbling {
		c.Write(b)
		return
	}
	for i := range b {
		c.Write(b[i : i+1])
	}
}
