package frame

import "google.golang.org/protobuf/encoding/protowire"

// Cursor is a place in a log: the inbox, or a group's. The zero Cursor is nowhere and takes no bytes.
type Cursor struct {
	Group    int64 // 0: the inbox
	LogEpoch uint64
	Seq      uint64
}

// append appends the three fields of Frame that are a Cursor.
func (c Cursor) append(dst []byte) []byte {
	dst = appendUint(dst, fieldSeq, c.Seq)
	dst = appendUint(dst, fieldLogEpoch, c.LogEpoch)
	return appendInt(dst, fieldGroup, c.Group)
}

// size is how many bytes append takes; the tags of these fields take one byte each.
func (c Cursor) size() int {
	n := 0
	for _, x := range [...]uint64{c.Seq, c.LogEpoch, uint64(c.Group)} {
		if x != 0 {
			n += 1 + protowire.SizeVarint(x)
		}
	}
	return n
}
