package main

import (
	"sync"
	"testing"
	"weak"
)

func TestMemoryIsGivenBackOnceAfterAStorm(t *testing.T) {
	var m memoryWatch
	for i, look := range []struct {
		accepted uint64
		conns    int64
		due      bool
	}{
		{0, 0, false},
		{500, 500, false},       // too few to care
		{8_000, 8_000, false},   // the storm
		{15_000, 15_000, false}, // still
		{15_100, 15_000, true},  // calm
		{15_150, 15_000, false}, // once
		{16_090, 15_000, false}, // a trickle adds up,
		{16_190, 15_000, true},  // and counts in the end
		{20_000, 100, false},    // they reconnect all the time: never calm
		{21_300, 100, false},
	} {
		if got := m.due(look.accepted, look.conns); got != look.due {
			t.Errorf("look %d (%d accepted, %d connected): due %v, want %v", i, look.accepted, look.conns, got, look.due)
		}
	}
}

// What a storm of incomplete frames left in pools is given back too.
func TestMemoryOfPoolsIsGivenBack(t *testing.T) {
	var pool sync.Pool
	buffer := new([1 << 16]byte)
	left := weak.Make(buffer)
	pool.Put(buffer)
	buffer = nil
	giveMemoryBack()
	if left.Value() != nil {
		t.Error("a buffer in a pool is still there")
	}
	pool.Put(buffer) // keeps the pool until here
}
