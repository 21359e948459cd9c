package netcore

import (
	"github.com/panjf2000/gnet/v2"

	"cim/netcore/wheel"
)

// state is how far a session has come.
type state uint8

const (
	stateNew      state = iota // no LOGIN yet
	stateClaiming              // LOGIN was read; what follows waits
	stateOpen
	stateClosing // to be closed when the loop has finished with it; nothing more is read
	stateClosed
)

// session is one connection. All of it belongs to the connection's loop. An idle session owns no buffer,
// no goroutine and no timer of its own: its size and gnet's connection are all that it costs.
type session struct {
	conn   gnet.Conn
	timer  wheel.Entry[session]
	out    *outbox // what this round writes; nil between rounds
	name   string
	device string
	user   int64
	epoch  uint64

	// The inbox, as far as this session is concerned.
	logEpoch uint64
	pushed   uint64 // last seq written
	acked    uint64 // last seq known to be handled

	sends    bucket
	everyone bucket

	parked       uint32 // bytes of an incomplete frame that wait in gnet's buffer
	needed       uint32 // bytes that the next frame takes; 0: not known
	lastSeen     uint32 // tick of the last complete frame
	idleTicks    uint32
	partialSince uint32 // tick of the first byte of the incomplete frame; 0: there is none
	slot         uint32
	broadcasts   uint32 // number of the last broadcast seen
	inFlight     uint16 // SENDs without a SENT

	state    state
	reason   Reason // why it is being closed
	hello    bool
	isDevice bool
	draining bool // CIM: what waited at LOGIN goes before anything else
	behind   bool // the inbox holds what was not written
	reading  bool // the inbox is being read
	again    bool // more came while reading
	waiting  bool // listed in loop.waiting
	replaced bool // somebody else's claim ended it, so there is nothing to release
}

// Timer lets the loop's wheel keep the session.
func (s *session) Timer() *wheel.Entry[session] { return &s.timer }

// queued is how many bytes wait for the connection. Must run on the session's loop.
func (s *session) queued() int {
	n := s.conn.OutboundBuffered()
	if s.out != nil {
		n += len(s.out.b)
	}
	return n
}

// bucket is a token bucket that is filled when it is looked at. The zero bucket is full.
type bucket struct {
	spent  float32
	atTick uint32
}

// take spends one token if there is one. perTick is how many come in a tick.
func (b *bucket) take(now uint32, perTick, burst float32) bool {
	b.spent = max(0, b.spent-float32(now-b.atTick)*perTick)
	b.atTick = now
	if b.spent+1 > burst {
		return false
	}
	b.spent++
	return true
}

// outbox gathers what one round writes to one connection.
type outbox struct{ b []byte }
