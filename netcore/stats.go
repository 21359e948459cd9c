package netcore

import (
	"sync/atomic"

	cimpb "cim/proto"
)

// Drop is why a message was not delivered or a frame was not heeded, as the counters show it.
type Drop uint8

const (
	dropSlow          Drop = iota // QoS 0 for a connection over the soft limit
	dropAbsent                    // QoS 0 for a user without a session here
	dropDoorFull                  // QoS 0 for a loop with too many tasks
	dropBroadcastFull             // a message to everyone while too many wait
	dropBroadcastSlow             // a message to everyone for a connection over the soft limit
	dropReserved                  // a message to everyone for a reservation that holds too many
	dropUnknownFrame              // a command that the server does not take
	dropAck                       // an ACK while too many wait; the next one covers it
	dropRelease                   // a release while too many wait
	dropCount
)

var dropNames = [dropCount]string{
	"slow", "absent", "door_full", "broadcast_full", "broadcast_slow", "reserved_full", "unknown_frame",
	"ack_lane_full", "release_lane_full",
}

// String is the name that metrics use.
func (d Drop) String() string { return dropNames[d] }

// requestCodes bounds the codes that answer one request; see cimpb.Code.
const requestCodes = 100

// refusedSend counts a SEND that went nowhere. A code that is not a request's counts as internal.
func (c *counters) refusedSend(code cimpb.Code) {
	if code >= requestCodes {
		code = cimpb.CodeInternal
	}
	c.refusedSends[code].Add(1)
}

// counters are written by one loop, mostly, and read by whoever asks. One set per loop keeps the cores
// off each other's cache lines.
type counters struct {
	accepted, framesIn, messagesOut, pings, writes, bytesOut, sends, acks atomic.Uint64
	broadcasts, backlogReads, rounds, moved                               atomic.Uint64
	closed                                                                [reasonCount]atomic.Uint64
	dropped                                                               [dropCount]atomic.Uint64
	refusedSends                                                          [requestCodes]atomic.Uint64 // by code
	conns, people, devices                                                atomic.Int64
	awaited                                                               atomic.Int64 // logins with hello under way
	_                                                                     [64]byte
}

// Stats is a snapshot of a Server's counters, summed over its loops.
type Stats struct {
	Conns      int64 // open connections, logged in or not
	Sessions   int64 // logged in
	Capacity   int64
	Handshakes int64 // of TLS, under way
	// Monotonic counters since Start.
	Accepted, FramesIn, MessagesOut, Pings, Writes, BytesOut uint64
	Sends, Acks, Broadcasts, BacklogReads                    uint64
	Rounds                                                   uint64            // rounds of a loop that its door woke
	Closed                                                   map[string]uint64 // by Reason
	Dropped                                                  map[string]uint64 // by Drop
	RefusedSends                                             map[string]uint64 // by the name of the code that was answered; only those that occurred
	Moved                                                    uint64            // sessions that were sent to another server
	SweepTurns                                               uint64            // times that all sessions of a loop were looked at
	Renewed                                                  map[string]uint64 // sessions looked at, by RenewState
	Admissions                                               map[string]uint64 // answers of Expect, by Admission
	Expected                                                 int64             // users who were given a place and have not come yet
	Loops                                                    []LoopStats
}

// LoopStats tells one loop from another.
type LoopStats struct {
	Conns  int64
	Queued int // tasks at the door: a loop that cannot keep up shows here
}

// Stats reads all counters. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	st := Stats{
		Capacity: int64(s.cfg.MaxConns), Handshakes: s.handshakes.Load(), Expected: int64(s.Expected()),
		Closed: map[string]uint64{}, Dropped: map[string]uint64{}, RefusedSends: map[string]uint64{}, Admissions: map[string]uint64{},
	}
	for a := range admissionCount {
		st.Admissions[a.String()] = s.admission.outcomes[a].Load()
	}
	st.Renewed = map[string]uint64{}
	for _, l := range s.loops {
		c := &l.counters
		st.Conns += c.conns.Load()
		st.Sessions += c.people.Load() + c.devices.Load()
		st.Accepted += c.accepted.Load()
		st.FramesIn += c.framesIn.Load()
		st.MessagesOut += c.messagesOut.Load()
		st.Pings += c.pings.Load()
		st.Writes += c.writes.Load()
		st.BytesOut += c.bytesOut.Load()
		st.Sends += c.sends.Load()
		for code := range c.refusedSends {
			if n := c.refusedSends[code].Load(); n > 0 {
				st.RefusedSends[cimpb.Code(code).String()] += n
			}
		}
		st.Acks += c.acks.Load()
		st.Broadcasts += c.broadcasts.Load()
		st.BacklogReads += c.backlogReads.Load()
		st.Rounds += c.rounds.Load()
		st.Moved += c.moved.Load()
		st.SweepTurns += l.sweeper.turns.Load()
		for r := range renewCount {
			st.Renewed[r.String()] += l.sweeper.renewed[r].Load()
		}
		for r := range reasonCount {
			st.Closed[r.String()] += c.closed[r].Load()
		}
		for d := range dropCount {
			st.Dropped[d.String()] += c.dropped[d].Load()
		}
		st.Loops = append(st.Loops, LoopStats{Conns: c.conns.Load(), Queued: l.door.waiting()})
	}
	return st
}
