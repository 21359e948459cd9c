package frame

import (
	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// Body is what a MESSAGE says to all its receivers. Text and FromName have to be UTF-8, which View.Parse has
// seen to if they came from there; Text and Payload exclude each other.
type Body struct {
	From          int64 // 0: an application
	FromName      []byte
	Text, Payload []byte
	To            TargetKind // TargetNone: the receiver alone
	ToID          int64
	SentAtMs      int64
	QoS           cimpb.QoS
}

// AppendBody appends a MESSAGE without its length and without what is a receiver's own. It means the same
// as route.EncodeBody; AppendMessage makes it a frame.
func AppendBody(dst []byte, b *Body) []byte {
	dst = appendBytes(dst, fieldText, b.Text)
	dst = appendInt(dst, fieldCmd, cimpb.Command_MESSAGE)
	dst = appendInt(dst, fieldFrom, b.From)
	dst = appendBytes(dst, fieldFromName, b.FromName)
	dst = appendTarget(dst, b.To, b.ToID)
	dst = appendBytes(dst, fieldPayload, b.Payload)
	dst = appendInt(dst, fieldSentAtMs, b.SentAtMs)
	return appendInt(dst, fieldQoS, b.QoS)
}

// AppendMessage appends the frame that carries body at a place of a log; the zero Cursor is that of a message
// that was not stored. What is the receiver's own follows the body: fields of a protocol buffer may come in
// any order, and the last one stands ("Last One Wins" in the encoding guide).
func AppendMessage(dst, body []byte, c Cursor) []byte {
	dst = protowire.AppendVarint(dst, uint64(len(body)+c.size()))
	dst = append(dst, body...)
	return c.append(dst)
}
