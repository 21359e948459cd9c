package netcore

import (
	"slices"
	"testing"

	"cim/netcore/frame"
)

func ackFrame(epoch, seq uint64) []byte {
	return frame.AppendAck(nil, frame.Cursor{LogEpoch: epoch, Seq: seq})
}

func syncFrame(epoch, seq uint64) []byte {
	return frame.AppendSync(nil, frame.Cursor{LogEpoch: epoch, Seq: seq})
}

// reader is a session that was sent m1 to m5 and has acknowledged two.
func reader(t *testing.T, b *fakeBackend) (*rig, *stubConn) {
	t.Helper()
	b.store(1, numbers(1, 5)...)
	b.change(1, func(box *fakeInbox) { box.acked = 2 })
	r := newRig(t, b)
	c := r.join(plainHello(1))
	r.until("the inbox is written", func() bool { return !c.session().behind })
	if got := c.texts(t); !slices.Equal(got, numbers(3, 5)) {
		t.Fatalf("wrote %v", got)
	}
	return r, c
}

func TestAcks(t *testing.T) {
	cases := []struct {
		name   string
		acks   [][]byte
		passed []Ack
		reads  int64
	}{
		{"next", [][]byte{ackFrame(1, 3)}, []Ack{{1, Cursor{1, 3}}}, 0},
		{"cumulative", [][]byte{ackFrame(1, 5)}, []Ack{{1, Cursor{1, 5}}}, 0},
		{"one after the other", [][]byte{ackFrame(1, 3), ackFrame(1, 4)}, []Ack{{1, Cursor{1, 3}}, {1, Cursor{1, 4}}}, 0},
		{"repeated", [][]byte{ackFrame(1, 4), ackFrame(1, 4)}, []Ack{{1, Cursor{1, 4}}}, 0},
		{"stale", [][]byte{ackFrame(1, 2), ackFrame(1, 1)}, nil, 0},
		{"other log epoch", [][]byte{ackFrame(2, 4), ackFrame(0, 4)}, nil, 0},
		{"beyond what was written", [][]byte{ackFrame(1, 9)}, []Ack{{1, Cursor{1, 9}}}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newFakeBackend()
			r, peer := reader(t, b)
			before := b.reads.Load()
			for _, a := range c.acks {
				r.feed(peer, a)
			}
			for _, want := range c.passed {
				if got := receive(t, b.ackedCh, "the ACK"); got != want {
					t.Errorf("passed on %+v, want %+v", got, want)
				}
			}
			if c.reads > 0 {
				r.read1(b, before+c.reads)
			}
			if got := b.reads.Load() - before; got != c.reads {
				t.Errorf("%d reads of the inbox, want %d", got, c.reads)
			}
			r.srv.acks.close(t.Context())
			nothing(t, b.ackedCh, "one more was passed on")
		})
	}
}

func TestAckThatFindsNoRoomIsCoveredByTheNext(t *testing.T) {
	b := newFakeBackend()
	r, c := reader(t, b)
	shorten(r.srv.acks, 0)
	r.feed(c, ackFrame(1, 3))
	if n := r.counters.dropped[dropAck].Load(); n != 1 {
		t.Errorf("%d drops are counted", n)
	}
	shorten(r.srv.acks, 1)
	r.feed(c, ackFrame(1, 3)) // not stale: the first one went nowhere
	if got := receive(t, b.ackedCh, "the ACK"); got != (Ack{1, Cursor{1, 3}}) {
		t.Errorf("passed on %+v", got)
	}
}

func TestSyncRewinds(t *testing.T) {
	cases := []struct {
		name string
		sync []byte
		want []string
	}{
		{"after what is acknowledged", syncFrame(1, 2), numbers(3, 5)},
		{"after a later message", syncFrame(1, 4), numbers(5, 5)},
		{"before what is acknowledged", syncFrame(1, 1), numbers(3, 5)},
		{"other log epoch", syncFrame(7, 5), numbers(3, 5)},
		{"nowhere", syncFrame(0, 0), numbers(3, 5)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newFakeBackend()
			r, peer := reader(t, b)
			r.feed(peer, c.sync)
			r.until("the inbox is written", func() bool { return !peer.session().behind })
			if got := peer.texts(t); !slices.Equal(got, c.want) {
				t.Errorf("wrote %v, want %v", got, c.want)
			}
		})
	}
}

// TestSyncWhileReading has a page on its way that begins where the session no longer is.
func TestSyncWhileReading(t *testing.T) {
	b := newFakeBackend()
	r, c := reader(t, b)
	b.store(1, "m6")
	c.session().behind = true
	r.catchUp(c.session())     // reads after 5
	r.feed(c, syncFrame(1, 3)) // and the client wants to go on after 3
	r.until("the inbox is written", func() bool { return !c.session().behind })
	if got := c.texts(t); !slices.Equal(got, numbers(4, 6)) {
		t.Errorf("wrote %v", got)
	}
}
