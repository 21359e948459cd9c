package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"cim/netcore"
)

// When memory is given back; see docs/decisions/0004.
const (
	memoryInterval = 15 * time.Second // between two looks
	stormLogins    = 1000             // so many connections leave enough behind to be worth a collection
	calmFraction   = 100              // calm: fewer than a hundredth of the connections came since the last look
)

// monitorMemory gives back what a storm of logins left behind: the collector lets the heap grow to twice
// what it needs during the storm and keeps the pages, and idle connections never make it look again.
func (n *node) monitorMemory(ctx context.Context, server *netcore.Server) {
	t := time.NewTicker(memoryInterval)
	defer t.Stop()
	var m memoryWatch
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if n.gate != nil {
				n.gate.Expire()
			}
			s := server.Stats()
			if m.due(s.Accepted, s.Conns) {
				begin := time.Now()
				giveMemoryBack()
				n.log.Debug("memory given back after logins", "connections", s.Conns, "took", time.Since(begin))
			}
		}
	}
}

// giveMemoryBack collects twice: buffers in a sync.Pool, as gnet keeps those of incomplete frames, survive one
// collection.
func giveMemoryBack() {
	runtime.GC()
	debug.FreeOSMemory()
}

// memoryWatch decides when a storm is over.
type memoryWatch struct {
	last  uint64 // accepted connections at the last look
	freed uint64 // and when memory was last given back
}

// due reports whether memory should be given back now.
func (m *memoryWatch) due(accepted uint64, conns int64) bool {
	came := accepted - m.last
	m.last = accepted
	if accepted-m.freed < stormLogins || came > uint64(conns/calmFraction) {
		return false
	}
	m.freed = accepted
	return true
}
