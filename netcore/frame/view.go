package frame

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// View is a frame as Parse read it. Its slices alias the parsed payload and live no longer than it does:
// bytes of a read buffer die when the buffer moves on. The zero View is a LOGIN of nobody.
type View struct {
	Cmd         cimpb.Command
	UserID      int64
	Text        []byte // UTF-8
	From        int64
	FromName    []byte // UTF-8
	To          TargetKind
	ToID        int64 // of TargetUser and TargetGroup
	Payload     []byte
	Seq         uint64
	LogEpoch    uint64
	Group       int64
	ClientMsgID uint64
	SentAtMs    int64
	QoS         cimpb.QoS

	// Encoded messages for the generated code, unread. Protobuf merges a message that comes twice; no
	// encoder writes one so, and here the last one stands.
	Hello, Welcome, Status, Follows []byte

	// What came at all, be it empty.
	HasHello, HasBatch, HasProperties, HasPayload bool
}

// Parse reads one payload, as Next returns it, over whatever v was. Fields that it does not know, and fields
// of another wire type than theirs, are skipped, as the generated code does. Strings of the map and of the
// encoded messages are not looked at.
// Errors: ErrMalformed, ErrUTF8; v is then of no use.
func (v *View) Parse(payload []byte) error {
	*v = View{}
	for len(payload) > 0 {
		f, n := nextField(payload)
		if n < 0 {
			return ErrMalformed
		}
		payload = payload[n:]
		switch f.typ {
		case protowire.VarintType:
			v.setNumber(f.num, f.value)
		case protowire.BytesType:
			if err := v.setBytes(f.num, f.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *View) setNumber(num protowire.Number, x uint64) {
	switch num {
	case fieldUserID:
		v.UserID = int64(x)
	case fieldCmd:
		v.Cmd = cimpb.Command(x)
	case fieldFrom:
		v.From = int64(x)
	case fieldSeq:
		v.Seq = x
	case fieldLogEpoch:
		v.LogEpoch = x
	case fieldGroup:
		v.Group = int64(x)
	case fieldClientMsgID:
		v.ClientMsgID = x
	case fieldSentAtMs:
		v.SentAtMs = int64(x)
	case fieldQoS:
		v.QoS = cimpb.QoS(x)
	}
}

func (v *View) setBytes(num protowire.Number, b []byte) error {
	switch num {
	case fieldText:
		v.Text = b
		return checkUTF8(b)
	case fieldProperties:
		v.HasProperties = true
	case fieldBatch:
		v.HasBatch = true
		return checkUTF8(b)
	case fieldHello:
		v.Hello, v.HasHello = b, true
	case fieldWelcome:
		v.Welcome = b
	case fieldFromName:
		v.FromName = b
		return checkUTF8(b)
	case fieldTo:
		return v.parseTarget(b)
	case fieldPayload:
		v.Payload, v.HasPayload = b, true
	case fieldStatus:
		v.Status = b
	case fieldFollows:
		v.Follows = b
	}
	return nil
}

func checkUTF8(b []byte) error {
	if !utf8.Valid(b) {
		return ErrUTF8
	}
	return nil
}

// EachBatch calls fn with each text of batch in a payload that Parse has accepted, in order. The texts alias
// the payload.
func EachBatch(payload []byte, fn func(text []byte)) {
	for len(payload) > 0 {
		f, n := nextField(payload)
		if n < 0 {
			return
		}
		payload = payload[n:]
		if f.num == fieldBatch && f.typ == protowire.BytesType {
			fn(f.bytes)
		}
	}
}
