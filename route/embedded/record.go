package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// An account's record is mark(1) kind(1) flags(1) generation(8) secret(32) name. Before format 2 it was kind(1)
// name, which is still read; no kind has the value of the mark.
const (
	recordMark     = 0xf2
	recordHead     = 3 + 8 + len(route.SecretHash{})
	recordDisabled = 1 << 0 // of flags
	maxKind        = 0x7f   // of an account: what is above marks a record
)

func recordValue(c *route.Credentials) []byte {
	var flags byte
	if c.Disabled {
		flags |= recordDisabled
	}
	value := append(make([]byte, 0, recordHead+len(c.Name)), recordMark, byte(c.Kind), flags)
	value = binary.BigEndian.AppendUint64(value, c.Generation)
	value = append(value, c.Secret[:]...)
	return append(value, c.Name...)
}

func parseRecord(id int64, value []byte) (route.Credentials, error) {
	switch {
	case len(value) > 0 && value[0] <= maxKind:
		return route.Credentials{
			Account:    route.Account{ID: id, Name: string(value[1:]), Kind: route.Kind(value[0])},
			Generation: 1,
		}, nil
	case len(value) < recordHead || value[0] != recordMark:
		return route.Credentials{}, fmt.Errorf("%w: account %d: %w", route.ErrStoreUnavailable, id, errCorrupt)
	}
	c := route.Credentials{
		Account: route.Account{
			ID: id, Kind: route.Kind(value[1]), Disabled: value[2]&recordDisabled != 0, Name: string(value[recordHead:]),
		},
		Generation: binary.BigEndian.Uint64(value[3:]),
	}
	copy(c.Secret[:], value[11:])
	return c, nil
}

// readRecord reads an account, whether its round is on the disk or not; the zero one when there is none.
func readRecord(db *pebble.DB, id int64) (c route.Credentials, err error) {
	var key [9]byte
	value, closer, err := db.Get(appendUserKey(key[:0], kindAccount, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("%w: read account: %w", route.ErrStoreUnavailable, err)
	}
	defer closer.Close()
	return parseRecord(id, value)
}
