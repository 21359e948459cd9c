package bench

import (
	"maps"
	"sync"
	"time"
)

// phase is a part of a hostile run.
type phase int

const (
	phaseWarmUp phase = iota // measured by nobody
	phaseBefore
	phaseDuring
	phaseAfter
	phases
)

var phaseNames = [phases]string{"warm-up", "before", "during", "after"}

// ledger is the books of the honest users: how long things took in each phase, and which messages the server
// acknowledged and has not delivered. Safe for concurrent use.
type ledger struct {
	mu        sync.Mutex
	began     [phases]time.Time // zero: not begun
	pings     [phases]*histogram
	sends     [phases]*histogram // from when a SEND was due to its SENT
	arrivals  [phases]*histogram // from when a SEND was due to its receiver
	messages  map[uint64]*honestMessage
	numStored int64 // acknowledged
	missing   int   // of those, not delivered
	refused   map[string]int
	ends      [phases]map[string]int // connections, by why they ended
	instances map[string]struct{}    // of servers, as their WELCOMEs say
	online    int
}

// honestMessage is one message between honest users.
type honestMessage struct {
	due             time.Time // by the schedule
	stored, arrived bool
}

func newLedger() *ledger {
	l := &ledger{messages: map[uint64]*honestMessage{}, refused: map[string]int{}, instances: map[string]struct{}{}}
	for p := range phases {
		l.pings[p], l.sends[p], l.arrivals[p], l.ends[p] = newHistogram(), newHistogram(), newHistogram(), map[string]int{}
	}
	return l
}

// begin notes that p begins now.
func (l *ledger) begin(p phase, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began[p] = now
}

// phaseOf is the phase in which something was due. Must be called with mu held.
func (l *ledger) phaseOf(due time.Time) phase {
	for p := phases - 1; p > 0; p-- {
		if began := l.began[p]; !began.IsZero() && !due.Before(began) {
			return p
		}
	}
	return phaseWarmUp
}

func (l *ledger) pong(due, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pings[l.phaseOf(due)].record(now.Sub(due))
}

// sending books a message before it is written.
func (l *ledger) sending(id uint64, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[id] = &honestMessage{due: due}
}

// acknowledged books a SENT that says stored: from here on the message must not be lost.
func (l *ledger) acknowledged(id uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[id]
	if m == nil || m.stored {
		return
	}
	m.stored = true
	l.numStored++
	if !m.arrived {
		l.missing++
	}
	l.sends[l.phaseOf(m.due)].record(now.Sub(m.due))
}

// delivered books a message at its receiver. One that comes again counts once, and one of an earlier run with
// the same accounts not at all.
func (l *ledger) delivered(id uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[id]
	if m == nil || m.arrived {
		return
	}
	m.arrived = true
	if m.stored {
		l.missing--
	}
	l.arrivals[l.phaseOf(m.due)].record(now.Sub(m.due))
}

func (l *ledger) refusedSend(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[reason]++
}

// ended books the end of an honest connection that nobody wanted.
func (l *ledger) ended(reason string, wasOnline bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wasOnline {
		l.online--
	}
	l.ends[l.phaseOf(now)][reason]++
}

func (l *ledger) welcomed(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.online++
	l.instances[instance] = struct{}{}
}

// standing is what the run waits for: users online, and acknowledged messages that have not arrived.
func (l *ledger) standing() (online, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.online, l.missing
}

// report is what was measured in p.
func (l *ledger) report(p phase) HonestPhase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return HonestPhase{
		Phase: phaseNames[p], Ping: l.pings[p].latency(), Sent: l.sends[p].latency(), Arrived: l.arrivals[p].latency(),
		Ended: maps.Clone(l.ends[p]),
	}
}
