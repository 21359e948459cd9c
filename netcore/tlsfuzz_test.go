package netcore

import (
	"crypto/tls"
	"slices"
	"testing"

	"cim/netcore/frame"
)

// FuzzTLSRecords has a peer say anything in place of a handshake or behind one: records that are cut, run together
// or broken, in pieces of any size. Whatever it is, nothing is left over when the connection has ended.
func FuzzTLSRecords(f *testing.F) {
	ca := newAuthority(f)
	cfg := ca.server()
	hello := clientHello(f, ca)
	f.Add(frame.Ping, []byte{}, uint16(3), true)
	f.Add(stream(), []byte{23, 3, 3, 0, 5, 1, 2, 3, 4, 5}, uint16(100), true)
	f.Add([]byte{}, []byte{21, 3, 3, 0, 2, 1, 0}, uint16(1), true)        // an alert that is not encrypted
	f.Add([]byte{0x80}, []byte{20, 3, 3, 0, 1, 1}, uint16(7), true)       // change cipher spec
	f.Add([]byte{}, []byte{23, 3, 3, 0xff, 0xff, 0}, uint16(1<<15), true) // larger than a record may be
	f.Add([]byte{}, hello, uint16(50), false)
	f.Add([]byte{}, slices.Concat(hello, hello), uint16(1<<15), false)
	f.Add([]byte{}, hello[:len(hello)-1], uint16(1), false)
	f.Add([]byte{}, []byte{22, 3, 1, 0, 0, 22, 3, 1, 0, 0}, uint16(2), false)
	f.Add([]byte{}, []byte("GET / HTTP/1.1\r\n\r\n"), uint16(9), false)
	f.Fuzz(func(t *testing.T, said, records []byte, piece uint16, joined bool) {
		r := newRig(t, newFakeBackend(), withTLS(cfg), func(c *Config) { c.MaxFrame = 500 })
		c := r.open()
		if joined {
			_ = r.events.Close(c)
			records = slices.Concat(r.recordsOf(ca, &c, said), records)
		}
		for part := range slices.Chunk(records, int(piece)+1) {
			if c.closed {
				break
			}
			r.feed(c, part)
			r.round()
			checkRecords(t, r)
		}
		_ = r.events.Close(c)
		r.srv.wg.Wait() // a handshake ends with its connection
		r.round()
		if r.parked != 0 || r.srv.conns.Load() != 0 || r.srv.pending.Load() != 0 || r.srv.handshakes.Load() != 0 {
			t.Errorf("left over: %d bytes, %d connections, %d logins, %d handshakes",
				r.parked, r.srv.conns.Load(), r.srv.pending.Load(), r.srv.handshakes.Load())
		}
	})
}

// recordsOf joins over TLS and returns what saying said would put on the wire.
func (r *rig) recordsOf(ca *authority, c **stubConn, said []byte) []byte {
	joined, peer, secured := r.joinTLS(ca, tls.VersionTLS13)
	*c = joined
	if len(said) > 0 {
		secured.send(said)
	}
	return peer.taken()
}

// checkRecords looks at what must hold between two rounds.
func checkRecords(t *testing.T, r *rig) {
	t.Helper()
	parked := 0
	for _, s := range r.sessions {
		if s == nil {
			continue
		}
		if parked += int(s.parked); s.out != nil || s.state >= stateClosing {
			t.Error("a session keeps a buffer, or is closing after the round")
		}
	}
	if parked != r.parked || r.parked > handshakeBytes+maxRecord {
		t.Errorf("%d bytes are parked, counted %d", parked, r.parked)
	}
}
