package embedded

import (
	"encoding/binary"
	"errors"

	"cim/route"
)

// meta is what is kept of an inbox beside its messages. Messages with acked < seq <= last are stored. stored
// and dropped count bytes of bodies since the beginning, so their difference is what the inbox holds, and
// an ACK learns what it frees from one message (its total) instead of reading all that it drops.
type meta struct {
	logEpoch uint64 // 0: the inbox has never been used
	last     uint64
	acked    uint64
	stored   uint64
	dropped  uint64
}

const metaSize = 40

var errCorrupt = errors.New("embedded: a record cannot be read")

func (m *meta) position() route.Position {
	return route.Position{LogEpoch: m.logEpoch, Last: m.last, Acked: m.acked}
}

func (m *meta) appendTo(dst []byte) []byte {
	for _, v := range [...]uint64{m.logEpoch, m.last, m.acked, m.stored, m.dropped} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	return dst
}

func parseMeta(value []byte) (meta, error) {
	if len(value) != metaSize {
		return meta{}, errCorrupt
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(value[8*i:]) }
	return meta{logEpoch: at(0), last: at(1), acked: at(2), stored: at(3), dropped: at(4)}, nil
}
