package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

const (
	aliceID = 1547028929407
	bobID   = 1547028929408
	beat    = 30 * time.Second // that the fake grants
)

// fake is a route and its server in one: /v1 as an http.Handler that is called directly, and the wire over
// net.Pipe, so that a whole test runs on the fake clock of a synctest bubble.
type fake struct {
	t      *testing.T
	mux    *http.ServeMux
	peerCh chan *peer // connections that were welcomed

	mu      sync.Mutex
	welcome *cimpb.Welcome                          // what the next LOGIN is answered with
	follows *cimpb.Cursor                           // and that WELCOME's log before
	refuse  func(n int) *cimpb.Frame                // in place of it, for the n-th LOGIN, from 0; nil: welcome
	login   func(n int, w http.ResponseWriter) bool // in place of the place of the server, likewise
	logins  int
	hellos  int
	kinds   []string // of accounts that were registered
	bearer  string   // of the last request
	dials   int

	secrets map[string]string // by name; nil: none are asked for
	access  string            // the access token that counts
	asked   int               // calls of /v1/online/count
}

// bubble runs f with a fake in a synctest bubble, which also fails when a goroutine is left at its end.
func bubble(t *testing.T, f func(t *testing.T, s *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newFake(t)) })
}

func newFake(t *testing.T) *fake {
	s := &fake{t: t, mux: http.NewServeMux(), peerCh: make(chan *peer, 100)}
	s.welcome = &cimpb.Welcome{
		SessionEpoch: 7, HeartbeatMs: uint32(beat / time.Millisecond), SendCredit: 4, MaxFrameBytes: 64 << 10,
		Inbox: &cimpb.Cursor{LogEpoch: 1}, Instance: "i1",
	}
	s.mux.HandleFunc("POST /v1/accounts", s.serveRegister)
	s.mux.HandleFunc("POST /v1/login", s.serveLogin)
	return s
}

func (s *fake) serveRegister(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Kind string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds = append(s.kinds, in.Kind)
	out := map[string]any{"user_id": aliceID, "name": in.Name, "kind": in.Kind}
	if s.secrets != nil {
		if s.secrets[in.Name] != "" {
			refuseHTTP(w, http.StatusConflict, "name_taken", "Taken.", "")
			return
		}
		s.secrets[in.Name] = fmt.Sprint("secret-", len(s.kinds))
		out["secret"] = s.secrets[in.Name]
	}
	answerJSON(w, http.StatusCreated, out)
}

func (s *fake) serveLogin(w http.ResponseWriter, r *http.Request) {
	var in loginRequest
	_ = json.NewDecoder(r.Body).Decode(&in)
	s.mu.Lock()
	s.logins++
	n, special := s.logins-1, s.login
	s.bearer = r.Header.Get("Authorization")
	s.mu.Unlock()
	if special != nil && special(n, w) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{
		"user_id": in.UserID, "name": "alice", "ticket": fmt.Sprint("ticket-", s.logins),
		"server": map[string]any{"host": "10.0.0.1", "port": 11211, "instance": "i1"},
	}
	if s.secrets != nil {
		if secret := s.secrets["alice"]; secret == "" || in.Secret != secret && s.bearer != "Bearer "+s.access {
			refuseHTTP(w, http.StatusUnauthorized, "bad_credentials", "Wrong.", "")
			return
		}
		s.access = fmt.Sprint("access-", s.logins)
		out["user_id"], out["access_token"], out["access_expires_in"] = aliceID, s.access, 900
	}
	answerJSON(w, http.StatusOK, out)
}

// serveCount is a path that needs a credential where there are secrets.
func (s *fake) serveCount(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.secrets != nil && r.Header.Get("Authorization") != "Bearer "+s.access {
		refuseHTTP(w, http.StatusUnauthorized, "token_expired", "Too old.", "")
		return
	}
	answerJSON(w, http.StatusOK, map[string]any{"count": 3})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuseHTTP(w http.ResponseWriter, status int, code, message, after string) {
	if after != "" {
		w.Header().Set("Retry-After", after)
	}
	answerJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// RoundTrip makes the fake an http.RoundTripper.
func (s *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	s.mux.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (s *fake) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	ours, theirs := net.Pipe()
	s.serve(ours)
	return theirs, nil
}

// serve runs one connection until it ends.
func (s *fake) serve(nc net.Conn) {
	p := &peer{nc: nc, outCh: make(chan []byte, 10_000), frameCh: make(chan *cimpb.Frame, 10_000), goneCh: make(chan struct{})}
	go p.write()
	go p.read(s)
}

func (s *fake) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

// set changes the fake between connections.
func (s *fake) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fake) answerLogin() *cimpb.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hellos++
	if s.refuse != nil {
		if f := s.refuse(s.hellos - 1); f != nil {
			return f
		}
	}
	return &cimpb.Frame{Cmd: cimpb.Command_WELCOME, Welcome: proto.Clone(s.welcome).(*cimpb.Welcome), Follows: s.follows}
}

// peer is the server's end of one connection.
type peer struct {
	nc      net.Conn
	login   *cimpb.Frame
	outCh   chan []byte
	frameCh chan *cimpb.Frame // what came after LOGIN, but for PINGs
	goneCh  chan struct{}     // closed: the client closed the connection
	readErr error             // how it ended; set before goneCh closes

	mu      sync.Mutex
	pings   []time.Time
	mute    bool // PINGs are not answered
	stalled bool // the connection stays open, and nothing is read any more
}

// stall stops reading and writing, and leaves the connection open.
func (p *peer) stall() {
	p.mu.Lock()
	p.stalled = true
	p.mu.Unlock()
	_ = p.nc.SetReadDeadline(time.Unix(1, 0))
	<-p.goneCh
}

// hangUp closes the connection unless it is to stall.
func (p *peer) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stalled {
		_ = p.nc.Close()
	}
}

func (p *peer) write() {
	for {
		select {
		case b := <-p.outCh:
			if _, err := p.nc.Write(b); err != nil {
				return
			}
		case <-p.goneCh:
			return
		}
	}
}

func (p *peer) read(s *fake) {
	defer close(p.goneCh)
	defer p.hangUp()
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := p.nc.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			payload, taken, bad := frame.Next(buf, 1<<20)
			if bad != nil || taken == 0 {
				break
			}
			f := &cimpb.Frame{}
			if err := proto.Unmarshal(payload, f); err != nil {
				return
			}
			buf = buf[taken:]
			p.got(s, f)
		}
		if err != nil {
			p.readErr = err
			return
		}
	}
}

func (p *peer) got(s *fake, f *cimpb.Frame) {
	switch {
	case p.login == nil:
		p.login = f
		reply := s.answerLogin()
		p.send(reply)
		if reply.Cmd == cimpb.Command_WELCOME {
			s.peerCh <- p
		}
	case f.Cmd == cimpb.Command_PING:
		p.mu.Lock()
		p.pings = append(p.pings, time.Now())
		mute := p.mute
		p.mu.Unlock()
		if !mute {
			p.outCh <- frame.Ping
		}
	default:
		p.frameCh <- f
	}
}

func (p *peer) send(f *cimpb.Frame) {
	b, err := frame.AppendFrame(nil, f)
	if err != nil {
		panic(err)
	}
	p.outCh <- b
}

// message stores nothing: it writes the message at a place of the log.
func (p *peer) message(epoch, seq uint64, text string) {
	p.send(&cimpb.Frame{
		Cmd: cimpb.Command_MESSAGE, From: bobID, FromName: "bob", Text: text, LogEpoch: epoch, Seq: seq,
		Qos: cimpb.QoS_AT_LEAST_ONCE, SentAtMs: 1_700_000_000_123,
	})
}

func (p *peer) sent(id uint64, code cimpb.Code, seq uint64, retryMs uint32) {
	p.outCh <- frame.AppendSent(nil, &frame.Sent{
		ClientMsgID: id, Code: code, Cursor: frame.Cursor{LogEpoch: 1, Seq: seq}, RetryAfterMs: retryMs,
	})
}

func (p *peer) pinged() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time{}, p.pings...)
}

// next waits for the next frame, which has to be of that command.
func (p *peer) next(t *testing.T, cmd cimpb.Command) *cimpb.Frame {
	t.Helper()
	f := receive(t, p.frameCh)
	if f.Cmd != cmd {
		t.Fatalf("the client sent %v, want %v", f, cmd)
	}
	return f
}

// none asserts that nothing has come, once everything has settled.
func (p *peer) none(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case f := <-p.frameCh:
		t.Fatalf("the client sent %v, want nothing", f)
	default:
	}
}

// receive takes from ch within a long time of the fake clock (or of the real one, outside of a bubble).
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came within a minute")
		panic("unreachable")
	}
}

// pass lets time go by on the fake clock.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// recorder is a Handler that keeps what it gets. fail, if set, decides the answer.
type recorder struct {
	msgCh   chan Message
	stateCh chan StateChange
	fail    func(ctx context.Context, m Message) error
}

func newRecorder() *recorder {
	return &recorder{msgCh: make(chan Message, 100_000), stateCh: make(chan StateChange, 1000)}
}

func (r *recorder) Message(ctx context.Context, m Message) error {
	r.msgCh <- m
	if r.fail != nil {
		return r.fail(ctx, m)
	}
	return nil
}

func (r *recorder) State(s StateChange) { r.stateCh <- s }

// state waits for the next change, which has to be that one.
func (r *recorder) state(t *testing.T, want State) StateChange {
	t.Helper()
	s := receive(t, r.stateCh)
	if s.State != want {
		t.Fatalf("state %v (%v), want %v", s.State, s.Err, want)
	}
	return s
}

// texts waits for messages with these texts and no other in between.
func (r *recorder) texts(t *testing.T, want ...string) {
	t.Helper()
	for i, text := range want {
		if m := receive(t, r.msgCh); m.Text != text {
			t.Fatalf("message %d is %q, want %q", i, m.Text, text)
		}
	}
}

func (s *fake) options(h Handler) Options {
	return Options{
		Route: "http://route.test/", Name: "alice", Device: "d1", Handler: h, Dialer: s.dial,
		HTTP: &http.Client{Transport: s},
	}
}

// connect makes a client and returns the server's end of its connection. The client is closed at the end.
func (s *fake) connect(t *testing.T, h Handler, change ...func(*Options)) (*Client, *peer) {
	t.Helper()
	o := s.options(h)
	for _, f := range change {
		f(&o)
	}
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c, receive(t, s.peerCh)
}

// Close cuts the connection.
func (p *peer) Close() error { return p.nc.Close() }
