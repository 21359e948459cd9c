package peer

import (
	"maps"
	"sync/atomic"
)

// counters are those of a Client.
type counters struct {
	requests, failed, bytes        atomic.Uint64
	pushes, broadcasts, overloaded atomic.Uint64
	kicksLeft                      atomic.Uint64
}

// Stats is what a Client has done since it was made, and its state now.
type Stats struct {
	Requests   uint64 // sent
	Failed     uint64 // and not answered as they should have been
	Bytes      uint64 // of the batches sent
	Pushes     uint64 // messages to one receiver each
	Broadcasts uint64 // messages to everyone, once per server
	Overloaded uint64 // messages and questions refused because too much waited
	KicksLeft  uint64 // sessions to end that were left to their server's sweep because too many were to be repeated
	Queued     int64  // bytes that wait or are under way now
	Servers    int    // known now
	Down       int    // of them, those that are not asked because they have failed
}

// Stats may be called at any time.
func (c *Client) Stats() Stats {
	n := &c.counters
	s := Stats{
		Requests: n.requests.Load(), Failed: n.failed.Load(), Bytes: n.bytes.Load(), Pushes: n.pushes.Load(),
		Broadcasts: n.broadcasts.Load(), Overloaded: n.overloaded.Load(), KicksLeft: n.kicksLeft.Load(), Queued: c.queued.Load(),
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	s.Servers = len(c.targets)
	for _, t := range c.targets {
		if t.down.Load() {
			s.Down++
		}
	}
	return s
}

// refusal is why an Ingress did not take a request.
type refusal uint8

const (
	refusedSize refusal = iota
	refusedUnsigned
	refusedClock
	refusedSignature
	refusedFormat
	refusedInstance
	refusals
)

var refusalNames = [refusals]string{"too_large", "unsigned", "clock", "signature", "format", "wrong_instance"}

type ingressCounters struct {
	requests, pushes, broadcasts, asks atomic.Uint64
	refused                            [refusals]atomic.Uint64
}

// IngressStats is what an Ingress has taken since it was made.
type IngressStats struct {
	Requests   uint64
	Pushes     uint64
	Broadcasts uint64
	Asks       uint64
	Refused    map[string]uint64 // requests, by reason
}

// Stats may be called at any time.
func (g *Ingress) Stats() IngressStats {
	n := &g.counters
	s := IngressStats{
		Requests: n.requests.Load(), Pushes: n.pushes.Load(), Broadcasts: n.broadcasts.Load(), Asks: n.asks.Load(),
		Refused: make(map[string]uint64, refusals),
	}
	maps.Insert(s.Refused, func(yield func(string, uint64) bool) {
		for i, name := range refusalNames {
			if !yield(name, n.refused[i].Load()) {
				return
			}
		}
	})
	return s
}
