package netcore

import "testing"

// A release that finds no room is dropped: the directory's entry then names a session that its server, asked for proof,
// does not hold.
func TestReleaseLaneFull(t *testing.T) {
	s := start(t, newFakeBackend())
	shorten(s.claims, 0)
	s.release(SessionRef{1, 7})
	if n := s.Stats().Dropped["release_lane_full"]; n != 1 {
		t.Errorf("%d drops are counted", n)
	}
}

// While a handshake waits for its turn to compute, its peer goes on sending.
func TestTLSBoundsWhatAHandshakeHasNotRead(t *testing.T) {
	ca := newAuthority(t)
	s := start(t, newFakeBackend(), withTLS(ca.server()))
	for range handshakeWorkers() {
		s.handshakeSlots <- struct{}{}
	}
	c := dial(t, s)
	c.send(clientHello(t, ca))
	eventually(t, "the handshake is under way", func() bool { return s.handshakes.Load() == 1 })
	record := append([]byte{22, 3, 3, maxPlaintext >> 8, maxPlaintext & 0xff}, make([]byte, maxPlaintext)...)
	for range handshakeBytes/maxPlaintext + 1 {
		if _, err := c.conn.Write(record); err != nil {
			break // the server has closed
		}
	}
	expectReason(t, s, reasonBadTLS, 1)
	for range handshakeWorkers() {
		<-s.handshakeSlots
	}
	eventually(t, "the handshake has ended", func() bool { return s.handshakes.Load() == 0 })
}
