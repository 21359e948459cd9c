package netcore

import (
	"net"
	"time"
)

// Sizes of TLS records (RFC 5246 6.2.3, which allows more than RFC 8446).
const (
	recordHeader = 5
	maxPlaintext = 16 << 10
	maxRecord    = recordHeader + maxPlaintext + 2048
)

// wouldBlock says that there is no whole record. crypto/tls makes every read error final but those that call
// themselves temporary.
type wouldBlock struct{}

var errWouldBlock net.Error = wouldBlock{}

func (wouldBlock) Error() string   { return "netcore: no whole record has arrived" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// tlsLink is the connection as crypto/tls sees it: records come from gnet, or from the handshake's buffer, and
// go to a buffer.
type tlsLink struct{ t *tlsConn }

// Read waits for bytes during the handshake, and never afterwards.
func (k *tlsLink) Read(p []byte) (int, error) {
	t := k.t
	if h := t.handshake; h != nil {
		return h.read(p)
	}
	if len(t.early) > 0 {
		n := copy(p, t.early)
		if t.early = t.early[n:]; len(t.early) == 0 {
			t.early = nil
		}
		t.silent += uint32(n)
		return n, nil
	}
	if t.unread == 0 {
		size, ok := t.wholeRecord()
		if !ok {
			return 0, errWouldBlock
		}
		t.unread = size
	}
	n, err := t.below().Read(p[:min(len(p), t.unread)])
	t.unread -= n
	t.silent += uint32(n)
	return n, err
}

// Write gathers records; whoever called crypto/tls sends them.
func (k *tlsLink) Write(b []byte) (int, error) {
	if h := k.t.handshake; h != nil {
		h.out = append(h.out, b...)
	} else {
		l := k.t.loop
		l.records = append(l.records, b...)
	}
	return len(b), nil
}

// Close is the loop's business.
func (k *tlsLink) Close() error { return nil }

func (k *tlsLink) LocalAddr() net.Addr  { return k.t.LocalAddr() }
func (k *tlsLink) RemoteAddr() net.Addr { return k.t.RemoteAddr() }

// Deadlines are the timer wheel's.
func (k *tlsLink) SetDeadline(time.Time) error      { return nil }
func (k *tlsLink) SetReadDeadline(time.Time) error  { return nil }
func (k *tlsLink) SetWriteDeadline(time.Time) error { return nil }
