package netcore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"cim/netcore/frame"
	"cim/netcore/wheel"
)

// loop is one event loop and the gnet handler of its events. Everything in the group "loop" is touched on
// that event loop only.
type loop struct {
	gnet.BuiltinEventEngine

	// immutable after New
	srv    *Server
	index  int
	bootCh chan<- error
	moreCh chan struct{} // asks monitorRounds for another round
	layers bool          // connections may have layers between gnet and the frames

	// loop
	now      int64 // ticks since Start
	wheel    *wheel.Wheel[session, *session]
	sessions []*session // by slot; nil: free
	free     []uint32
	parked   int // bytes of incomplete frames
	tasks    []task
	done     int        // of tasks
	dirty    []*session // with something to write
	boxes    []*outbox  // unused
	casts    broadcastLog
	waiting  []*session // behind, and to be looked at again
	retrySet bool       // a look is due
	later    []*session // the same, at the next tick
	texts    [][]byte   // scratch
	view     frame.View // scratch
	moveEnd  int        // slots below are to be told that the server drains
	moveNext int        // the first of those that were not told
	current  *session   // whose OnTraffic this is
	plain    []byte     // scratch: a TLS record's plaintext; nil without TLS
	records  []byte     // scratch: TLS records of one write

	door     door
	sweeper  *sweeper
	counters counters

	// atomic
	engine    atomic.Pointer[gnet.Engine]
	eventLoop atomic.Pointer[gnet.EventLoop]
}

func newLoop(s *Server, index int) *loop {
	l := &loop{srv: s, index: index, moreCh: make(chan struct{}, 1), wheel: wheel.New[session](wheel.DefaultSlots)}
	l.layers = s.cfg.isLayered()
	l.sweeper = newSweeper(l)
	l.door.limit, l.door.wake = doorLimit, l.execute
	return l
}

// OnBoot is gnet's call before the loop runs; the listener is open by then.
func (l *loop) OnBoot(e gnet.Engine) gnet.Action {
	if l.engine.Swap(&e) == nil {
		l.bootCh <- nil
	}
	// Looked at after the engine is known: whoever stops the server after this look finds it.
	if l.srv.ctx.Err() != nil {
		return gnet.Shutdown
	}
	return gnet.None
}

// OnShutdown is gnet's call before the loop ends. Its wake-up descriptor is closed then, and the number may
// soon be somebody else's.
func (l *loop) OnShutdown(gnet.Engine) { l.eventLoop.Store(nil) }

// OnOpen is gnet's call for a new connection.
func (l *loop) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	l.counters.accepted.Add(1)
	if l.eventLoop.Load() == nil {
		e := c.EventLoop()
		l.eventLoop.Store(&e)
		l.execute() // what came to the door before there was somebody to wake
	}
	if l.srv.stopping.Load() {
		l.counters.closed[reasonStopping].Add(1)
		return nil, gnet.Close
	}
	if l.srv.admission.came(time.Now()) > int64(l.srv.cfg.MaxConns) {
		l.srv.conns.Add(-1)
		l.counters.closed[reasonCeiling].Add(1)
		return nil, gnet.Close
	}
	l.counters.conns.Add(1)
	s := &session{conn: c, slot: l.takeSlot()}
	if l.layers {
		s.conn = l.addLayers(c)
	}
	l.sessions[s.slot] = s
	c.SetContext(s)
	l.wheel.Arm(s, l.clock()+l.srv.cfg.ticks(l.loginTimeout()))
	return nil, gnet.None
}

// loginTimeout gives less time while many connections hold places without having logged in.
func (l *loop) loginTimeout() time.Duration {
	if l.srv.pending.Add(1) > int64(l.srv.cfg.MaxConns/2) {
		return min(hastyLoginTimeout, l.srv.cfg.LoginTimeout)
	}
	return l.srv.cfg.LoginTimeout
}

func (l *loop) takeSlot() uint32 {
	if n := len(l.free); n > 0 {
		slot := l.free[n-1]
		l.free = l.free[:n-1]
		return slot
	}
	l.sessions = append(l.sessions, nil)
	l.casts.grow()
	return uint32(len(l.sessions) - 1)
}

// clock reads the time in ticks, counted from 1.
func (l *loop) clock() int64 {
	l.now = 1 + int64(time.Since(l.srv.started)/l.srv.cfg.Tick)
	return l.now
}

// OnTraffic is gnet's call when bytes have arrived.
func (l *loop) OnTraffic(c gnet.Conn) gnet.Action {
	s, ok := c.Context().(*session)
	if !ok {
		return gnet.Close
	}
	l.clock()
	l.current = s
	if l.layers {
		l.readLayers(s)
	} else {
		l.read(s)
	}
	l.flushAll()
	l.current = nil
	if s.state == stateClosing {
		return gnet.Close
	}
	return gnet.None
}

// OnClose is gnet's call when a connection has ended, by whichever side. It may come from within a Write.
func (l *loop) OnClose(c gnet.Conn, _ error) gnet.Action {
	s, ok := c.Context().(*session)
	if !ok {
		return gnet.None // it was over the ceiling
	}
	if s.state != stateClosing {
		s.reason = reasonClient
		if s.lastSeen == 0 && s.partialSince == 0 {
			s.reason = reasonProbe
		}
	}
	l.forget(s)
	return gnet.None
}

// forget undoes all that the loop keeps of a session.
func (l *loop) forget(s *session) {
	s.state = stateClosed
	l.counters.closed[s.reason].Add(1)
	l.counters.conns.Add(-1)
	l.srv.conns.Add(-1)
	l.wheel.Cancel(s)
	l.parked -= int(s.parked)
	if l.layers {
		abortHandshake(s.conn)
	}
	l.sessions[s.slot] = nil
	l.free = append(l.free, s.slot)
	if s.epoch == 0 {
		l.srv.pending.Add(-1)
		return
	}
	l.population(s).Add(-1)
	l.srv.acks.hurry(s.user) // the user may log in elsewhere, and is not to be sent again what was acknowledged here
	l.srv.hub.remove(s.user, s.epoch)
	if !s.replaced {
		l.srv.release(SessionRef{s.user, s.epoch})
	}
}

// population counts people and devices apart: a person's message to everyone is for people.
func (l *loop) population(s *session) *atomic.Int64 {
	if s.isDevice {
		return &l.counters.devices
	}
	return &l.counters.people
}

// execute asks gnet for a round of this loop. Before the first connection there is no event loop to ask,
// and nothing to do but what can wait for it.
func (l *loop) execute() {
	e := l.eventLoop.Load()
	if e == nil {
		return
	}
	_ = (*e).Execute(context.Background(), l)
}

// Run is a round: gnet calls it on the event loop.
func (l *loop) Run(context.Context) error {
	l.counters.rounds.Add(1)
	l.clock()
	more := l.round()
	l.flushAll()
	if more {
		select {
		case l.moreCh <- struct{}{}:
		default:
		}
	}
	return nil
}

// round does at most doorBudget tasks, so that connections are read in between, and reports whether
// there is more to do.
func (l *loop) round() (more bool) {
	looked := l.done == len(l.tasks)
	if looked {
		b := l.door.take(l.tasks)
		l.tasks, l.done = b.tasks, 0
		for user := range b.missed {
			l.catchUpUser(user)
		}
		if b.tick {
			l.wheel.Advance(l.now, l.expired)
			l.lookNow()
		}
	}
	end := min(len(l.tasks), l.done+doorBudget)
	for ; l.done < end; l.done++ {
		l.tasks[l.done].run(l)
	}
	moving, walking := l.moveSome(), l.walk()
	// A round that only finished old tasks may have been the one that new ones at the door asked for.
	return moving || walking || l.done < len(l.tasks) || !looked
}

// monitorRounds asks for the next round of a loop that has not finished. A task that executes itself again
// would keep gnet from reading its connections: gnet runs tasks until there are none.
func (l *loop) monitorRounds(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.moreCh:
			l.execute()
		}
	}
}
