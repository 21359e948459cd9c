package frame

import "google.golang.org/protobuf/encoding/protowire"

// Numbers of Frame's fields; a test holds them against the generated code.
const (
	fieldText        protowire.Number = 1
	fieldUserID      protowire.Number = 2
	fieldCmd         protowire.Number = 3
	fieldProperties  protowire.Number = 4
	fieldBatch       protowire.Number = 5
	fieldHello       protowire.Number = 6
	fieldWelcome     protowire.Number = 7
	fieldFrom        protowire.Number = 8
	fieldFromName    protowire.Number = 9
	fieldTo          protowire.Number = 10
	fieldPayload     protowire.Number = 11
	fieldSeq         protowire.Number = 12
	fieldLogEpoch    protowire.Number = 13
	fieldGroup       protowire.Number = 14
	fieldClientMsgID protowire.Number = 15
	fieldSentAtMs    protowire.Number = 16
	fieldQoS         protowire.Number = 17
	fieldStatus      protowire.Number = 18
	fieldFollows     protowire.Number = 19
)

// field is one field as it stands on the wire: value for varints, bytes for what has a length, neither for
// the fixed types, which Frame does not use and which are skipped wherever they come.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	value uint64
	bytes []byte
}

// nextField reads the field in front of b and says how many bytes it takes: below zero when it is malformed.
func nextField(b []byte) (f field, n int) {
	var head int
	f.num, f.typ, head = protowire.ConsumeTag(b)
	if head < 0 || f.num > protowire.MaxValidNumber {
		return f, -1
	}
	switch f.typ {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(b[head:])
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b[head:])
		// An append to a view must not write into the rest of the frame.
		f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]
	case protowire.Fixed32Type:
		_, n = protowire.ConsumeFixed32(b[head:])
	case protowire.Fixed64Type:
		_, n = protowire.ConsumeFixed64(b[head:])
	default: // groups, and the two types that protobuf does not define
		return f, -1
	}
	if n < 0 {
		return f, -1
	}
	return f, head + n
}

// appendUint appends a varint field, or nothing for zero, as proto3 does.
func appendUint(dst []byte, num protowire.Number, x uint64) []byte {
	if x == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), x)
}

// appendInt is appendUint for the signed types; a negative number takes ten bytes.
func appendInt[T ~int32 | ~int64](dst []byte, num protowire.Number, x T) []byte {
	return appendUint(dst, num, uint64(int64(x)))
}

// appendBytes appends a string or bytes field, or nothing when it is empty.
func appendBytes[T ~string | ~[]byte](dst []byte, num protowire.Number, b T) []byte {
	if len(b) == 0 {
		return dst
	}
	return appendElement(dst, num, b)
}

// appendElement appends one element of a repeated field: an empty one counts as well.
func appendElement[T ~string | ~[]byte](dst []byte, num protowire.Number, b T) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// open makes room for the length of what follows, of which at least that many bytes are known to come. The
// length is written by seal. A good guess saves seal from moving what was written.
func open(dst []byte, atLeast int) (next []byte, mark int) {
	var room [maxLengthBytes]byte
	return append(dst, room[:protowire.SizeVarint(uint64(atLeast))]...), len(dst)
}

// seal writes the length of everything after the room that open made at mark with the same atLeast.
func seal(dst []byte, mark, atLeast int) []byte {
	room := protowire.SizeVarint(uint64(atLeast))
	length := len(dst) - mark - room
	if size := protowire.SizeVarint(uint64(length)); size > room {
		var more [maxLengthBytes]byte
		dst = append(dst, more[:size-room]...)
		copy(dst[mark+size:], dst[mark+room:])
	}
	protowire.AppendVarint(dst[:mark], uint64(length))
	return dst
}
