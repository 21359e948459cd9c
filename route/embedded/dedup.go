package embedded

import (
	"crypto/sha256"
	"encoding/binary"

	"cim/route"
)

// name stands for (sender, device, client message id): 96 bits of its SHA-256, because a user may have a
// thousand of them in memory and devices choose their ids themselves. Finding two that collide takes 2^48
// tries and fools nobody but the sender; hitting another sender's name takes 2^96.
type name struct {
	hi uint64
	lo uint32
}

func nameOf(e *route.Entry) name {
	var space [96]byte
	b := binary.BigEndian.AppendUint64(space[:0], uint64(e.Sender))
	b = binary.BigEndian.AppendUint64(b, e.ClientMsgID)
	b = append(b, e.Device...)
	sum := sha256.Sum256(b)
	return name{hi: binary.BigEndian.Uint64(sum[:8]), lo: binary.BigEndian.Uint32(sum[8:12])}
}

// remembered is one message name with the second in which it was stored: 16 bytes.
type remembered struct {
	hi  uint64
	lo  uint32
	sec uint32
}

const rememberedSize = 16

func (r remembered) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, r.hi)
	dst = binary.BigEndian.AppendUint32(dst, r.lo)
	return binary.BigEndian.AppendUint32(dst, r.sec)
}

func parseRemembered(value []byte) (remembered, error) {
	if len(value) != rememberedSize {
		return remembered{}, errCorrupt
	}
	return remembered{
		hi:  binary.BigEndian.Uint64(value),
		lo:  binary.BigEndian.Uint32(value[8:]),
		sec: binary.BigEndian.Uint32(value[12:]),
	}, nil
}

// expired reports whether the window has passed. A clock that was set back makes a name last longer.
func (r remembered) expired(nowSec uint32) bool {
	return int64(nowSec)-int64(r.sec) >= int64(route.DedupWindow.Seconds())
}

// names are the message names that one inbox remembers. Every stored message has one, so they are
// consecutive: entry i belongs to seq first+i. A search walks 16 KiB at most, newest first, which costs less
// than a map and a tenth of its memory.
type names struct {
	first   uint64 // seq of entries[0]
	entries []remembered
}

// find returns the seq of n, unless its window has passed.
func (s *names) find(n name, nowSec uint32) (seq uint64, ok bool) {
	for i := len(s.entries) - 1; i >= 0; i-- {
		if e := s.entries[i]; e.hi == n.hi && e.lo == n.lo && !e.expired(nowSec) {
			return s.first + uint64(i), true
		}
	}
	return 0, false
}

// add remembers n at seq, which is the one after the newest.
func (s *names) add(seq uint64, n name, nowSec uint32) remembered {
	if len(s.entries) == 0 {
		s.first = seq
	}
	r := remembered{hi: n.hi, lo: n.lo, sec: nowSec}
	s.entries = append(s.entries, r)
	return r
}

// trim forgets what is expired or too many and reports the range [from, to) of seqs it forgot.
func (s *names) trim(nowSec uint32) (from, to uint64) {
	drop := max(0, len(s.entries)-route.DedupPerUser)
	for drop < len(s.entries) && s.entries[drop].expired(nowSec) {
		drop++
	}
	from = s.first
	s.first += uint64(drop)
	s.entries = s.entries[drop:]
	return from, s.first
}
