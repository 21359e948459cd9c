package netcore

import (
	"slices"
	"strings"
	"testing"

	cimpb "cim/proto"
)

// narrow makes the limits small; what the kernel holds of a connection that is not read comes on top.
func narrow(c *Config) { c.SoftOutbound, c.HardOutbound = 64<<10, 1<<20 }

// fill pushes QoS 0 messages until the answer is another than PushWritten, and returns how many were written.
func fill(t *testing.T, s *Server, user int64, text string) (written int, last PushResult) {
	t.Helper()
	for range 10_000 {
		if last = push(t, s, Push{User: user, Body: body(text)}); last != PushWritten {
			return written, last
		}
		written++
	}
	t.Fatal("the connection takes everything")
	return 0, 0
}

func TestSlowReader(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, narrow)
	c := join(t, s, 1)
	filler := strings.Repeat("x", 20<<10)
	written, last := fill(t, s, 1, filler)
	if last != PushSlow || s.Stats().Dropped["slow"] != 1 {
		t.Fatalf("answered %d, dropped %v", last, s.Stats().Dropped)
	}
	give(t, s, b, 1, "a", "b")
	if n, err := s.Broadcast(Broadcast{Body: body("everyone")}); n != 1 || err != nil {
		t.Errorf("broadcast to %d, %v", n, err)
	}
	eventually(t, "the message to everyone is dropped", func() bool { return s.Stats().Dropped["broadcast_slow"] == 1 })
	for range written {
		c.expectTexts(filler)
	}
	c.expectTexts("a", "b")
	c.sync()
	give(t, s, b, 1, "c")
	c.expectTexts("c")
}

func TestSlowReaderIsClosedAtTheHardLimit(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.SoftOutbound, c.HardOutbound = 64<<10, 64<<10 })
	join(t, s, 1)
	if _, last := fill(t, s, 1, strings.Repeat("x", 60<<10)); last != PushAbsent {
		t.Errorf("answered %d", last)
	}
	expectReason(t, s, reasonSlowReader, 1)
	if ref := receive(t, b.releasedCh, "the release"); ref != (SessionRef{1, 1}) {
		t.Errorf("released %+v", ref)
	}
}

func TestStoredWaitsWhileTheConnectionIsFull(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	c.stuck = r.srv.cfg.SoftOutbound + 1
	for _, text := range numbers(1, 3) {
		(&pushTask{Push: Push{User: 1, Cursor: b.store(1, text), Body: body(text)}, slot: c.session().slot}).run(r.loop)
	}
	if b.reads.Load() != 0 || len(c.out) > 0 || !c.session().waiting {
		t.Error("the inbox is read for a connection that is full")
	}
	c.stuck = 0
	r.until("the session looks again", func() bool { return !c.session().behind })
	if got := c.texts(t); !slices.Equal(got, numbers(1, 3)) {
		t.Errorf("wrote %v", got)
	}
}

// TestPageIsWrittenAsFarAsItFits has a page over the soft limit: the rest of it waits.
func TestPageIsWrittenAsFarAsItFits(t *testing.T) {
	b := newFakeBackend()
	long := strings.Repeat("x", 1000)
	b.store(1, long, long, long, long)
	r := newRig(t, b, func(c *Config) { c.SoftOutbound, c.HardOutbound = 1500, 10_000 })
	c := r.behind(b)
	if n := len(c.texts(t)); n != 2 || c.session().pushed != 2 {
		t.Errorf("wrote %d, up to %d", n, c.session().pushed)
	}
	r.until("the rest", func() bool { return !c.session().behind })
	if n := len(c.texts(t)); n != 2 {
		t.Errorf("then wrote %d", n)
	}
}

func TestWriteThatFailsEndsTheSessionOnce(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	c.writeErr = errBroken
	r.feed(c, slices.Concat(stream(), stream()))
	if !c.closed || c.session().state != stateClosed || c.writes != 1 {
		t.Errorf("closed %v, state %d after %d writes", c.closed, c.session().state, c.writes)
	}
	r.until("the answers to what was sent", func() bool { return len(b.sentCh) == 4 && r.door.waiting() == 0 })
	receive(t, b.releasedCh, "the release")
	if n := r.counters.closed[reasonClient].Load(); n != 1 || r.srv.conns.Load() != 0 || c.writes != 1 {
		t.Errorf("counted %d times, %d connections, %d writes", n, r.srv.conns.Load(), c.writes)
	}
}

func TestWriteOverTheHardLimitClosesWithoutAWord(t *testing.T) {
	r := newRig(t, newFakeBackend())
	c := r.join(plainHello(1))
	c.stuck = r.srv.cfg.HardOutbound + 1
	r.feed(c, stream()[:3])
	if f := c.frames(t); !c.closed || c.session().reason != reasonSlowReader || len(f) != 1 || f[0].GetCmd() != cimpb.Command_PING {
		t.Errorf("closed %v for %s, told %v", c.closed, c.session().reason, f)
	}
}
