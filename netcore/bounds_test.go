package netcore

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

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

// docs/limits.md states what the constants are.
func TestLimitsAreWhatTheDocumentSays(t *testing.T) {
	doc, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	const kib, mib = 1 << 10, 1 << 20
	thousands := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	for _, row := range []string{
		fmt.Sprintf("| a frame | %d KiB |", defaultMaxFrame/kib),
		fmt.Sprintf("| a frame from its first byte to its last | %d s |", int(defaultFrameTimeout.Seconds())),
		fmt.Sprintf("| incomplete frames of one event loop | %d MiB |", partialBudget/mib),
		fmt.Sprintf("and again to its answer | %d s |", int(defaultLoginTimeout.Seconds())),
		fmt.Sprintf("have not logged in | %d s |", int(hastyLoginTimeout.Seconds())),
		fmt.Sprintf("| silence | %d s; with hello, %g heartbeats of %d s to %d h |", int(defaultIdleTimeout.Seconds()), heartbeatsPerIdle, int(defaultMinHeartbeat.Seconds()), int(defaultMaxHeartbeat.Hours())),
		fmt.Sprintf("| open files less %s and", thousands(FilesKept)),
		fmt.Sprintf("| %s a second; told when", thousands(defaultAdmitRate)),
		fmt.Sprintf("| TLS handshakes under way | %s; half", thousands(handshakeLimit)),
		fmt.Sprintf("| what a handshake has not read | %d KiB |", handshakeBytes/kib),
		fmt.Sprintf("| %d s; they count", int(reservationTime.Seconds())),
		fmt.Sprintf("| what a reservation keeps | %d messages, %d KiB |", reservationFrames, reservationBytes/kib),
		fmt.Sprintf("| SENDs without SENT, of one session | %d |", defaultSendCredit),
		fmt.Sprintf("| SENDs of one session | %d a second, %s at once |", sendRate, thousands(sendBurst)),
		fmt.Sprintf("| messages to everyone of one session | %d a second, %d at once |", everyoneRate, everyoneBurst),
		fmt.Sprintf("| bytes that wait for one connection | %d KiB |", defaultSoftOutbound/kib),
		fmt.Sprintf("| the same | %d MiB | constant | closed | closed `slow_reader` |", defaultHardOutbound/mib),
		fmt.Sprintf("that wait for one loop | %d MiB |", broadcastBytes/mib),
		fmt.Sprintf("| %s, and %d MiB |", thousands(doorLimit), doorBytes/mib),
		fmt.Sprintf("| %d × %s, and %d × %d MiB |", sendWorkers, thousands(sendLaneLimit), sendWorkers, laneBytes/mib),
		fmt.Sprintf("| ACKs that wait for the store | %s |", thousands(ackLaneLimit)),
		fmt.Sprintf("| %d × %s | constant | tried again", backlogWorkers, thousands(backlogLimit)),
		fmt.Sprintf("| a call of the store for a loop | %d s |", int(backendTimeout.Seconds())),
	} {
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/limits.md should hold %q", row)
		}
	}
}
