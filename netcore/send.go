package netcore

import (
	"context"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// sendWork is a SEND on its way to the Backend and, with its answer, back.
type sendWork struct {
	loop        *loop
	session     *session
	clientMsgID uint64
	Send
}

// send checks a SEND and passes it on. Each SEND is answered by one SENT.
func (l *loop) send(s *session, v *frame.View) {
	l.counters.sends.Add(1)
	if code := l.checkSend(s, v); code != 0 {
		l.refuse(s, v.ClientMsgID, code)
		return
	}
	w := sendWork{loop: l, session: s, clientMsgID: v.ClientMsgID, Send: Send{
		From: s.user, FromName: s.name, Device: s.device, ClientMsgID: v.ClientMsgID,
		To: v.ToID, Everyone: v.To == frame.TargetEveryone,
		Stored: v.QoS == cimpb.QoS_AT_LEAST_ONCE && v.To == frame.TargetUser,
		Body:   l.encodeBody(s, v),
	}}
	lane := l.srv.unstored
	if w.Stored {
		lane = l.srv.stored
	}
	if !lane.postSized(s.user, w, len(w.Body)) {
		l.refuse(s, v.ClientMsgID, cimpb.CodeOverloaded)
		return
	}
	s.inFlight++
}

// encodeBody writes what all receivers of a SEND are told. It is encoded once, whoever gets it.
func (l *loop) encodeBody(s *session, v *frame.View) []byte {
	b := frame.Body{
		From: s.user, FromName: []byte(s.name), Text: v.Text, Payload: v.Payload,
		SentAtMs: time.Now().UnixMilli(), QoS: v.QoS,
	}
	if v.To == frame.TargetEveryone {
		b.To, b.QoS = frame.TargetEveryone, cimpb.QoS_AT_MOST_ONCE // never stored, whatever was asked
	}
	const overhead = 64
	return frame.AppendBody(make([]byte, 0, len(v.Text)+len(v.Payload)+len(s.name)+overhead), &b)
}

// checkSend returns 0 or why the SEND is refused.
func (l *loop) checkSend(s *session, v *frame.View) cimpb.Code {
	switch {
	case v.To == frame.TargetGroup || v.To == frame.TargetApplication:
		return cimpb.CodeUnsupported
	case v.ClientMsgID == 0 || v.HasBatch || v.HasProperties || (len(v.Text) > 0) == (len(v.Payload) > 0):
		return cimpb.CodeBadRequest
	case v.To == frame.TargetUser && (v.ToID <= 0 || v.ToID > maxUserID), v.To == frame.TargetNone:
		return cimpb.CodeBadRequest
	case int(s.inFlight) >= l.srv.cfg.SendCredit:
		return cimpb.CodeRateLimited
	case l.srv.stopping.Load():
		return cimpb.CodeOverloaded
	case !l.takeToken(s, v.To):
		return cimpb.CodeRateLimited
	}
	return 0
}

func (l *loop) takeToken(s *session, to frame.TargetKind) bool {
	perTick := float32(l.srv.cfg.Tick.Seconds())
	now := uint32(l.now)
	if to == frame.TargetEveryone && !s.everyone.take(now, everyoneRate*perTick, everyoneBurst) {
		return false
	}
	return s.sends.take(now, sendRate*perTick, sendBurst)
}

// refuse answers a SEND that went nowhere.
func (l *loop) refuse(s *session, clientMsgID uint64, code cimpb.Code) {
	l.counters.refusedSend(code)
	sent := frame.Sent{ClientMsgID: clientMsgID, Code: code}
	if code == cimpb.CodeOverloaded || code == cimpb.CodeRateLimited {
		sent.RetryAfterMs = retrySoonMs
	}
	o := l.box(s)
	o.b = frame.AppendSent(o.b, &sent)
}

// handleSends runs on a send worker.
func (s *Server) handleSends(ctx context.Context, batch []sendWork) {
	sends := make([]Send, len(batch))
	for i := range batch {
		sends[i] = batch[i].Send
	}
	answers := make([]sendAnswer, len(batch))
	results := s.cfg.Backend.Deliver(ctx, sends)
	for i := range batch {
		r := answerAt(results, i, SendResult{Code: cimpb.CodeStoreUnavailable, RetryAfterMs: retrySoonMs})
		answers[i] = sendAnswer{batch[i].session, batch[i].clientMsgID, r}
		batch[i].loop.door.postAnswer(&answers[i])
	}
}

// sendAnswer is what the Backend said of a SEND.
type sendAnswer struct {
	session     *session
	clientMsgID uint64
	result      SendResult
}

// run answers the sender, if it is still there.
func (a *sendAnswer) run(l *loop) {
	s := a.session
	if s.state >= stateClosing {
		return
	}
	s.inFlight--
	r := a.result
	if r.Code != cimpb.CodeWritten && r.Code != cimpb.CodeStored {
		l.counters.refusedSend(r.Code)
	}
	o := l.box(s)
	o.b = frame.AppendSent(o.b, &frame.Sent{
		ClientMsgID: a.clientMsgID, Code: r.Code, RetryAfterMs: r.RetryAfterMs,
		Cursor: frame.Cursor{LogEpoch: r.LogEpoch, Seq: r.Seq}, Offline: r.Offline,
	})
}
