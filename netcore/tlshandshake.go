package netcore

import (
	"crypto/tls"
	"net"
	"sync"
)

// handshake is a TLS handshake under way. It has a goroutine, for crypto/tls cannot leave a handshake and
// come back to it; the goroutine ends with the handshake. At most handshakeLimit exist at a time, and only
// handshakeWorkers of them compute: one that waits for its peer lets another go on.
type handshake struct {
	// immutable after newHandshake
	t       *tlsConn
	session *session
	wakeCh  chan struct{} // holds one token while in or aborted may have changed

	// the handshake's goroutine
	out []byte // records to send

	mu      sync.Mutex
	in      []byte // records that have come
	aborted bool   // the connection is gone
}

// beginHandshake starts the handshake when the ClientHello is there, and reports whether it did. A peer that
// dribbles it, or speaks something else, costs no goroutine.
func (l *loop) beginHandshake(s *session, t *tlsConn) bool {
	arrived := t.below().InboundBuffered()
	if arrived == 0 {
		return false
	}
	first, err := t.below().Peek(1)
	const typeHandshake = 22
	if err != nil || first[0] != typeHandshake {
		l.finish(s, reasonBadTLS)
		return false
	}
	if _, whole := t.wholeRecord(); !whole {
		l.park(s, arrived)
		return false
	}
	running := l.srv.handshakes.Add(1)
	if running > handshakeLimit {
		l.srv.handshakes.Add(-1)
		l.finish(s, reasonTLSBusy)
		return false
	}
	if running > handshakeLimit/2 {
		l.wheel.Arm(s, l.now+l.srv.cfg.ticks(min(hastyLoginTimeout, l.srv.cfg.LoginTimeout)))
	}
	h := &handshake{t: t, session: s, wakeCh: make(chan struct{}, 1)}
	t.handshake, t.tls = h, tls.Server(&t.link, l.srv.cfg.TLS)
	l.srv.wg.Go(h.run)
	return true
}

// feedHandshake hands whole records to the handshake.
func (l *loop) feedHandshake(s *session, t *tlsConn) {
	h := t.handshake
	for {
		size, whole := t.wholeRecord()
		if !whole {
			break
		}
		record := make([]byte, size)
		if _, err := t.below().Read(record); err != nil {
			break
		}
		h.feed(record)
	}
	waiting := h.waiting()
	if waiting > handshakeBytes {
		l.finish(s, reasonBadTLS)
		return
	}
	l.park(s, waiting+t.below().InboundBuffered())
}

// feed must run on the session's loop.
func (h *handshake) feed(b []byte) {
	h.mu.Lock()
	h.in = append(h.in, b...)
	h.mu.Unlock()
	h.wake()
}

// waiting is how many bytes the handshake has not read.
func (h *handshake) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.in)
}

// abort ends the handshake of a connection that is gone.
func (h *handshake) abort() {
	h.mu.Lock()
	h.aborted = true
	h.mu.Unlock()
	h.wake()
}

func (h *handshake) wake() {
	select {
	case h.wakeCh <- struct{}{}:
	default:
	}
}

// read is crypto/tls's: it waits for records, and lets go of its place among those that compute meanwhile.
func (h *handshake) read(p []byte) (int, error) {
	for {
		n, aborted := h.take(p)
		switch {
		case aborted:
			return 0, net.ErrClosed
		case n > 0:
			return n, nil
		}
		h.post(false, nil)
		srv := h.t.loop.srv
		<-srv.handshakeSlots
		<-h.wakeCh
		srv.handshakeSlots <- struct{}{}
	}
}

func (h *handshake) take(p []byte) (n int, aborted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = copy(p, h.in)
	if h.in = h.in[n:]; len(h.in) == 0 {
		h.in = nil
	}
	return n, h.aborted
}

// run is the handshake's goroutine.
func (h *handshake) run() {
	srv := h.t.loop.srv
	srv.handshakeSlots <- struct{}{}
	err := h.t.tls.Handshake()
	<-srv.handshakeSlots
	srv.handshakes.Add(-1)
	h.post(true, err)
}

// post brings the loop what is to be sent, and how it went.
func (h *handshake) post(done bool, err error) {
	if len(h.out) > 0 || done {
		h.t.loop.door.postAnswer(&handshakeAnswer{h, h.out, done, err})
		h.out = nil
	}
}

// handshakeAnswer is a handshake's word at the door of its loop.
type handshakeAnswer struct {
	*handshake
	out  []byte
	done bool
	err  error
}

func (a *handshakeAnswer) run(l *loop) {
	s, t := a.session, a.t
	if s.state >= stateClosing {
		return
	}
	if len(a.out) > 0 {
		l.counters.writes.Add(1)
		l.counters.bytesOut.Add(uint64(len(a.out)))
		if _, err := t.below().Write(a.out); err != nil || s.state == stateClosed {
			return
		}
	}
	switch {
	case !a.done:
	case a.err != nil:
		l.finish(s, reasonBadTLS)
	default:
		t.early, t.handshake = a.in, nil // its goroutine has ended, so nobody else has it
		l.readTLS(s, t)
	}
}
