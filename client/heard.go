package client

import "hash/maphash"

// heardMax bounds what is remembered of a move; beyond it all that is older is forgotten.
const heardMax = 4096

var heardSeed = maphash.MakeSeed()

// heard counts messages that are not stored by their bytes, which hold the sender, the time and the text. While a client
// moves, both of its servers write to it what is for everyone: the new one from LOGIN on, the old one until it knows of that. And
// one message takes longer to the one than to the other. What came twice is as often on both, so counting keeps apart what was sent twice. The zero heard is empty.
type heard map[uint64]uint32

func (h *heard) note(payload []byte) {
	if *h == nil {
		*h = make(heard)
	}
	if len(*h) == heardMax {
		clear(*h)
	}
	(*h)[maphash.Bytes(heardSeed, payload)]++
}

// forget takes one out and reports whether it was there.
func (h heard) forget(payload []byte) bool {
	if len(h) == 0 {
		return false
	}
	sum := maphash.Bytes(heardSeed, payload)
	n := h[sum]
	switch n {
	case 0:
		return false
	case 1:
		delete(h, sum)
	default:
		h[sum] = n - 1
	}
	return true
}

// heardBefore reports whether a message that is not stored came on the connection before this one, and notes it for the
// one after.
func (cn *conn) heardBefore(payload []byte) bool {
	if cn.heard.forget(payload) {
		return true
	}
	if cn.mover != nil {
		cn.mover.heard.note(payload)
	}
	return false
}
