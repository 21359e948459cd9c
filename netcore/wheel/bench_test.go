package wheel

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

const million = 1_000_000

// armedMillion is a million entries in a block, armed over the next spread ticks. Seed 1.
func armedMillion(w *Wheel[node, *node], spread int64) []node {
	all := make([]node, million)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range all {
		w.Arm(&all[i], 1+random.Int64N(spread))
	}
	return all
}

// BenchmarkTick is one tick of a million entries that are armed again when they fire.
func BenchmarkTick(b *testing.B) {
	for name, timeout := range map[string]int64{
		"idle timeout of 90 ticks":       90,
		"one turn":                       DefaultSlots,
		"ten turns, looked at ten times": 10 * DefaultSlots,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := New[node](DefaultSlots)
			armedMillion(w, timeout)
			now, fires := int64(0), 0
			for b.Loop() {
				now++
				w.Advance(now, func(n *node) {
					fires++
					w.Arm(n, now+timeout)
				})
			}
			entry := float64(reflect.TypeFor[Entry[node]]().Size())
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/tick")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(fires, 1)), "ns/fire")
			b.ReportMetric(entry+float64(8*DefaultSlots)/million, "B/entry")
		})
	}
}

// BenchmarkArm moves the deadline of random entries among a million.
func BenchmarkArm(b *testing.B) {
	b.ReportAllocs()
	w := New[node](DefaultSlots)
	all := armedMillion(w, DefaultSlots)
	random := rand.New(rand.NewPCG(2, 2))
	for b.Loop() {
		w.Arm(&all[random.IntN(million)], 1+random.Int64N(DefaultSlots))
	}
}

// BenchmarkCancel drops and sets the deadline of random entries among a million.
func BenchmarkCancel(b *testing.B) {
	b.ReportAllocs()
	w := New[node](DefaultSlots)
	all := armedMillion(w, DefaultSlots)
	random := rand.New(rand.NewPCG(3, 3))
	for b.Loop() {
		n := &all[random.IntN(million)]
		w.Cancel(n)
		w.Arm(n, 90)
	}
}

// BenchmarkEmptyTick is a tick with nothing to do.
func BenchmarkEmptyTick(b *testing.B) {
	b.ReportAllocs()
	w := New[node](DefaultSlots)
	now := int64(0)
	for b.Loop() {
		now++
		w.Advance(now, func(*node) {})
	}
}
