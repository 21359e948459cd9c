package route

import "sync/atomic"

// askCounts are the counters behind AskStats.
type askCounts struct {
	outages, pushes                             atomic.Uint64
	written, slow, offline, unknown, overloaded atomic.Uint64
}

// AskStats says what was done without the Directory, since the Router was made.
type AskStats struct {
	Away    bool   // the Directory does not answer now
	Outages uint64 // times that it began not to
	Pushes  uint64 // to servers that may not have had the receiver
	// Outcomes are the messages whose receivers were asked for: written, slow, offline, unknown and overloaded.
	Outcomes map[string]uint64
}

// AskStats may be called at any time.
func (r *Router) AskStats() AskStats {
	c := &r.outage.counts
	return AskStats{
		Away: r.outage.lasting.Load(), Outages: c.outages.Load(), Pushes: c.pushes.Load(),
		Outcomes: map[string]uint64{
			"written": c.written.Load(), "slow": c.slow.Load(), "offline": c.offline.Load(),
			"unknown": c.unknown.Load(), "overloaded": c.overloaded.Load(),
		},
	}
}
