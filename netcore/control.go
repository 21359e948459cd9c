package netcore

import (
	"context"
	"time"

	cimpb "cim/proto"
)

// Reserve keeps a session that was claimed on the server's behalf until the user's LOGIN without hello,
// or for 30 s, after which it is released. Errors: ErrFull, ErrStopping.
func (s *Server) Reserve(user int64, device bool, epoch uint64) error {
	switch {
	case s.Leaving():
		return ErrStopping
	case s.conns.Load() >= int64(s.cfg.MaxConns):
		return ErrFull
	}
	r := &reservation{epoch: epoch, device: device, expires: time.Now().Add(reservationTime)}
	s.hub.reserve(user, r)
	return nil
}

// Holds proves a session: connected, reserved, or about to be told of its claim.
func (s *Server) Holds(user int64, epoch uint64) bool { return s.hub.holds(user, epoch) }

// Knows reports whether a user is connected or reserved here, whatever the epoch, or is logging in.
func (s *Server) Knows(user int64) bool { return s.hub.knows(user) }

// Online lists up to limit users after the one given; next is 0 at the end.
func (s *Server) Online(after int64, limit int) (users []int64, next int64) {
	return s.hub.online(after, limit)
}

// KickReason is why a session is ended from outside.
type KickReason uint8

const (
	KickReplaced  KickReason = iota // a newer session took over
	KickLoggedOut                   // by request
	KickDisabled                    // the account may not connect any more
)

var kickReasons = map[KickReason]Reason{
	KickReplaced: reasonReplaced, KickLoggedOut: reasonLoggedOut, KickDisabled: reasonDisabled,
}

// Kick ends exactly that session, or that reservation with the LOGIN that is about to fulfil it, and reports whether it
// may be here.
func (s *Server) Kick(user int64, epoch uint64, why KickReason) bool {
	at, live, here := s.hub.end(user, epoch, kickReasons[why])
	if live {
		s.loops[at.loop].door.postAnswer(&kick{user, at, kickReasons[why]})
		return true
	}
	return here
}

// kick is the end of a session at the door of its loop.
type kick struct {
	user int64
	at   place
	why  Reason
}

func (k *kick) run(l *loop) {
	s := l.at(k.at.slot, k.user)
	if s == nil || s.epoch != k.at.epoch {
		return
	}
	l.end(s, k.why)
}

// end is for a session that the Directory does not have any more.
func (l *loop) end(s *session, why Reason) {
	s.replaced = true
	l.tell(s, cimpb.Command_KICK, reasons[why].code, 0)
	l.finish(s, why)
}

// CatchUp has a session sent what it was not sent of its inbox, and reports whether it is here.
func (s *Server) CatchUp(user int64) bool {
	at, live, here := s.hub.findForStored(user)
	if live {
		s.loops[at.loop].door.postMissed(user)
	}
	return here
}

// goodbye closes all sessions of a loop.
type goodbye struct {
	why  Reason
	done chan<- struct{}
}

func (g *goodbye) run(l *loop) {
	for _, s := range l.sessions {
		if s != nil {
			l.close(s, g.why)
		}
	}
	l.flushAll()
	g.done <- struct{}{}
}

// sayGoodbye closes all sessions from within their loops and waits until that is done.
func (s *Server) sayGoodbye(ctx context.Context) error {
	done := make(chan struct{}, len(s.loops))
	waits, why := 0, reasonStopping
	if s.draining.Load() {
		why = reasonMoved // there are other servers
	}
	for _, l := range s.loops {
		if l.eventLoop.Load() == nil {
			continue // it never had a connection
		}
		l.door.postAnswer(&goodbye{why: why, done: done})
		waits++
	}
	for range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
