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
	earlier  []route.Cursor // the logs before, the latest first, and how far each is the same as this one
}

const (
	metaSize    = 40
	earlierSize = 16
)

var errCorrupt = errors.New("embedded: a record cannot be read")

func (m *meta) position() route.Position {
	return route.Position{LogEpoch: m.logEpoch, Last: m.last, Acked: m.acked}
}

func (m *meta) appendTo(dst []byte) []byte {
	for _, v := range [...]uint64{m.logEpoch, m.last, m.acked, m.stored, m.dropped} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	for _, c := range m.earlier {
		dst = binary.BigEndian.AppendUint64(dst, c.LogEpoch)
		dst = binary.BigEndian.AppendUint64(dst, c.Seq)
	}
	return dst
}

// shared says how far a log is the same as this one; the zero Cursor: it is not known.
func (m *meta) shared(logEpoch uint64) route.Cursor {
	if logEpoch != 0 && logEpoch == m.logEpoch {
		return route.Cursor{LogEpoch: logEpoch, Seq: m.last}
	}
	for _, c := range m.earlier {
		if c.LogEpoch == logEpoch {
			return c
		}
	}
	return route.Cursor{}
}

// tailLost begins a new log when a cursor of the present one is above the last message, and reports whether it was. This store
// loses nothing by itself: somebody has put an old copy of the folder in its place, and more may have been stored since. So
// only what was acknowledged is known to be the same in both.
func (m *meta) tailLost(c route.Cursor, nowMs uint64) bool {
	if m.logEpoch == 0 || c.LogEpoch != m.logEpoch || c.Seq <= m.last {
		return false
	}
	kept := m.earlier[:min(len(m.earlier), route.EarlierLogs-1)]
	m.earlier = append([]route.Cursor{{LogEpoch: m.logEpoch, Seq: m.acked}}, kept...)
	m.logEpoch = max(m.logEpoch+1, nowMs) // it is told to clients and never given twice
	return true
}

func parseMeta(value []byte) (meta, error) {
	if len(value) < metaSize || (len(value)-metaSize)%earlierSize != 0 {
		return meta{}, errCorrupt
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(value[8*i:]) }
	m := meta{logEpoch: at(0), last: at(1), acked: at(2), stored: at(3), dropped: at(4)}
	for i := metaSize / 8; i < len(value)/8; i += 2 {
		m.earlier = append(m.earlier, route.Cursor{LogEpoch: at(i), Seq: at(i + 1)})
	}
	return m, nil
}
