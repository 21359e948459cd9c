package netcore

import (
	"fmt"
	"testing"
	"unsafe"

	"cim/netcore/frame"
)

// The benchmarks have a loop without an engine: what they measure is this package, not the kernel.

// BenchmarkPing is a heartbeat from the bytes to the answer's Write.
func BenchmarkPing(b *testing.B) {
	b.ReportAllocs()
	r := newRig(b, newFakeBackend())
	c := r.join(plainHello(1))
	c.mute = true
	for b.Loop() {
		r.feed(c, frame.Ping)
	}
	b.ReportMetric(float64(unsafe.Sizeof(session{})), "B/session")
}

// BenchmarkPushStored is the next message of an inbox, from the task to the Write.
func BenchmarkPushStored(b *testing.B) {
	b.ReportAllocs()
	r := newRig(b, newFakeBackend())
	c := r.join(plainHello(1))
	c.mute = true
	task := pushTask{Push: Push{User: 1, Cursor: Cursor{LogEpoch: 1}, Body: body("a message of about this length")}, slot: c.session().slot}
	for b.Loop() {
		r.pushNext(&task)
	}
}

// BenchmarkPushThroughTheDoor is the same from Server.Push, which is another goroutine's, 100 in a call.
func BenchmarkPushThroughTheDoor(b *testing.B) {
	b.ReportAllocs()
	r := newRig(b, newFakeBackend())
	r.join(plainHello(1)).mute = true
	pushes := make([]Push, 100)
	seq := uint64(0)
	for b.Loop() {
		for i := range pushes {
			seq++
			pushes[i] = Push{User: 1, Cursor: Cursor{1, seq}, Body: []byte("body")}
		}
		if _, err := r.srv.Push(b.Context(), pushes); err != nil {
			b.Fatal(err)
		}
		r.round()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(seq), "ns/push")
}

// BenchmarkBroadcast walks over 10,000 sessions with one message, and with 16 that came together.
func BenchmarkBroadcast(b *testing.B) {
	const sessions = 10_000
	r := newRig(b, newFakeBackend(), func(c *Config) { c.MaxConns = 2 * sessions })
	for n := range int64(sessions) {
		r.join(plainHello(n + 1)).mute = true
	}
	m := &broadcastTask{Broadcast: everyone("a message of about this length")}
	for _, together := range []int{1, 16} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range together - 1 {
					m.run(r.loop)
				}
				r.castNow(m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sessions*together), "ns/message")
		})
	}
}
