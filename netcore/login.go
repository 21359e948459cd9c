package netcore

import (
	"context"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

const (
	protocolVersion = 1
	maxUserID       = 1<<53 - 1
	maxDeviceBytes  = 64
	maxNameBytes    = 64
	maxTokenBytes   = 4096
)

// login reads the first frame of a connection and asks for the session.
func (l *loop) login(s *session, v *frame.View) {
	switch {
	case v.Cmd != cimpb.Command_LOGIN:
		l.close(s, reasonNotLogin)
	case v.UserID <= 0 || v.UserID > maxUserID || len(v.Text) > maxNameBytes:
		s.hello = v.HasHello
		l.close(s, reasonBadLogin)
	case l.srv.draining.Load():
		s.hello = v.HasHello
		l.srv.giveUp(v.UserID)
		l.close(s, reasonMoved)
	case v.HasHello:
		l.helloLogin(s, v)
	case !l.srv.cfg.AllowCIM:
		l.close(s, reasonNoHello)
	default:
		l.cimLogin(s, v)
	}
}

func (l *loop) helloLogin(s *session, v *frame.View) {
	s.hello = true
	var h cimpb.Hello
	if err := proto.Unmarshal(v.Hello, &h); err != nil {
		l.close(s, reasonMalformed)
		return
	}
	device := h.GetDevice()
	switch {
	case h.GetVersion() != protocolVersion:
		l.close(s, reasonVersion)
		return
	case device == "" || len(device) > maxDeviceBytes || !utf8.ValidString(device) || len(h.GetToken()) > maxTokenBytes:
		l.close(s, reasonBadLogin)
		return
	}
	s.device = device
	wanted := time.Duration(h.GetHeartbeatMs()) * time.Millisecond
	l.claim(s, claimWork{
		Claim: Claim{
			User: v.UserID, Name: string(v.Text), Hello: true, Token: h.GetToken(), Device: device,
			Cursor: inboxCursor(h.GetCursors()), Remote: s.conn.RemoteAddr().String(),
		},
		heartbeat: l.srv.cfg.heartbeat(wanted),
	})
}

func inboxCursor(cursors []*cimpb.Cursor) Cursor {
	for _, c := range cursors {
		if c.GetGroup() == 0 {
			return Cursor{c.GetLogEpoch(), c.GetSeq()}
		}
	}
	return Cursor{}
}

// cimLogin is to fulfil the reservation that CIM's /login made; without one the LOGIN claims by itself.
func (l *loop) cimLogin(s *session, v *frame.View) {
	l.claim(s, claimWork{Claim: Claim{User: v.UserID, Name: string(v.Text), Remote: s.conn.RemoteAddr().String()}})
}

// giveUp releases a user's reservation, or it would be in the way elsewhere until it expires.
func (s *Server) giveUp(user int64) {
	if epoch := s.hub.reservedEpoch(user); epoch != 0 && s.hub.cancel(user, epoch) {
		s.release(SessionRef{user, epoch})
	}
}

// claimWork is a LOGIN on its way to the Backend and, with its answer, back.
type claimWork struct {
	loop      *loop
	session   *session
	heartbeat time.Duration // granted to a hello session
	Claim
	result ClaimResult
}

// claim has the Backend decide. Until it has, nothing more is read from the connection.
func (l *loop) claim(s *session, w claimWork) {
	w.loop, w.session = l, s
	s.user, s.state = w.User, stateClaiming
	if w.Hello {
		s.broadcasts = l.casts.head() // what comes from now on waits for the session
		l.counters.awaited.Add(1)
	}
	l.wheel.Arm(s, l.now+l.srv.cfg.ticks(l.srv.cfg.LoginTimeout)) // the claim has a time of its own
	if reserved := l.srv.hub.beginClaim(s.user); !w.Hello {
		w.Reserved = reserved
	}
	if !l.srv.claims.post(s.user, sessionWork{claim: &w}) {
		l.answered(&w)
		l.abandon(&w)
		l.close(s, reasonBusy)
	}
}

// sessionWork is a claim or, without one, a release.
type sessionWork struct {
	claim   *claimWork
	release SessionRef
}

// handleSessions runs on a session worker. A user's claims and releases keep their order: a batch is cut
// where one kind follows the other.
func (s *Server) handleSessions(ctx context.Context, batch []sessionWork) {
	for len(batch) > 0 {
		n := runOfWork(batch)
		if batch[0].claim != nil {
			s.handleClaims(ctx, batch[:n])
		} else {
			s.handleReleases(ctx, batch[:n])
		}
		batch = batch[n:]
	}
}

// runOfWork is how much of the batch may go to the Backend in one call: of one kind, and of each user one
// claim at most, so that of two logins the later one has the higher epoch.
func runOfWork(batch []sessionWork) int {
	seen := make(map[int64]struct{})
	for n, w := range batch {
		if (w.claim == nil) != (batch[0].claim == nil) {
			return n
		}
		if w.claim == nil {
			continue
		}
		if _, again := seen[w.claim.User]; again {
			return n
		}
		seen[w.claim.User] = struct{}{}
	}
	return len(batch)
}

func (s *Server) handleClaims(ctx context.Context, batch []sessionWork) {
	claims := make([]Claim, len(batch))
	for i, w := range batch {
		claims[i] = w.claim.Claim
	}
	results := s.cfg.Backend.Claim(ctx, claims)
	for i := range batch {
		w := batch[i].claim
		w.result = answerAt(results, i, ClaimResult{Code: cimpb.CodeStoreDown})
		if w.result.Code == 0 {
			s.hub.answered(w.User, w.result.Epoch)
		}
		w.loop.door.postAnswer(w)
	}
}

// answerAt is the Backend's answer to entry i. One that answers too few must not leave a caller waiting.
func answerAt[T any](results []T, i int, missing T) T {
	if i < len(results) {
		return results[i]
	}
	return missing
}

func (s *Server) handleReleases(ctx context.Context, batch []sessionWork) {
	refs := make([]SessionRef, len(batch))
	for i, w := range batch {
		refs[i] = w.release
	}
	s.cfg.Backend.Release(ctx, refs)
}

// run brings the Backend's answer to the loop.
func (w *claimWork) run(l *loop) {
	s, r := w.session, w.result
	defer l.answered(w)
	switch {
	case r.Code != 0:
		l.abandon(w)
		l.tell(s, cimpb.Command_ERROR, r.Code, r.RetryAfterMs)
		l.finish(s, reasonRefused)
	case s.state != stateClaiming:
		// The socket is gone: give the session back, or the user would seem to be here.
		l.srv.hub.endClaim(w.User)
		l.srv.hub.cancel(w.User, w.Reserved)
		l.srv.release(SessionRef{w.User, r.Epoch})
	default:
		l.open(s, w)
	}
}

// answered ends the wait for one session.
func (l *loop) answered(w *claimWork) {
	if w.Hello && l.counters.awaited.Add(-1) == 0 {
		l.settleBroadcasts()
	}
}

// unused is what a claim leaves behind whose answer met no loop.
func (w *claimWork) unused() []SessionRef {
	switch {
	case w.result.Code == 0:
		return []SessionRef{{w.User, w.result.Epoch}}
	case w.Reserved != 0:
		return []SessionRef{{w.User, w.Reserved}}
	}
	return nil
}

// abandon ends a claim that gave no session. A reservation that its LOGIN could not fulfil goes with it.
func (l *loop) abandon(w *claimWork) {
	l.srv.hub.endClaim(w.User)
	if w.Reserved != 0 {
		l.srv.hub.cancel(w.User, w.Reserved)
		l.srv.release(SessionRef{w.User, w.Reserved})
	}
}

// open makes a granted session the user's.
func (l *loop) open(s *session, w *claimWork) {
	r := w.result
	at := place{epoch: r.Epoch, slot: s.slot, loop: uint16(l.index)}
	o := l.srv.hub.install(s.user, at, w.Reserved)
	if !o.ok {
		l.srv.hub.cancel(s.user, w.Reserved)
		if o.kicked {
			l.srv.release(SessionRef{s.user, r.Epoch}) // whoever ended the reservation knew of that only
		}
		l.close(s, o.why)
		return
	}
	if o.replaced {
		l.srv.loops[o.old.loop].door.postAnswer(&kick{user: s.user, at: o.old, why: reasonReplaced})
	}
	s.state, s.epoch, s.name, s.isDevice = stateOpen, r.Epoch, r.Name, r.Device
	s.logEpoch, s.pushed, s.acked = r.Inbox.LogEpoch, r.Inbox.Acked, r.Inbox.Acked
	l.srv.pending.Add(-1)
	l.population(s).Add(1)
	l.welcome(s, w)
	l.sayMissed(s)
	waits := o.touched || r.Inbox.Last > r.Inbox.Acked
	if !s.hello {
		if s.draining = waits; !waits {
			l.sayReserved(s)
		}
	}
	if waits {
		l.fallBehind(s)
	}
	if int(s.slot) < l.moveNext {
		l.move(s) // it was on its way when the draining came by
	}
	l.read(s)
}

// welcome says what was granted. A client of CIM is not answered, as CIM does.
func (l *loop) welcome(s *session, w *claimWork) {
	if !s.hello {
		l.setIdle(s, l.srv.cfg.IdleTimeout)
		return
	}
	idle := time.Duration(float64(w.heartbeat) * heartbeatsPerIdle)
	l.setIdle(s, idle)
	in := w.result.Inbox
	l.appendRare(s, &cimpb.Frame{
		Cmd: cimpb.Command_WELCOME, UserId: s.user, Follows: follows(in.LogEpoch, w.result.Shared),
		Welcome: &cimpb.Welcome{
			SessionEpoch: s.epoch, HeartbeatMs: uint32(w.heartbeat.Milliseconds()),
			IdleTimeoutMs: uint32(idle.Milliseconds()), SendCredit: uint32(l.srv.cfg.SendCredit),
			MaxFrameBytes: uint32(l.srv.cfg.MaxFrame), Inbox: &cimpb.Cursor{LogEpoch: in.LogEpoch, Seq: in.Last},
			Acked: in.Acked, ServerTimeMs: time.Now().UnixMilli(), Instance: l.srv.cfg.Instance,
		},
	})
}

// sayReserved hands over what was sent since CIM's /login and is not stored. What is stored goes before it.
func (l *loop) sayReserved(s *session) {
	s.draining, s.broadcasts = false, l.casts.head()
	r := l.srv.hub.fulfil(s.user, s.epoch)
	if r == nil {
		return
	}
	for _, body := range r.bodies {
		l.appendBody(s, body, frame.Cursor{})
	}
}
