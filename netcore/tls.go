package netcore

import (
	"crypto/tls"
	"errors"
	"io"

	"github.com/panjf2000/gnet/v2"
)

// tlsConn is a gnet connection that speaks TLS: what the loop peeks at and writes is plaintext, what gnet
// reads and writes are records. Before the handshake is done there is nothing to peek at. crypto/tls is
// given whole records only, so what it keeps of a connection that says nothing is not for the peer to choose;
// an incomplete record waits in gnet's buffer, where the budget of incomplete frames counts it.
type tlsConn struct {
	gnet.Conn // below TLS

	// immutable after newTLSConn
	loop *loop
	link tlsLink

	// loop
	tls       *tls.Conn  // nil: no ClientHello yet
	handshake *handshake // nil: not begun, or done
	early     []byte     // records that the handshake did not need
	unread    int        // bytes of the current record that crypto/tls has not read
	plain     []byte     // what the loop has not taken
	silent    uint32     // bytes of records since the last plaintext
	settled   bool       // crypto/tls holds no record and no large buffer
	scratch   bool       // plain stands in the loop's scratch
}

// errSilentRecords ends a connection whose records hold something else than frames for too long.
var errSilentRecords = errors.New("netcore: too many TLS records without plaintext")

func newTLSConn(l *loop, below gnet.Conn) *tlsConn {
	t := &tlsConn{Conn: below, loop: l}
	t.link.t = t
	return t
}

// InboundBuffered is the number of plaintext bytes.
func (t *tlsConn) InboundBuffered() int { return len(t.plain) }

// Peek shows all plaintext, whatever is asked for: the loop asks for all.
func (t *tlsConn) Peek(int) ([]byte, error) { return t.plain, nil }

// Discard drops plaintext.
func (t *tlsConn) Discard(n int) (int, error) {
	if t.plain = t.plain[n:]; len(t.plain) == 0 {
		t.plain = nil
	}
	return n, nil
}

// Write encrypts b into records and hands them to gnet in one write.
func (t *tlsConn) Write(b []byte) (int, error) {
	if !t.established() {
		return len(b), nil // nothing is said before the handshake; nobody could read it
	}
	n, err := t.tls.Write(b)
	if err != nil {
		return n, err
	}
	return n, t.flushRecords()
}

func (t *tlsConn) established() bool { return t.tls != nil && t.handshake == nil }

// flushRecords writes what crypto/tls has produced. gnet may close the connection in it.
func (t *tlsConn) flushRecords() error {
	l := t.loop
	if len(l.records) == 0 {
		return nil
	}
	_, err := t.below().Write(l.records)
	if l.records = l.records[:0]; cap(l.records) > outboxKeep {
		l.records = nil
	}
	return err
}

// sayCloseNotify tells the peer that the end is meant: without it, it could be an attacker's doing.
func (t *tlsConn) sayCloseNotify() {
	if t.established() && t.tls.CloseWrite() == nil {
		_ = t.flushRecords() // the connection is closed next, whatever came of it
	}
}

// readTLS goes on with whatever the connection is at: its ClientHello, the handshake or frames.
func (l *loop) readTLS(s *session, t *tlsConn) {
	switch {
	case s.state >= stateClosing:
		return
	case t.tls == nil && !l.beginHandshake(s, t):
		return
	case t.handshake != nil:
		l.feedHandshake(s, t)
		return
	}
	l.decrypt(s, t)
}

// decrypt reads record by record, and the frames in each before the next.
func (l *loop) decrypt(s *session, t *tlsConn) {
	if l.plain == nil {
		l.plain = make([]byte, maxPlaintext)
	}
	for s.state < stateClosing {
		n, err := t.readRecord(l.plain)
		if n > 0 {
			t.take(l.plain[:n])
			l.read(s)
			t.keep()
		}
		if err != nil {
			l.endRead(s, t, err)
			return
		}
	}
}

// readRecord returns the plaintext of a record. It asks crypto/tls in vain only when that does some good.
func (t *tlsConn) readRecord(b []byte) (n int, err error) {
	if _, whole := t.wholeRecord(); t.settled && !whole {
		return 0, errWouldBlock
	}
	n, err = t.tls.Read(b)
	switch {
	case n > 0:
		t.silent = 0
	case t.silent > maxSilentRecords:
		return 0, errSilentRecords
	}
	switch {
	case errors.Is(err, errWouldBlock):
		t.settled = true
		trimTLS(t.tls)
	case n > trimAbove/2:
		t.settled = false // its buffer has grown
	}
	return n, err
}

// take shows the loop a record's plaintext. It stands in the loop's scratch, unless the frame before it is
// incomplete.
func (t *tlsConn) take(b []byte) {
	if t.scratch = len(t.plain) == 0; t.scratch {
		t.plain = b
		return
	}
	t.plain = append(t.plain, b...)
}

// keep makes what the loop left the connection's own, and leaves an idle connection no buffer. What is its own
// already is copied only out of a much larger buffer: a frame may come in records of one byte.
func (t *tlsConn) keep() {
	switch n := len(t.plain); {
	case n == 0:
		t.plain = nil
	case t.scratch || cap(t.plain) > 2*n+keepSpare:
		t.plain = append([]byte(nil), t.plain...)
	}
	t.scratch = false
}

// endRead accounts for what is incomplete when there are no more whole records, or ends the session.
func (l *loop) endRead(s *session, t *tlsConn, err error) {
	if s.state == stateClosed {
		return
	}
	_ = t.flushRecords() // a key update's answer, or an alert
	switch {
	case s.state >= stateClosing:
	case errors.Is(err, errWouldBlock):
		l.parkTLS(s, t)
		l.checkOutbound(s)
	case errors.Is(err, io.EOF):
		l.finish(s, reasonClient)
	default:
		l.finish(s, reasonBadTLS)
	}
}

// parkTLS counts records that are not whole like frames that are not.
func (l *loop) parkTLS(s *session, t *tlsConn) {
	left := len(t.plain) + t.below().InboundBuffered()
	if left == 0 {
		s.partialSince = 0 // such as after a key update, which is no frame
	}
	l.park(s, left)
}

// wholeRecord is the size of the record that gnet holds, if it holds all of it. Of a record that may not be
// so large it is the header, by which crypto/tls refuses it.
func (t *tlsConn) wholeRecord() (size int, ok bool) {
	arrived := t.below().InboundBuffered()
	if arrived < recordHeader {
		return 0, false
	}
	h, err := t.below().Peek(recordHeader)
	if err != nil {
		return 0, false
	}
	size = recordHeader + int(h[3])<<8 + int(h[4])
	if size > maxRecord {
		size = recordHeader
	}
	return size, size <= arrived
}
