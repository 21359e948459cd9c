package netcore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// login logs in on a connection that is there.
func (c *client) login(user int64) {
	c.t.Helper()
	c.send(plainHello(user))
	c.expect(cimpb.Command_WELCOME)
}

func TestTLSCarriesFrames(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca, b := newAuthority(t), newFakeBackend()
			s := start(t, b, withTLS(ca.server()))
			c := joinTLS(t, s, 1, ca.client(version))
			if got := c.conn.(*tls.Conn).ConnectionState().Version; got != version {
				t.Errorf("version %x", got)
			}
			c.sync()
			c.send(sendFrame(2, 1, "hello"))
			c.expectSent(1, cimpb.CodeWritten)
			c.send(frame.Ping, frame.Ping, sendFrame(2, 2, strings.Repeat("x", 60_000)), frame.Ping)
			c.expect(cimpb.Command_PING)
			c.expect(cimpb.Command_PING)
		})
	}
}

func TestTLSDeliversLargeMessagesAndBroadcasts(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	one, two := joinTLS(t, s, 1, ca.client(tls.VersionTLS13)), joinTLS(t, s, 2, ca.client(tls.VersionTLS12))
	large := strings.Repeat("0123456789", 6000) // four records
	if _, err := s.Push(t.Context(), []Push{{User: 1, Body: body(large)}}); err != nil {
		t.Fatal(err)
	}
	one.expectTexts(large)
	for _, text := range []string{"a", large, "b"} {
		if n, err := s.Broadcast(everyone(text)); err != nil || n != 2 {
			t.Fatalf("reached %d: %v", n, err)
		}
	}
	one.expectTexts("a", large, "b")
	two.expectTexts("a", large, "b")
}

func TestTLSByteByByteBothWays(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			s := start(t, newFakeBackend(), withTLS(ca.server()))
			c := secure(t, byteByByte{dial(t, s).conn}, ca.client(version))
			c.login(1)
			for range 3 {
				c.sync()
			}
			for _, b := range frame.Ping { // each byte a record of its own
				c.send([]byte{b})
			}
			c.expect(cimpb.Command_PING)
		})
	}
}

// TestTLSTakesALoginInTheFlightOfTheHandshake has records of frames arrive before the handshake is done.
func TestTLSTakesALoginInTheFlightOfTheHandshake(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			s := start(t, newFakeBackend(), withTLS(ca.server()))
			held := &holdLast{Conn: dial(t, s).conn}
			c := secure(t, held, ca.client(version))
			c.send(plainHello(1), frame.Ping)
			c.expect(cimpb.Command_WELCOME)
			c.expect(cimpb.Command_PING)
		})
	}
}

// holdLast gathers what is written between two reads into one write.
type holdLast struct {
	net.Conn
	out []byte
}

func (h *holdLast) Write(p []byte) (int, error) {
	h.out = append(h.out, p...)
	return len(p), nil
}

func (h *holdLast) Read(p []byte) (int, error) {
	if len(h.out) > 0 {
		if _, err := h.Conn.Write(h.out); err != nil {
			return 0, err
		}
		h.out = nil
	}
	return h.Conn.Read(p)
}

func TestTLSSaysCloseNotify(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			s := start(t, newFakeBackend(), withTLS(ca.server()))
			byPeer, byLoop := joinTLS(t, s, 1, ca.client(version)), joinTLS(t, s, 2, ca.client(version))
			byPeer.send(plainHello(1)) // a second LOGIN, which ends the session within its own OnTraffic
			byPeer.expect(cimpb.Command_ERROR)
			if !s.Kick(2, 2, KickLoggedOut) {
				t.Fatal("not here")
			}
			byLoop.expect(cimpb.Command_KICK)
			for _, c := range []*client{byPeer, byLoop} {
				// Without close_notify, crypto/tls reports io.ErrUnexpectedEOF.
				if n, err := c.conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the end: %d, %v", n, err)
				}
			}
		})
	}
}

func TestTLSTakesThePeersCloseNotify(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	c := joinTLS(t, s, 1, ca.client(tls.VersionTLS13))
	if err := c.conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expectClosed()
	expectReason(t, s, reasonClient, 1)
}

func TestTLSRefusesWhatIsNotTLS(t *testing.T) {
	oversize := []byte{22, 3, 1, 0xff, 0xff, 1}
	for name, said := range map[string][]byte{
		"plain frames": plainHello(1), "http": []byte("GET / HTTP/1.1\r\n\r\n"), "one byte": {0},
		"sslv2": {0x80, 0x2e, 1, 0, 2}, "oversize": oversize, "empty hello": {22, 3, 1, 0, 0, 22, 3, 1, 0, 0},
		"no hello": append([]byte{22, 3, 1, 0, 4}, "junk"...),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newFakeBackend(), withTLS(newAuthority(t).server()), func(c *Config) { c.LoginTimeout = time.Second })
			c := dial(t, s)
			c.send(said)
			_, _ = io.Copy(io.Discard, c.in) // an alert may come
			eventually(t, "it is counted", func() bool { return closedFor(s, reasonBadTLS)+closedFor(s, reasonTLSTimeout) == 1 })
			if name != "empty hello" && closedFor(s, reasonBadTLS) != 1 {
				t.Errorf("closed: %v", s.Stats().Closed)
			}
		})
	}
}

func TestTLSRefusesABadRecord(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	raw := dial(t, s)
	secure(t, raw.conn, ca.client(tls.VersionTLS13)).login(1)
	raw.send([]byte{23, 3, 3, 0, 20}, make([]byte, 20))
	_, _ = io.Copy(io.Discard, raw.conn)
	expectReason(t, s, reasonBadTLS, 1)
}

func TestTLSStalledHandshakesReachTheDeadline(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()), func(c *Config) { c.LoginTimeout = 100 * time.Millisecond })
	hello := clientHello(t, ca)
	for name, said := range map[string][]byte{"silent": nil, "half a hello": hello[:len(hello)/2], "no answer": hello} {
		c := dial(t, s)
		c.send(said)
		if _, err := io.Copy(io.Discard, c.in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	expectReason(t, s, reasonTLSTimeout, 3)
	eventually(t, "the handshakes have ended", func() bool { return s.handshakes.Load() == 0 && s.Conns() == 0 })
}

// clientHello is what a client says first.
func clientHello(t testing.TB, ca *authority) []byte {
	t.Helper()
	said := &holdLast{}
	_ = tls.Client(failing{said}, ca.client(tls.VersionTLS13)).Handshake()
	if len(said.out) == 0 {
		t.Fatal("no ClientHello")
	}
	return said.out
}

// failing is a connection that nothing comes from.
type failing struct{ *holdLast }

func (failing) Read([]byte) (int, error) { return 0, io.EOF }
func (failing) Close() error             { return nil }

func TestTLSBoundsTheHandshakesUnderWay(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	s.handshakes.Add(handshakeLimit)
	c := dial(t, s)
	c.send(clientHello(t, ca))
	c.expectClosed()
	expectReason(t, s, reasonTLSBusy, 1)
	s.handshakes.Add(-handshakeLimit)
	joinTLS(t, s, 1, ca.client(tls.VersionTLS13)).sync()
}

func TestTLSStalledHandshakesLeaveOthersTheirTurn(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	hello := clientHello(t, ca)
	for range 10 * handshakeWorkers() {
		dial(t, s).send(hello)
	}
	eventually(t, "all are under way", func() bool { return s.Stats().Handshakes == int64(10*handshakeWorkers()) })
	joinTLS(t, s, 1, ca.client(tls.VersionTLS13)).sync()
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := s.handshakes.Load(); n != 0 {
		t.Errorf("%d handshakes after Stop", n)
	}
}

func TestTLSCountsHalfARecordAsAnIncompleteFrame(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()), func(c *Config) { c.FrameTimeout = 50 * time.Millisecond })
	raw := dial(t, s)
	secure(t, raw.conn, ca.client(tls.VersionTLS13)).login(1)
	raw.send([]byte{23, 3, 3, 0x10, 0})
	_, _ = io.Copy(io.Discard, raw.conn)
	expectReason(t, s, reasonFrameTimeout, 1)
}

func TestTLSRequiresACertificateOfTheClient(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	cfg := ca.server()
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	s := start(t, newFakeBackend(), withTLS(cfg))
	for name, version := range versions {
		known := ca.client(version)
		known.Certificates = []tls.Certificate{ca.sign("device")}
		joinTLS(t, s, 1, known).sync()
		for who, certs := range map[string][]tls.Certificate{"nobody": nil, "a stranger": {stranger.sign("device")}} {
			other := ca.client(version)
			other.Certificates = certs
			c := tls.Client(dial(t, s).conn, other)
			err := c.HandshakeContext(t.Context())
			if err == nil {
				_, err = c.Read(make([]byte, 1)) // in 1.3 the client hears of it afterwards
			}
			if err == nil || !strings.HasPrefix(err.Error(), "remote error: tls: ") {
				t.Errorf("%s of %s: %v", name, who, err)
			}
		}
	}
	eventually(t, "all are counted", func() bool { return closedFor(s, reasonBadTLS) == 4 })
}

func TestTLSCertificateChangesWhileItRuns(t *testing.T) {
	ca := newAuthority(t)
	var current atomic.Pointer[tls.Certificate]
	first, second := ca.sign("first"), ca.sign("second")
	current.Store(&first)
	s := start(t, newFakeBackend(), withTLS(&tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	}))
	before := joinTLS(t, s, 1, ca.client(tls.VersionTLS13))
	current.Store(&second)
	after := joinTLS(t, s, 2, ca.client(tls.VersionTLS13))
	if a, b := peerName(before), peerName(after); a != "first" || b != "second" {
		t.Errorf("%s, then %s", a, b)
	}
	before.sync()
}

func peerName(c *client) string {
	certs := c.conn.(*tls.Conn).ConnectionState().PeerCertificates
	return certs[0].Subject.CommonName
}

func TestTLSLeavesAnIdleConnectionNoBuffer(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	c := joinTLS(t, s, 1, ca.client(tls.VersionTLS13))
	c.send(sendFrame(2, 1, strings.Repeat("x", 50_000)))
	c.expectSent(1, cimpb.CodeWritten)
	checked := make(chan *tlsConn, 1)
	s.loops[0].door.postAnswer(askTLS{checked})
	if k := receive(t, checked, "the loop"); k.plain != nil || k.early != nil || k.handshake != nil {
		t.Errorf("%d bytes of plaintext, %d early", cap(k.plain), cap(k.early))
	}
}

// askTLS looks at the first connection on its loop.
type askTLS struct{ ch chan *tlsConn }

func (a askTLS) run(l *loop) {
	k := *l.sessions[0].conn.(*tlsConn)
	a.ch <- &k
}

// TestWouldBlockIsNotSticky is what reading on the loop rests on.
func TestWouldBlockIsNotSticky(t *testing.T) {
	var err net.Error
	if !errors.As(error(errWouldBlock), &err) || !err.Timeout() || !errWouldBlock.(interface{ Temporary() bool }).Temporary() {
		t.Error("not temporary")
	}
}

// TestTLSBuffersAreFound fails when crypto/tls has moved what trimTLS drops.
func TestTLSBuffersAreFound(t *testing.T) {
	if len(tlsBuffers) != 2 {
		t.Errorf("found %d of the buffers in tls.Conn", len(tlsBuffers))
	}
	ca := newAuthority(t)
	r := newRig(t, newFakeBackend(), withTLS(ca.server()))
	c, peer, secured := r.joinTLS(ca, tls.VersionTLS13)
	secured.send(sendFrame(2, 1, strings.Repeat("x", 50_000)))
	for piece := range slices.Chunk(peer.taken(), 1400) {
		r.feed(c, piece)
	}
	if c.closed || r.parked != 0 {
		t.Fatalf("closed %t, %d bytes parked", c.closed, r.parked)
	}
	k := c.session().conn.(*tlsConn)
	for _, offset := range tlsBuffers {
		if got := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(k.tls), offset)).Cap(); got > trimAbove {
			t.Errorf("an idle connection keeps %d bytes", got)
		}
	}
}

// TestTLSSessionSaysAnything has what a session may say come as records, cut anywhere.
func TestTLSSessionSaysAnything(t *testing.T) {
	ca := newAuthority(t)
	for name, version := range versions {
		for _, piece := range []int{1, 7, 100, 1 << 20} {
			r := newRig(t, newFakeBackend(), withTLS(ca.server()))
			c, peer, secured := r.joinTLS(ca, version)
			for part := range slices.Chunk(stream(), 11) {
				secured.send(part)
			}
			for part := range slices.Chunk(peer.taken(), piece) {
				r.feed(c, part)
				checkLoop(t, r)
			}
			if c.closed || r.parked != 0 || c.session().partialSince != 0 {
				t.Errorf("%s, %d bytes at a time: closed %t, %d parked", name, piece, c.closed, r.parked)
			}
			_ = r.events.Close(c)
		}
	}
}

// TestTLSRecordWithoutAFrameLeavesNoDeadline is for records such as key updates, which begin and end no frame.
func TestTLSRecordWithoutAFrameLeavesNoDeadline(t *testing.T) {
	ca := newAuthority(t)
	r := newRig(t, newFakeBackend(), withTLS(ca.server()))
	c, peer, secured := r.joinTLS(ca, tls.VersionTLS13)
	secured.send(frame.Ping)
	record := peer.taken()
	r.feed(c, record[:len(record)-1])
	s := c.session()
	if s.partialSince == 0 || int(s.parked) != len(record)-1 {
		t.Fatalf("half a record: since %d, %d bytes", s.partialSince, s.parked)
	}
	c.in = nil // as if the rest had come, and held no frame
	r.parkTLS(s, s.conn.(*tlsConn))
	if s.partialSince != 0 || s.parked != 0 || r.parked != 0 {
		t.Errorf("since %d, %d bytes", s.partialSince, s.parked)
	}
}
