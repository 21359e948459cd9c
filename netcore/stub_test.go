package netcore

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// rig is a loop without an engine: the test plays gnet, and moves the clock.
type rig struct {
	t testing.TB
	*loop
	events *stubLoop
}

// stubTick is so long that the real clock never ends it while a test runs.
const stubTick = time.Minute

func newRig(t testing.TB, b Backend, with ...func(*Config)) *rig {
	t.Helper()
	with = append([]func(*Config){func(c *Config) { c.Tick, c.IdleTimeout = stubTick, 90*stubTick }}, with...)
	s := prepare(t, b, with...)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.started = time.Now()
	s.startLanes()
	t.Cleanup(func() {
		s.cancel()
		s.closeLanes(context.Background())
	})
	l := s.loops[0]
	return &rig{t: t, loop: l, events: &stubLoop{handler: l, woken: make(chan struct{}, 1)}}
}

// open connects a stub.
func (r *rig) open() *stubConn {
	c := &stubConn{events: r.events}
	if _, action := r.OnOpen(c); action == gnet.Close {
		_ = r.events.Close(c)
	}
	return c
}

// join opens a stub and logs it in; what it was told so far is forgotten.
func (r *rig) join(login []byte) *stubConn {
	r.t.Helper()
	c := r.open()
	r.feed(c, login)
	r.until("the login", func() bool { return c.session().state == stateOpen })
	c.out, c.writes = nil, 0
	return c
}

// feed has bytes arrive.
func (r *rig) feed(c *stubConn, b []byte) {
	c.in = append(c.in, b...)
	if r.OnTraffic(c) == gnet.Close {
		_ = r.events.Close(c)
	}
}

// round runs one round of the loop.
func (r *rig) round() { _ = r.Run(context.Background()) }

// until runs a round each time when the loop is woken.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for !cond() {
		receive(r.t, r.events.woken, what)
		r.round()
	}
}

// pass moves the clock and lets the loop look at it.
func (r *rig) pass(d time.Duration) {
	r.srv.started = r.srv.started.Add(-d)
	r.door.postTick()
	r.round()
}

// stubLoop is a gnet.EventLoop that runs nothing by itself.
type stubLoop struct {
	gnet.EventLoop
	handler gnet.EventHandler
	woken   chan struct{}
}

func (e *stubLoop) Execute(context.Context, gnet.Runnable) error {
	select {
	case e.woken <- struct{}{}:
	default:
	}
	return nil
}

func (e *stubLoop) Close(c gnet.Conn) error {
	if stub, ok := c.(*stubConn); ok && !stub.closed {
		stub.closed = true
		e.handler.OnClose(stub, nil)
	}
	return nil
}

// stubConn is the part of a gnet.Conn that the loop uses.
type stubConn struct {
	gnet.Conn
	events   *stubLoop
	context  any
	in       []byte
	out      []byte // all that was written, unless mute
	mute     bool   // forget what is written
	writes   int
	stuck    int // bytes that OutboundBuffered reports
	writeErr error
	closed   bool
}

func (c *stubConn) session() *session {
	s, _ := c.context.(*session)
	return s
}

func (c *stubConn) Context() any              { return c.context }
func (c *stubConn) SetContext(ctx any)        { c.context = ctx }
func (c *stubConn) EventLoop() gnet.EventLoop { return c.events }
func (c *stubConn) InboundBuffered() int      { return len(c.in) }
func (c *stubConn) OutboundBuffered() int     { return c.stuck }
func (c *stubConn) Peek(int) ([]byte, error)  { return c.in, nil }
func (c *stubConn) RemoteAddr() net.Addr      { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *stubConn) Fd() int                   { return -1 }

func (c *stubConn) Read(p []byte) (int, error) {
	n := copy(p, c.in)
	c.in = append(c.in[:0], c.in[n:]...)
	return n, nil
}

func (c *stubConn) Discard(n int) (int, error) {
	c.in = append(c.in[:0], c.in[n:]...)
	return n, nil
}

// Write fails as gnet's does: the connection is closed before it returns.
func (c *stubConn) Write(b []byte) (int, error) {
	c.writes++
	if c.writeErr != nil {
		_ = c.events.Close(c)
		return 0, c.writeErr
	}
	if !c.mute {
		c.out = append(c.out, b...)
	}
	return len(b), nil
}

// frames decodes and forgets what was written.
func (c *stubConn) frames(t testing.TB) (frames []*cimpb.Frame) {
	t.Helper()
	for b := c.out; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || int(size) > len(b)-n {
			t.Fatalf("not a frame: %x", b)
		}
		f := &cimpb.Frame{}
		if err := proto.Unmarshal(b[n:n+int(size)], f); err != nil {
			t.Fatal(err)
		}
		frames, b = append(frames, f), b[n+int(size):]
	}
	c.out = nil
	return frames
}

// texts are those of frames, which have to be messages.
func (c *stubConn) texts(t testing.TB) (texts []string) {
	t.Helper()
	for _, f := range c.frames(t) {
		if f.GetCmd() != cimpb.Command_MESSAGE {
			t.Errorf("%v among the messages", f)
		}
		texts = append(texts, f.GetText())
	}
	return texts
}

// errBroken is what a broken connection says.
var errBroken = errors.New("broken pipe")
