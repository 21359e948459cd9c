package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	cimpb "cim/proto"
)

// overTCP is a fake on real sockets, with the client's own HTTP client and dialer.
func overTCP(t *testing.T) (*fake, Options, *recorder) {
	t.Helper()
	s := newFake(t)
	return onSockets(t, s, httptest.NewServer(s.mux), func(ln net.Listener) net.Listener { return ln })
}

// onSockets has s behind a listener of its own and a route.
func onSockets(t *testing.T, s *fake, route *httptest.Server, layer func(net.Listener) net.Listener) (*fake, Options, *recorder) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := layer(tcp)
	acceptedCh := make(chan struct{})
	go func() {
		defer close(acceptedCh)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.serve(nc)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-acceptedCh
		route.Close()
	})
	addr := ln.Addr().(*net.TCPAddr)
	s.login = func(_ int, w http.ResponseWriter) bool {
		answerJSON(w, 200, loginAnswer{UserID: aliceID, Name: "alice", Server: serverPlace{Host: "127.0.0.1", Port: addr.Port}})
		return true
	}
	rec := newRecorder()
	return s, Options{Route: route.URL, Name: "alice", Handler: rec}, rec
}

func TestOverTCP(t *testing.T) {
	s, o, rec := overTCP(t)
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p := receive(t, s.peerCh)
	const n = 5000
	for seq := range uint64(n) {
		p.message(1, seq+1, strconv.FormatUint(seq+1, 10))
	}
	for seq := range n {
		rec.texts(t, strconv.Itoa(seq+1))
	}
	ch := sendAsync(t.Context(), c, "hi")
	for f := receive(t, p.frameCh); ; f = receive(t, p.frameCh) {
		if f.Cmd == cimpb.Command_SEND {
			p.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
			break
		}
	}
	if got := receive(t, ch); got.err != nil {
		t.Error(got.err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	receive(t, p.goneCh)
}

// TestLastAckArrives closes while the server still writes: a reset would take the ACK with it.
func TestLastAckArrives(t *testing.T) {
	s, o, rec := overTCP(t)
	for round := range 20 {
		c, err := Connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		p := receive(t, s.peerCh)
		for seq := range uint64(3000) {
			p.message(1, seq+1, "x")
		}
		for range 100 + round {
			receive(t, rec.msgCh)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		receive(t, p.goneCh)
		if !errors.Is(p.readErr, io.EOF) {
			t.Fatalf("round %d: the connection ended with %v, which may overtake the ACK", round, p.readErr)
		}
		handled := uint64(100 + round)
		for len(rec.msgCh) > 0 {
			handled = (<-rec.msgCh).Seq
		}
		last := uint64(0)
		for len(p.frameCh) > 0 {
			if f := <-p.frameCh; f.Cmd == cimpb.Command_ACK {
				last = f.Seq
			}
		}
		if last != handled {
			t.Fatalf("round %d: the last ACK is of %d, want %d", round, last, handled)
		}
	}
}

func TestKilledServerOverTCP(t *testing.T) {
	s, o, rec := overTCP(t)
	o.Backoff = Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond}
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p := receive(t, s.peerCh)
	rec.state(t, StateConnected)
	ch := sendAsync(t.Context(), c, "survives")
	first := p.next(t, cimpb.Command_SEND)
	_ = p.nc.(*net.TCPConn).SetLinger(0) // a reset, as of a killed process
	p.Close()
	p = receive(t, s.peerCh)
	again := p.next(t, cimpb.Command_SEND)
	if again.ClientMsgId != first.ClientMsgId || again.Text != "survives" {
		t.Errorf("repeated %v as %v", first, again)
	}
	p.sent(again.ClientMsgId, cimpb.CodeStored, 1, 0)
	if got := receive(t, ch); got.err != nil {
		t.Error(got.err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
