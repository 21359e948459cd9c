package embedded

import (
	"bytes"
	"errors"
	"testing"

	"cim/route"
)

// FuzzRecords reads what the disk may hold instead of a record. It is refused as such, or it is a record that
// would be written with the same bytes.
func FuzzRecords(f *testing.F) {
	account := route.Credentials{
		Account: route.Account{ID: 7, Name: "alice", Kind: route.Device, Disabled: true}, Secret: route.HashSecret("x"), Generation: 3,
	}
	inbox := meta{logEpoch: 1, last: 9, acked: 4, stored: 100, dropped: 50}
	f.Add(recordValue(&account))
	f.Add(append([]byte{byte(route.User)}, "of format 1"...))
	f.Add(append(uint64Value(7), byte(route.Device)))
	f.Add(inbox.appendTo(nil))
	f.Add(remembered{hi: 1, lo: 2, sec: 3}.appendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		fuzzAccount(t, value)
		if a, err := parseName("alice", value); err == nil {
			sameBytes(t, "name", append(uint64Value(uint64(a.ID)), byte(a.Kind)), value)
		} else if !errors.Is(err, errCorrupt) || !errors.Is(err, route.ErrStoreUnavailable) {
			t.Errorf("name: %v", err)
		}
		if m, err := parseMeta(value); err == nil {
			sameBytes(t, "meta", m.appendTo(nil), value)
		} else if !errors.Is(err, errCorrupt) {
			t.Errorf("meta: %v", err)
		}
		if r, err := parseRemembered(value); err == nil {
			sameBytes(t, "remembered", r.appendTo(nil), value)
		} else if !errors.Is(err, errCorrupt) {
			t.Errorf("remembered: %v", err)
		}
		sameBytes(t, "value that was read", value, before)
	})
}

// fuzzAccount reads an account's record; those of format 1, and bits that have no meaning yet, are written
// otherwise than they were read, and mean the same.
func fuzzAccount(t *testing.T, value []byte) {
	t.Helper()
	c, err := parseRecord(7, value)
	if err != nil {
		if !errors.Is(err, errCorrupt) || !errors.Is(err, route.ErrStoreUnavailable) {
			t.Errorf("record: %v", err)
		}
		return
	}
	again, err := parseRecord(7, recordValue(&c))
	if err != nil || again != c {
		t.Errorf("record: %+v was written and read as %+v, %v", c, again, err)
	}
}

func sameBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: % x, want % x", what, got, want)
	}
}
