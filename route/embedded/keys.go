package embedded

import "encoding/binary"

// The key space. Numbers are big-endian, so that byte order is their order; everything of one kind and one
// user is contiguous.
//
//	a id(8)            -> record                 an account; see record
//	n name             -> id(8) kind(1)          the same, by name
//	d user(8) seq(8)   -> name hash(12) sec(4)   a message name that is remembered; see names
//	i user(8)          -> meta(40 + n*16)        an inbox; see meta
//	m user(8) seq(8)   -> total(8) body          a message; total: bytes of bodies ever stored, with this one
//	s word             -> uint64(8)              the store itself: format, epoch ceiling, last account id
//
// User ids are positive, so their unsigned order is theirs too.
const (
	kindAccount = 'a'
	kindName    = 'n'
	kindDedup   = 'd'
	kindMeta    = 'i'
	kindMessage = 'm'
	kindStore   = 's'
)

var (
	keyFormat      = []byte("sformat")
	keyEpochLimit  = []byte("sepoch")
	keyLastAccount = []byte("saccount")
)

// format is what this code writes: 2 since accounts have secrets, 3 since inboxes remember their earlier logs. A higher
// one in a store means that newer code wrote it.
const format = 3

func appendUserKey(dst []byte, kind byte, user int64) []byte {
	dst = append(dst, kind)
	return binary.BigEndian.AppendUint64(dst, uint64(user))
}

func appendSeqKey(dst []byte, kind byte, user int64, seq uint64) []byte {
	dst = appendUserKey(dst, kind, user)
	return binary.BigEndian.AppendUint64(dst, seq)
}

// seqOfKey reads the last eight bytes of a key that ends in a seq.
func seqOfKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func nameKey(name string) []byte { return append([]byte{kindName}, name...) }

// after is the smallest key above all keys with this prefix; nil when there is none.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func uint64Value(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
