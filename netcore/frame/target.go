package frame

import "google.golang.org/protobuf/encoding/protowire"

// TargetKind is where a message goes; the numbers are those of Target's fields.
type TargetKind uint8

const (
	TargetNone        TargetKind = iota // the frame does not say
	TargetUser                          // View.ToID is a user
	TargetGroup                         // View.ToID is a group
	TargetEveryone                      // whoever is connected
	TargetApplication                   // the back end
)

// parseTarget reads a Target. Its kinds are a oneof: the last one stands. A bool that says false names nobody.
func (v *View) parseTarget(b []byte) error {
	for len(b) > 0 {
		f, n := nextField(b)
		if n < 0 {
			return ErrMalformed
		}
		b = b[n:]
		if f.typ != protowire.VarintType {
			continue
		}
		switch kind := TargetKind(min(f.num, 0xff)); kind {
		case TargetUser, TargetGroup:
			v.To, v.ToID = kind, int64(f.value)
		case TargetEveryone, TargetApplication:
			v.To, v.ToID = kind, 0
			if f.value == 0 {
				v.To = TargetNone
			}
		}
	}
	return nil
}

// appendTarget appends field to. Unlike other numbers, the id of a oneof is written when it is zero too.
func appendTarget(dst []byte, kind TargetKind, id int64) []byte {
	value := uint64(1)
	switch kind {
	case TargetUser, TargetGroup:
		value = uint64(id)
	case TargetEveryone, TargetApplication:
	default:
		return dst
	}
	dst = protowire.AppendTag(dst, fieldTo, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(1+protowire.SizeVarint(value)))
	dst = protowire.AppendTag(dst, protowire.Number(kind), protowire.VarintType)
	return protowire.AppendVarint(dst, value)
}
