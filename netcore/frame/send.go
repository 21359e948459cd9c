package frame

import cimpb "cim/proto"

// Send is a client's request to deliver something. Text has to be UTF-8; Text and Payload exclude each other.
type Send struct {
	To            TargetKind
	ToID          int64
	Text, Payload []byte
	ClientMsgID   uint64 // never 0: SENT names it
	QoS           cimpb.QoS
}

// AppendSend appends a SEND frame.
func AppendSend(dst []byte, s *Send) []byte {
	atLeast := len(s.Text) + len(s.Payload)
	dst, mark := open(dst, atLeast)
	dst = appendBytes(dst, fieldText, s.Text)
	dst = appendInt(dst, fieldCmd, cimpb.Command_SEND)
	dst = appendTarget(dst, s.To, s.ToID)
	dst = appendBytes(dst, fieldPayload, s.Payload)
	dst = appendUint(dst, fieldClientMsgID, s.ClientMsgID)
	dst = appendInt(dst, fieldQoS, s.QoS)
	return seal(dst, mark, atLeast)
}
