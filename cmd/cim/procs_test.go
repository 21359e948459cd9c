package main

import (
	"runtime"
	"strconv"
	"testing"
)

// psAtStart is before any test of this process has started a server.
var psAtStart = runtime.GOMAXPROCS(0)

func TestOnePMoreThanLoops(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	for _, tc := range []struct {
		wanted string
		more   int
	}{{"", 1}, {strconv.Itoa(before), 0}} {
		loops := spareP(tc.wanted)
		if got := runtime.GOMAXPROCS(before); loops != before || got != loops+tc.more {
			t.Errorf("GOMAXPROCS=%q: %d loops and %d Ps, where there were %d", tc.wanted, loops, got, before)
		}
	}
}

func TestUpHasOnePMoreThanLoops(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // as a service manager leaves it
	side := freeAddr(t)
	p := startProcess(t, "up", "--listen", freeAddr(t), "--http", freeAddr(t), "--data", ":memory:", "--metrics", side)
	p.waitLine("is up")
	got := (&clusterProcess{process: p, side: side}).metric("go_sched_gomaxprocs_threads")
	if want := psAtStart + 1; int(got) != want {
		t.Errorf("%v Ps, want %d", got, want)
	}
}
