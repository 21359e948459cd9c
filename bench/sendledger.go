package bench

import (
	"time"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// flow is the books of the messages from one user to another, from the oldest that is not settled: one is settled
// when it has arrived and its SENT has come, or when it was refused. Ids are consecutive.
type flow struct {
	window  []flowMessage
	first   uint64              // id of the first message; lower ones are another run's
	base    uint64              // id of window[0]
	newest  uint64              // highest id that has arrived
	settled int                 // messages at the front of window that are of no interest any more
	refused map[uint64]struct{} // ids that the window has forgotten; a message may come although it was refused
}

type flowMessage struct {
	due   time.Duration // by the schedule; without one, when it was written
	state flowState
}

type flowState uint8

const (
	flowStored  flowState = 1 << iota // acknowledged
	flowRefused                       // by the server
	flowArrived
)

// newFlow takes the id of the first message.
func newFlow(first uint64) flow {
	return flow{first: first, base: first, refused: map[uint64]struct{}{}}
}

// next is the id of the message that sending books next.
func (f *flow) next() uint64 { return f.base + uint64(len(f.window)) }

// sending books a message before it is written, and returns its id.
func (f *flow) sending(due time.Duration) uint64 {
	f.compact()
	id := f.next()
	f.window = append(f.window, flowMessage{due: due})
	return id
}

// compact forgets what is settled, when that is most of the window.
func (f *flow) compact() {
	if f.settled < 32 || f.settled < len(f.window)/2 {
		return
	}
	for i, m := range f.window[:f.settled] {
		if m.state == flowRefused {
			f.refused[f.base+uint64(i)] = struct{}{}
		}
	}
	f.base += uint64(f.settled)
	f.window = f.window[:copy(f.window, f.window[f.settled:])]
	f.settled = 0
}

func (f *flow) at(id uint64) *flowMessage {
	if id < f.base || id >= f.next() {
		return nil
	}
	return &f.window[id-f.base]
}

func (f *flow) set(m *flowMessage, s flowState) {
	m.state |= s
	for f.settled < len(f.window) && f.window[f.settled].state.final() {
		f.settled++
	}
}

func (s flowState) final() bool { return s&flowRefused != 0 || s == flowStored|flowArrived }

// answer is what a SENT says.
type answer struct {
	due     time.Duration
	first   bool // somebody waits for it
	arrived bool // so has the message
}

// answered books a SENT.
func (f *flow) answered(id uint64, stored bool) answer {
	m := f.at(id)
	if m == nil || m.state&(flowStored|flowRefused) != 0 {
		return answer{}
	}
	a := answer{due: m.due, first: true, arrived: m.state&flowArrived != 0}
	if stored {
		f.set(m, flowStored)
	} else {
		f.set(m, flowRefused)
	}
	return a
}

// arrival is what a message's arrival says.
type arrival struct {
	due        time.Duration
	foreign    bool // of another run
	doubled    bool // it had arrived before
	disordered bool // a later one has arrived before
	expected   bool // its SENT had come: it is no longer missing
	refused    bool // nobody was to get it
	forgotten  bool // refused so long ago that nobody knows when it was due
}

// arrived books a message at its receiver.
func (f *flow) arrived(id uint64) arrival {
	m := f.at(id)
	_, refused := f.refused[id]
	switch {
	case m == nil && refused:
		delete(f.refused, id)
		return arrival{refused: true, forgotten: true}
	case m == nil && id >= f.first && id < f.base:
		return arrival{doubled: true}
	case m == nil:
		return arrival{foreign: true}
	case m.state&flowArrived != 0:
		return arrival{doubled: true}
	}
	a := arrival{
		due: m.due, disordered: id < f.newest,
		expected: m.state&flowStored != 0, refused: m.state&flowRefused != 0,
	}
	f.newest = max(f.newest, id)
	f.set(m, flowArrived)
	return a
}

// missing counts what was acknowledged and has not arrived.
func (f *flow) missing() (n int64) {
	for _, m := range f.window {
		if m.state&(flowStored|flowArrived) == flowStored {
			n++
		}
	}
	return n
}

// goOn follows a SYNC: the log is now that of base, everything up to there is gone, and it goes on from that of follows.
func (p *inboxPlace) goOn(base, follows inboxPlace) {
	switch p.epoch {
	case base.epoch:
		p.seq = max(p.seq, base.seq)
	case follows.epoch:
		*p = inboxPlace{base.epoch, max(base.seq, min(p.seq, follows.seq))}
	default:
		*p = base
	}
}

// readPlace reads a place that a frame says. One that cannot be read is none.
func readPlace(raw []byte) inboxPlace {
	var c cimpb.Cursor
	if err := proto.Unmarshal(raw, &c); err != nil {
		return inboxPlace{}
	}
	return inboxPlace{c.GetLogEpoch(), c.GetSeq()}
}

// inboxPlace is the last stored message that a receiver has taken.
type inboxPlace struct{ epoch, seq uint64 }

// take says whether a stored message is the next one. A client drops a repeated one; nothing but the next one may come
// on one connection.
func (p *inboxPlace) take(epoch, seq uint64) (repeated, gap bool) {
	if epoch == p.epoch && seq <= p.seq {
		return true, false
	}
	gap = epoch == p.epoch && seq > p.seq+1
	*p = inboxPlace{epoch, seq}
	return false, gap
}
