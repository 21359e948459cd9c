package client

import (
	"context"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Handler takes what arrives. Message is never called twice at the same time, nor is State; but State may be
// called during a Message, except for StateLogReset and StateLogGap, which come at their place in the
// order of messages. Neither may call Close, which waits for them; Message may send and wait, State may not.
// FromContext finds the Client.
type Handler interface {
	// Message takes one message. When it returns nil, the message is acknowledged and will not come again.
	// After an error the same message is handed over again, with a back-off between the attempts, and
	// nothing behind it is: a message that cannot be handled at all has to be answered with nil. ctx ends
	// when the client closes in haste.
	Message(ctx context.Context, m Message) error
	// State is told of changes. It should return soon: connecting again waits for it.
	State(s StateChange)
}

// HandlerFuncs makes a Handler of functions. Without OnMessage, messages are acknowledged and dropped.
type HandlerFuncs struct {
	OnMessage func(ctx context.Context, m Message) error
	OnState   func(s StateChange)
}

// Message calls OnMessage.
func (h HandlerFuncs) Message(ctx context.Context, m Message) error {
	if h.OnMessage == nil {
		return nil
	}
	return h.OnMessage(ctx, m)
}

// State calls OnState.
func (h HandlerFuncs) State(s StateChange) {
	if h.OnState != nil {
		h.OnState(s)
	}
}

// Kind says to whom a message was sent.
type Kind uint8

const (
	Private  Kind = iota // to this user alone
	Everyone             // to everyone who was connected
	Group                // to Message.Group
)

// QoS is the promise that was made for a message.
type QoS uint8

const (
	AtMostOnce  QoS = 0 // to connected receivers; never stored
	AtLeastOnce QoS = 1 // stored before its sender hears of it
)

// Message is one message as the Handler gets it. It owns its memory.
type Message struct {
	From     int64 // 0: an application
	FromName string
	Text     string
	Batch    []string // several texts that were sent as one message; in place of Text
	Payload  []byte   // device data; in place of Text
	Kind     Kind
	Group    int64 // of Kind Group
	QoS      QoS
	SentAt   time.Time // by the server's clock
	// LogEpoch and Seq are the place of a stored message in the inbox (or in the group's log), and name it
	// for ever. Seq is 0 for a message that was not stored.
	LogEpoch, Seq uint64
}

// stored reports whether the message has a place in this user's inbox, and so takes part in order and ACK.
// Logs of groups have places of their own, which this version hands over as they come.
func (m *Message) stored() bool { return m.Seq != 0 && m.Group == 0 }

func (m *Message) cursor() Cursor { return Cursor{LogEpoch: m.LogEpoch, Seq: m.Seq} }

// size is about what the message weighs in the queue.
func (m *Message) size() int {
	n := len(m.Text) + len(m.Payload) + len(m.FromName)
	for _, text := range m.Batch {
		n += len(text)
	}
	return n
}

// readMessage copies a MESSAGE out of the read buffer.
func readMessage(v *frame.View, payload []byte) Message {
	m := Message{
		From: v.From, FromName: string(v.FromName), Text: string(v.Text), Kind: kindOf(v), Group: v.Group,
		QoS: qosOf(v.QoS), SentAt: time.UnixMilli(v.SentAtMs), LogEpoch: v.LogEpoch, Seq: v.Seq,
	}
	if v.HasPayload {
		m.Payload = append([]byte{}, v.Payload...)
	}
	if v.HasBatch {
		frame.EachBatch(payload, func(text []byte) { m.Batch = append(m.Batch, string(text)) })
	}
	return m
}

func kindOf(v *frame.View) Kind {
	switch {
	case v.Group != 0 || v.To == frame.TargetGroup:
		return Group
	case v.To == frame.TargetEveryone:
		return Everyone
	}
	return Private
}

func qosOf(q cimpb.QoS) QoS {
	if q == cimpb.QoS_AT_MOST_ONCE {
		return AtMostOnce
	}
	return AtLeastOnce
}
