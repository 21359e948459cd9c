package netcore

import (
	"testing"
	"unsafe"

	"cim/netcore/frame"
)

// TestSessionStaysInItsSizeClass guards what an idle connection costs. The allocator rounds up to its size
// classes (runtime/sizeclasses.go): one field more may cost 32 bytes a session.
func TestSessionStaysInItsSizeClass(t *testing.T) {
	const class = 176
	if got := unsafe.Sizeof(session{}); got > class {
		t.Errorf("a session takes %d bytes, over its class of %d", got, class)
	}
}

func TestHeartbeatAllocatesNothing(t *testing.T) {
	r := newRig(t, newFakeBackend())
	c := r.join(plainHello(1))
	c.mute = true
	if n := testing.AllocsPerRun(1000, func() { r.feed(c, frame.Ping) }); n != 0 {
		t.Errorf("%g allocations for a heartbeat", n)
	}
	if c.session().out != nil || len(r.boxes) != 1 {
		t.Error("an idle session keeps a buffer")
	}
}

func TestPushAndBroadcastAllocateNothingOnTheLoop(t *testing.T) {
	r := newRig(t, newFakeBackend())
	c := r.join(plainHello(1))
	c.mute = true
	task := pushTask{Push: Push{User: 1, Cursor: Cursor{LogEpoch: 1}, Body: body("x")}, slot: c.session().slot}
	if n := testing.AllocsPerRun(1000, func() { r.pushNext(&task) }); n != 0 {
		t.Errorf("%g allocations for a stored message", n)
	}
	m := &broadcastTask{Broadcast: everyone("x")}
	if n := testing.AllocsPerRun(1000, func() { r.castNow(m) }); n != 0 {
		t.Errorf("%g allocations for a message to everyone", n)
	}
}

// pushNext runs a task with the next seq, as a round does.
func (r *rig) pushNext(t *pushTask) {
	t.Seq++
	t.run(r.loop)
	r.flushAll()
}

// castNow walks over all sessions with one message.
func (r *rig) castNow(m *broadcastTask) {
	m.run(r.loop)
	for r.walk() {
		r.flushAll()
	}
	r.flushAll()
}
