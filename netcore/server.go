package netcore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server holds the connections of one process. Make it with New, then Start, then Stop.
type Server struct {
	// immutable after Start
	cfg     Config
	addr    *net.TCPAddr
	loops   []*loop
	hub     *hub
	started time.Time
	ctx     context.Context // ends when Stop begins to close the engines
	cancel  context.CancelFunc

	claims   *lane[sessionWork]
	stored   *lane[sendWork] // SENDs that wait for the store
	unstored *lane[sendWork] // and those that must not wait behind them
	acks     *lane[ackWork]
	backlogs *lane[backlogWork]

	wg sync.WaitGroup // engines, the clock and TLS handshakes

	admission *admission

	handshakeSlots chan struct{} // holds a token for each TLS handshake that computes

	// atomic
	conns      atomic.Int64 // open connections
	pending    atomic.Int64 // of those, not logged in
	handshakes atomic.Int64 // of TLS, under way
	draining   atomic.Bool  // set by Drain
	stopping   atomic.Bool
}

// New checks cfg; nothing runs yet.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, hub: newHub(), handshakeSlots: make(chan struct{}, handshakeWorkers()),
	}
	s.admission = newAdmission(&s.cfg, &s.conns)
	for i := range cfg.Loops {
		s.loops = append(s.loops, newLoop(s, i))
	}
	return s, nil
}

// Start listens and serves until Stop.
// Errors: ErrAddressInUse, and what the system says of the address.
func (s *Server) Start() error {
	addr, err := probeAddress(s.cfg.Listen)
	if err != nil {
		return err
	}
	s.addr, s.started = addr, time.Now()
	clock := time.NewTicker(s.cfg.Tick) // right after started, so that it ticks when a tick has passed
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.startLanes()
	for _, l := range s.loops {
		if err := s.startLoop(l); err != nil {
			clock.Stop()
			s.stopEngines()
			s.wg.Wait()
			s.closeLanes(context.Background())
			return err
		}
	}
	s.wg.Go(func() { s.monitorClock(clock) })
	return nil
}

func (s *Server) startLanes() {
	// A session has at most one claim and one release outstanding.
	sessionLimit := 2*s.cfg.MaxConns/sessionWorkers + laneBatch
	s.claims = newLane(sessionWorkers, sessionLimit, s.handleSessions)
	s.stored = newLane(sendWorkers, sendLaneLimit, s.handleSends)
	s.unstored = newLane(sendWorkers, sendLaneLimit, s.handleSends)
	s.acks = newGatheringLane(ackWorkers, ackLaneLimit, ackGather, s.handleAcks)
	s.backlogs = newLane(backlogWorkers, backlogLimit, s.handleBacklogs)
}

// closeLanes lets what was posted be done while ctx lasts. What is not released then belongs to an instance that has
// ended, and is in nobody's way.
func (s *Server) closeLanes(ctx context.Context) {
	s.claims.close(ctx)
	s.closeSends(ctx)
	s.acks.close(ctx)
	s.backlogs.close(s.ctx) // nobody is left to read for
}

// closeSends lets the SENDs that were taken be delivered.
func (s *Server) closeSends(ctx context.Context) {
	s.unstored.close(ctx)
	s.stored.close(ctx)
}

// probeAddress listens once without SO_REUSEPORT, which is how the loops share the port: with it, a second
// process would join them without a word. It also gives port 0 its number.
func probeAddress(listen string) (*net.TCPAddr, error) {
	ln, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: %w", listen, ErrAddressInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	addr, ok := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil || !ok {
		return nil, fmt.Errorf("listen on %s: not a TCP address, or: %w", listen, err)
	}
	return addr, nil
}

// Addr is where the server listens; its port is the real one when port 0 was asked for.
func (s *Server) Addr() *net.TCPAddr { return s.addr }

// gnetAddr writes a wildcard address as gnet wants it.
func (s *Server) gnetAddr() string {
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil {
		host = s.addr.IP.String()
	}
	return "tcp://" + net.JoinHostPort(host, strconv.Itoa(s.addr.Port))
}

// Capacity is the ceiling of connections.
func (s *Server) Capacity() int { return s.cfg.MaxConns }

// Conns is the number of open connections.
func (s *Server) Conns() int { return int(s.conns.Load()) }

// Sessions is the number of users who are logged in.
func (s *Server) Sessions() int {
	n := int64(0)
	for _, l := range s.loops {
		n += l.counters.people.Load() + l.counters.devices.Load()
	}
	return int(n)
}

// Leaving reports whether the server takes nobody any more: it drains or stops.
func (s *Server) Leaving() bool { return s.stopping.Load() || s.draining.Load() }

// monitorClock tells the loops that time passes, and ends reservations that nobody came for.
func (s *Server) monitorClock(t *time.Ticker) {
	defer t.Stop()
	for last := s.started; ; {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			now := time.Now()
			if pausedFor(last, now) > longPause+s.cfg.Tick {
				s.cfg.Logger.Warn("the process stood still; all sessions are looked at", "for", pausedFor(last, now))
				s.SweepNow()
			}
			last = now
			for _, l := range s.loops {
				l.door.postTick()
			}
			for _, ref := range s.hub.expire(now) {
				s.release(ref)
			}
		}
	}
}

// pausedFor is how long it was between two looks at the clock. The monotonic clock stands still while the machine
// sleeps, and the other one may be set, so it is whichever says more.
func pausedFor(last, now time.Time) time.Duration {
	return max(now.Sub(last), now.Round(0).Sub(last.Round(0)))
}

// release ends a claimed session at the Backend.
func (s *Server) release(ref SessionRef) {
	if !s.claims.post(ref.User, sessionWork{release: ref}) {
		s.loops[0].counters.dropped[dropRelease].Add(1)
	}
}

// Stop refuses new connections, lets queued sends finish, tells hello sessions to come back later, closes
// everything and releases the sessions, for which it takes 5 s at most. When ctx ends first, it closes what is left at
// once and returns the context's error.
func (s *Server) Stop(ctx context.Context) error {
	if s.stopping.Swap(true) {
		return ErrStopping
	}
	if s.ctx == nil {
		return nil // it never started
	}
	s.closeSends(ctx)
	err := ctx.Err() // some sends may have been cut off
	if late := s.sayGoodbye(ctx); err == nil {
		err = late
	}
	s.stopEngines()
	s.wg.Wait()
	releaseCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	s.closeLanes(releaseCtx)
	s.releaseRest(releaseCtx)
	return err
}

// releaseRest gives back what no loop can: sessions whose claim was answered after the loops had ended,
// and reservations. Must be called when loops and lanes have ended.
func (s *Server) releaseRest(ctx context.Context) {
	refs := s.hub.expire(time.Now().Add(2 * reservationTime))
	for _, l := range s.loops {
		for _, t := range slices.Concat(l.tasks[l.done:], l.door.take(nil).tasks) {
			if w, ok := t.(*claimWork); ok {
				refs = append(refs, w.unused()...)
			}
		}
	}
	if len(refs) == 0 {
		return
	}
	s.cfg.Backend.Release(ctx, refs)
}
