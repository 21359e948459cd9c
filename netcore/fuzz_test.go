package netcore

import (
	"slices"
	"testing"
)

// FuzzSession has a session say anything, in pieces of any size, after LOGIN or instead of it.
func FuzzSession(f *testing.F) {
	f.Add(stream(), uint8(3), true, true)
	f.Add(plainHello(1), uint8(1), false, true)
	f.Add(slices.Concat(bareLogin(2), cimPing(), cimPing()), uint8(7), false, true)
	f.Add(slices.Concat(ackFrame(1, 9), syncFrame(1, 3), syncFrame(0, 0), raw(0x0a, 0xff)), uint8(50), true, false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(200), false, false)
	f.Fuzz(func(t *testing.T, said []byte, piece uint8, loggedIn, hello bool) {
		b := newFakeBackend()
		b.store(1, "a", "b")
		r := newRig(t, b, allowCIM, func(c *Config) { c.MaxFrame = 500 })
		c := r.visitor(loggedIn, hello)
		for part := range slices.Chunk(said, int(piece)+1) {
			if c.closed {
				break
			}
			r.feed(c, part)
			r.round()
			checkLoop(t, r)
		}
		_ = r.events.Close(c)
		checkLoop(t, r)
		if r.parked != 0 || r.srv.conns.Load() != 0 || r.srv.pending.Load() != 0 {
			t.Errorf("left over: %d bytes, %d connections, %d logins", r.parked, r.srv.conns.Load(), r.srv.pending.Load())
		}
	})
}

// visitor is a connection that may have logged in, by either LOGIN.
func (r *rig) visitor(loggedIn, hello bool) *stubConn {
	switch {
	case !loggedIn:
		return r.open()
	case hello:
		return r.join(plainHello(1))
	}
	return r.join(bareLogin(1))
}

// checkLoop looks at what must hold between two rounds.
func checkLoop(t *testing.T, r *rig) {
	t.Helper()
	parked, open := 0, 0
	for _, s := range r.sessions {
		if s == nil {
			continue
		}
		open++
		if parked += int(s.parked); s.out != nil {
			t.Error("a session keeps a buffer after the round")
		}
		if s.state >= stateClosing {
			t.Error("a session is closing after the round")
		}
	}
	if parked != r.parked || open != int(r.counters.conns.Load()) || len(r.dirty) != 0 {
		t.Errorf("%d bytes and %d connections, counted %d and %d", parked, open, r.parked, r.counters.conns.Load())
	}
	if r.parked > 500+maxLengthBytes {
		t.Errorf("%d bytes are parked", r.parked)
	}
	for _, s := range r.waiting {
		if s.state != stateOpen && s.state != stateClosed {
			t.Error("a session waits that is neither open nor closed")
		}
	}
}
