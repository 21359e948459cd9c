package netcore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// patience is when a test gives up. No test is faster or slower for it.
const patience = 20 * time.Second

// start runs a server of one loop on a free port until the test ends.
func start(t testing.TB, b Backend, with ...func(*Config)) *Server {
	t.Helper()
	s := prepare(t, b, with...)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil && !errors.Is(err, ErrStopping) {
			t.Error(err)
		}
	})
	return s
}

// prepare is start without starting.
func prepare(t testing.TB, b Backend, with ...func(*Config)) *Server {
	t.Helper()
	cfg := Config{
		Listen: "127.0.0.1:0", Instance: "test", Backend: b, Loops: 1, MaxConns: 1000,
		Tick: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
	for _, w := range with {
		w(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually waits for what no channel tells, such as a counter.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !cond(); <-look.C {
		if time.Now().After(end) {
			t.Fatal("it did not come to this: ", what)
		}
	}
}

// receive takes one value from a channel.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain for ", what)
		panic("unreachable")
	}
}

// nothing fails when a channel holds a value.
func nothing[T any](t testing.TB, ch <-chan T, what string) {
	t.Helper()
	select {
	case v := <-ch:
		t.Errorf("%s: %+v", what, v)
	default:
	}
}

// client is a bare socket.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, s *Server) *client {
	t.Helper()
	conn, err := net.DialTCP("tcp", nil, s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

// join dials and logs in with hello.
func join(t testing.TB, s *Server, user int64) *client {
	t.Helper()
	c, _ := joinAs(t, s, user, &cimpb.Hello{Version: 1, Device: "phone"})
	return c
}

func joinAs(t testing.TB, s *Server, user int64, h *cimpb.Hello) (*client, *cimpb.Frame) {
	t.Helper()
	c := dial(t, s)
	c.send(hello(user, h))
	return c, c.expect(cimpb.Command_WELCOME)
}

// hello is a LOGIN frame.
func hello(user int64, h *cimpb.Hello) []byte {
	return encode(&cimpb.Frame{Cmd: cimpb.Command_LOGIN, UserId: user, Hello: h})
}

func plainHello(user int64) []byte { return hello(user, &cimpb.Hello{Version: 1, Device: "phone"}) }

func encode(f *cimpb.Frame) []byte {
	b, err := frame.AppendFrame(nil, f)
	if err != nil {
		panic(err)
	}
	return b
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	if _, err := c.conn.Write(all); err != nil {
		c.t.Fatal(err)
	}
}

// next reads one frame.
func (c *client) next() (*cimpb.Frame, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	n, err := binary.ReadUvarint(c.in)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return nil, err
	}
	var f cimpb.Frame
	return &f, proto.Unmarshal(payload, &f)
}

// expect reads a frame and checks what it is.
func (c *client) expect(cmd cimpb.Command) *cimpb.Frame {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatalf("waiting for %s: %v", cmd, err)
	}
	if f.GetCmd() != cmd {
		c.t.Fatalf("got %v, want a %s", f, cmd)
	}
	return f
}

// expectTexts reads MESSAGEs and checks what they say.
func (c *client) expectTexts(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if f := c.expect(cimpb.Command_MESSAGE); f.GetText() != want {
			c.t.Fatalf("got %q, want %q", f.GetText(), want)
		}
	}
}

// sync makes sure that all that was written to the session before is read: a PING has its PONG after it.
func (c *client) sync() {
	c.t.Helper()
	c.send(frame.Ping)
	c.expect(cimpb.Command_PING)
}

// expectEnd reads an ERROR or KICK with the code and then the end.
func (c *client) expectEnd(cmd cimpb.Command, code cimpb.Code) *cimpb.Frame {
	c.t.Helper()
	f := c.expect(cmd)
	if got := cimpb.Code(f.GetStatus().GetCode()); got != code {
		c.t.Errorf("told %s, want %s", got, code)
	}
	c.expectClosed()
	return f
}

func (c *client) expectClosed() {
	c.t.Helper()
	if f, err := c.next(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Errorf("the connection is not closed: %v, %v", f, err)
	}
}

// expectReason waits until connections were closed for this reason and checks that there was no other.
func expectReason(t testing.TB, s *Server, why Reason, n uint64) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " closed for ", why), func() bool { return closedFor(s, why) >= n })
	for name, got := range s.Stats().Closed {
		if name != why.String() && got > 0 || name == why.String() && got != n {
			t.Errorf("closed for %s: %d", name, got)
		}
	}
}

func closedFor(s *Server, why Reason) uint64 { return s.Stats().Closed[why.String()] }

func sendFrame(to int64, id uint64, text string) []byte {
	return frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: to, Text: []byte(text), ClientMsgID: id})
}
