package netcore

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// appendForCIM writes a message in CIM's own fields, for one receiver.
func (l *loop) appendForCIM(dst []byte, receiver int64, body []byte) []byte {
	v := &l.view
	if err := v.Parse(body); err != nil {
		return dst // only bodies that were encoded by us come here
	}
	l.texts = l.texts[:0]
	frame.EachBatch(body, func(text []byte) { l.texts = append(l.texts, text) })
	m := frame.CIMMessage{
		Cmd: cimpb.Command_MESSAGE, Receiver: receiver, From: v.From, FromName: v.FromName,
		Text: cimText(v), Batch: l.texts,
	}
	return frame.AppendCIM(dst, &m)
}

// cimText is the text of a message, or what a client of CIM can show of device data.
func cimText(v *frame.View) []byte {
	if !v.HasPayload || utf8.Valid(v.Payload) {
		if v.HasPayload {
			return v.Payload
		}
		return v.Text
	}
	return base64.StdEncoding.AppendEncode(nil, v.Payload)
}

// writeOffline writes stored messages as CIM does, in batches. CIM's SDK hands frames to a pool of ten
// threads, so that only what is in one frame keeps its order; and a frame names one sender, so a batch
// ends where the sender changes.
func (l *loop) writeOffline(s *session, messages []Stored) {
	for len(messages) > 0 && messages[0].Seq == s.pushed+1 && s.queued() <= l.srv.cfg.SoftOutbound {
		n := l.gather(messages, s.pushed)
		l.appendOffline(s, messages[:n])
		s.pushed = messages[n-1].Seq
		messages = messages[n:]
	}
}

// gather fills l.texts from the first messages, as many as have one sender and fit a frame.
func (l *loop) gather(messages []Stored, after uint64) (n int) {
	l.texts = l.texts[:0]
	var from int64
	var name []byte
	size := 0
	for ; n < len(messages) && messages[n].Seq == after+uint64(n)+1; n++ {
		v := &l.view
		if err := v.Parse(messages[n].Body); err != nil {
			continue
		}
		size += len(messages[n].Body)
		if n > 0 && (v.From != from || !bytes.Equal(v.FromName, name) || size > cimBatchBytes) {
			break
		}
		from, name = v.From, v.FromName
		l.addTexts(v, messages[n].Body)
	}
	return n
}

func (l *loop) addTexts(v *frame.View, body []byte) {
	if v.HasBatch {
		frame.EachBatch(body, func(text []byte) { l.texts = append(l.texts, text) })
		return
	}
	l.texts = append(l.texts, cimText(v))
}

// appendOffline writes one OFFLINE frame of l.texts.
func (l *loop) appendOffline(s *session, messages []Stored) {
	var v frame.View
	if err := v.Parse(messages[0].Body); err != nil {
		return
	}
	l.counters.messagesOut.Add(uint64(len(messages)))
	o := l.box(s)
	o.b = frame.AppendCIM(o.b, &frame.CIMMessage{
		Cmd: cimpb.Command_OFFLINE, Receiver: s.user, From: v.From, FromName: v.FromName, Batch: l.texts,
	})
}

// ackForCIM acknowledges on behalf of a client that cannot: what was written before this PING has arrived
// when neither we nor the kernel hold bytes for the connection.
func (l *loop) ackForCIM(s *session) {
	if s.pushed <= s.acked || s.conn.OutboundBuffered() > 0 || s.out != nil && len(s.out.b) > 0 {
		return
	}
	if n, err := unsentBytes(s.conn.Fd()); err != nil || n > 0 {
		return
	}
	l.ack(s, Cursor{s.logEpoch, s.pushed})
	l.srv.acks.hurry(s.user) // a client that is sent it again cannot tell that it is
}
