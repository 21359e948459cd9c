package netcore

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"reflect"
	"runtime"
	"testing"
	"unsafe"

	"cim/netcore/frame"
)

// recordOf makes a record of that type of the handshake's keys, which crypto/tls would not write. It works for
// TLS 1.3, where all types look alike from outside.
func recordOf(conn *tls.Conn, kind byte, content []byte) []byte {
	out := reflect.ValueOf(conn).Elem().FieldByName("out")
	key := *(*any)(unsafe.Pointer(out.FieldByName("cipher").UnsafeAddr()))
	seq := (*[8]byte)(unsafe.Pointer(out.FieldByName("seq").UnsafeAddr()))
	aead := key.(cipher.AEAD)
	plain := append(append([]byte(nil), content...), kind)
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+aead.Overhead()))
	record := aead.Seal(header, seq[:], plain, header)
	binary.BigEndian.PutUint64(seq[:], binary.BigEndian.Uint64(seq[:])+1)
	return record
}

const typeHandshake = 22

// TestTLSBoundsAHandshakeMessageAfterTheHandshake has a peer begin a message of 256 KiB, which crypto/tls keeps until it
// is complete, and which is no frame.
func TestTLSBoundsAHandshakeMessageAfterTheHandshake(t *testing.T) {
	ca := newAuthority(t)
	r := newRig(t, newFakeBackend(), withTLS(ca.server()))
	c, _, secured := r.joinTLS(ca, tls.VersionTLS13)
	conn := secured.conn.(*tls.Conn)
	const certificate = 11
	r.feed(c, recordOf(conn, typeHandshake, []byte{certificate, 3, 0xff, 0xff}))
	fed := 0
	for ; fed < 200<<10 && !c.closed; fed += 1000 {
		r.feed(c, recordOf(conn, typeHandshake, make([]byte, 1000)))
	}
	if !c.closed || fed > 2*maxSilentRecords {
		t.Errorf("closed: %t, after %d bytes", c.closed, fed)
	}
	if got := r.srv.Stats().Closed[reasonBadTLS.String()]; got != 1 {
		t.Errorf("closed for %v", r.srv.Stats().Closed)
	}
}

// TestTLSTakesSilentRecordsBetweenFrames is for key updates, of which a long session has many.
func TestTLSTakesSilentRecordsBetweenFrames(t *testing.T) {
	ca := newAuthority(t)
	r := newRig(t, newFakeBackend(), withTLS(ca.server()))
	c, peer, secured := r.joinTLS(ca, tls.VersionTLS13)
	for range 100 {
		// An empty record stands for a key update, after which this side would need other keys.
		r.feed(c, recordOf(secured.conn.(*tls.Conn), 23, nil))
		secured.send(frame.Ping)
		r.feed(c, peer.taken())
	}
	if c.closed {
		t.Errorf("closed: %v", r.srv.Stats().Closed)
	}
}

// TestTLSTakesAFrameInSmallRecordsCheaply: copying what is there for each record would let a peer that sends a byte a
// record have gigabytes copied for each frame.
func TestTLSTakesAFrameInSmallRecordsCheaply(t *testing.T) {
	k := &tlsConn{}
	scratch := make([]byte, 16)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const size = 60_000
	for range size {
		k.take(scratch[:1])
		k.keep()
	}
	runtime.ReadMemStats(&after)
	if len(k.plain) != size {
		t.Fatalf("%d bytes", len(k.plain))
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 20*size {
		t.Errorf("a frame of %d bytes had %d allocated", size, got)
	}
	k.take(scratch[:1])
	_, _ = k.Discard(size)
	if k.keep(); len(k.plain) != 1 || cap(k.plain) > 64 {
		t.Errorf("one byte is kept in %d", cap(k.plain))
	}
}
