package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

const (
	dribbleEvery    = time.Second
	longFrame       = 60 << 10 // of a frame that will never be whole
	insiderEvery    = 4        // one connection of so many logs in, while accounts are free
	framesOfInsider = 10       // that an insider writes to one connection, on average
	resetEvery      = 4        // one connection of so many ends with a reset
	sourcesAnEach   = 50       // addresses that one process comes from, on loopback
)

// target is one connection to the server that is attacked. A nil target is one that is gone.
type target struct {
	// Immutable after open.
	conn    net.Conn
	raw     net.Conn // below TLS
	role    string
	script  []byte // what a dribbling or stalling connection has to say
	rnd     *rand.Rand
	insider bool
	give    func()             // gives an insider's account back
	stop    func() bool        // ends the watch over the context
	cancel  context.CancelFunc // closes raw

	// atomic
	ended  atomic.Bool
	readCh chan struct{} // closed when nothing more comes
}

// open connects as role, as an insider now and then. It returns nil when that did not work.
func (a *attacker) open(ctx context.Context, role string, index int) *target {
	n := a.opened.Add(1)
	raw, err := a.dial(ctx, int(n))
	if err != nil {
		a.failed(ctx, netReason(err))
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &target{
		conn: raw, raw: raw, role: role, rnd: rand.New(rand.NewPCG(a.job.Seed, uint64(a.job.Process)<<40|uint64(n))),
		give: func() {}, cancel: cancel, readCh: make(chan struct{}),
	}
	t.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	if err := a.enter(ctx, t, index); err != nil {
		a.failed(ctx, attackReason(err))
		close(t.readCh)
		t.close()
		return nil
	}
	a.count(func(c *hostileTally) { c.Opened[role]++ })
	a.wg.Go(func() { a.drain(ctx, t) })
	return t
}

func (a *attacker) dial(ctx context.Context, n int) (net.Conn, error) {
	d := net.Dialer{Timeout: attackTimeout, ControlContext: keepPortsFree}
	if manySources(a.target.Addr()) {
		from := sourceAddr((a.job.Process*sourcesAnEach + 1 + n%sourcesAnEach) * connsPerSource)
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(from), 0))
	}
	return d.DialContext(ctx, "tcp", a.target.String())
}

// enter goes as far into the server as this connection is meant to. Under TLS a third stays before its
// ClientHello, and a third in the middle of its handshake.
func (a *attacker) enter(ctx context.Context, t *target, index int) error {
	t.script = longFrameOf(helloFrame(1, "", 0))
	if a.tls == nil {
		return a.logIn(ctx, t)
	}
	switch index % 3 {
	case 0:
		t.script = a.hello
		return nil
	case 1:
		t.script = a.hello[:recordHeaderBytes+1] // a record that repeats the beginning
		_, err := t.raw.Write(a.hello)
		return err
	}
	conn := tls.Client(t.raw, a.tls)
	if err := within(ctx, conn.HandshakeContext); err != nil {
		return handshakeError{err}
	}
	t.conn = conn
	return a.logIn(ctx, t)
}

// recordHeaderBytes is the size of a TLS record's header (RFC 8446 5.1).
const recordHeaderBytes = 5

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attackTimeout)
	defer cancel()
	return do(ctx)
}

// logIn makes an insider of every fourth connection, if there is an account for it.
func (a *attacker) logIn(ctx context.Context, t *target) error {
	userCh := a.holdCh
	if t.role == roleFrames {
		userCh = a.fuzzCh
	}
	if t.rnd.IntN(insiderEvery) > 0 {
		return nil
	}
	var u account
	select {
	case u = <-userCh:
	default:
		return nil
	}
	t.insider, t.give = true, func() { userCh <- u }
	p, err := a.route.login(ctx, u)
	if err != nil {
		return err
	}
	_ = t.conn.SetDeadline(time.Now().Add(attackTimeout))
	if _, err := greet(t.conn, u.UserID, p.Ticket); err != nil {
		return err
	}
	a.count(func(c *hostileTally) { c.Logins++ })
	t.script = longFrameOf(&cimpb.Frame{Cmd: cimpb.Command_SEND, ClientMsgId: 1})
	return t.conn.SetDeadline(time.Time{})
}

// longFrameOf is f with a text that takes longer to dribble than any server waits.
func longFrameOf(f *cimpb.Frame) []byte {
	f.Payload = make([]byte, longFrame)
	b, err := frame.AppendFrame(nil, f)
	if err != nil {
		panic("bench: a frame of our own is not right: " + err.Error())
	}
	return b
}

// drain reads until the connection ends: a server's words must not fill its peer's buffers.
func (a *attacker) drain(ctx context.Context, t *target) {
	defer close(t.readCh)
	_, _ = io.Copy(io.Discard, t.conn)
	t.ended.Store(true)
	if ctx.Err() == nil {
		a.count(func(c *hostileTally) { c.Closed++ })
	}
}

func (t *target) gone() bool { return t == nil || t.ended.Load() }

// wasEnough reports whether to go on with another connection. A stranger's first frame decides: what comes behind
// it would be the rest of a frame whose length was a lie. An insider's session is worth more.
func (t *target) wasEnough() bool {
	return !t.insider || t.rnd.IntN(framesOfInsider) == 0
}

// isBelow reports whether the server takes what t writes for TLS records, not for frames.
func (t *target) isBelow(secured *tls.Config) bool {
	return t != nil && secured != nil && t.conn == t.raw
}

func (t *target) write(b []byte) bool {
	if t == nil {
		return false
	}
	_ = t.raw.SetWriteDeadline(time.Now().Add(attackTimeout))
	_, err := t.conn.Write(b)
	return err == nil
}

// close ends the connection, sometimes with a reset, and waits for its reader.
func (t *target) close() {
	if t == nil {
		return
	}
	t.stop()
	if tcp, ok := t.raw.(*net.TCPConn); ok && t.rnd.IntN(resetEvery) == 0 {
		_ = tcp.SetLinger(0)
	}
	t.cancel()
	_ = t.raw.Close()
	<-t.readCh
	t.give()
}

// dribble writes a byte at a time until the server has had enough.
func dribble(ctx context.Context, t *target) {
	pause(ctx, time.Duration(t.rnd.Int64N(int64(dribbleEvery))))
	tick := time.NewTicker(dribbleEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-t.readCh:
			return
		case <-tick.C:
		}
		if !t.write(t.script[i%len(t.script):][:1]) {
			return
		}
	}
}

// stall writes the beginning of a frame, from a byte to half of it, and no more.
func stall(ctx context.Context, t *target) {
	t.write(t.script[:min(len(t.script)-1, 1<<t.rnd.IntN(16))])
	staySilent(ctx, t)
}

func staySilent(ctx context.Context, t *target) {
	select {
	case <-ctx.Done():
	case <-t.readCh:
	}
}

// clientHello is what a TLS client says first.
func clientHello(cfg *tls.Config) ([]byte, error) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	done := make(chan struct{})
	go func() { // ends when ours is closed
		defer close(done)
		_ = tls.Client(ours, cfg).Handshake()
	}()
	b := make([]byte, 4<<10)
	n, err := io.ReadAtLeast(theirs, b, recordHeaderBytes)
	_ = ours.Close()
	<-done
	return b[:n], err
}

// tlsTo has the server prove the host of its address.
func tlsTo(trusted *tls.Config, addr string) *tls.Config {
	cfg := trusted.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr)
	return cfg
}

// handshakeError marks what happened in a TLS handshake.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

func attackReason(err error) string {
	var refused *refusedError
	var h handshakeError
	switch {
	case errors.As(err, &refused):
		return loginReason(err)
	case errors.As(err, &h):
		return "tls_handshake"
	}
	return "login_cut_off"
}

// resolveTarget finds the address that is attacked.
func resolveTarget(ctx context.Context, target string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return netip.AddrPort{}, configError("--target %q is not host:port", target)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--target %q: %w", target, err)
	}
	var p place
	p.Server.Host, p.Server.Port = host, n
	return resolveServer(ctx, p)
}
