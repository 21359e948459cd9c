package embedded

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
)

// A folder of format 1 holds records of kind and name. They are read, changed, and lock out older code.
func TestOpensFormat1(t *testing.T) {
	fsys := vfs.NewMem()
	s := openFS(t, fsys)
	const id = 77
	old := s.db.NewBatch()
	for key, value := range map[string][]byte{
		string(keyFormat): uint64Value(1), string(keyLastAccount): uint64Value(id),
		string(nameKey("alice")):                    append(uint64Value(id), byte(route.Device)),
		string(appendUserKey(nil, kindAccount, id)): append([]byte{byte(route.Device)}, "alice"...),
	} {
		if err := old.Set([]byte(key), value, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = openFS(t, fsys)
	want := route.Credentials{Account: route.Account{ID: id, Name: "alice", Kind: route.Device}, Generation: 1}
	if got, err := s.Credentials(t.Context(), id); err != nil || got != want {
		t.Errorf("Credentials = %+v, %v; want %+v", got, err, want)
	}
	want.Secret, want.Generation = route.HashSecret("x"), 2
	if err := s.SetSecret(t.Context(), id, want.Secret); err != nil {
		t.Fatal(err)
	}
	if written, err := readUint64(s.db, keyFormat); err != nil || written != format {
		t.Errorf("the folder says format %d (%v), want %d", written, err, format)
	}
	closeStore(t, s)

	s = openFS(t, fsys)
	if got, err := s.Credentials(t.Context(), id); err != nil || got != want {
		t.Errorf("afterwards Credentials = %+v, %v; want %+v", got, err, want)
	}
	closeStore(t, s)
}

func TestAccountRecords(t *testing.T) {
	c := route.Credentials{
		Account: route.Account{ID: 5, Name: "x", Kind: route.Device, Disabled: true}, Secret: route.HashSecret("s"), Generation: 9,
	}
	whole := recordValue(&c)
	if got, err := parseRecord(5, whole); err != nil || got != c {
		t.Errorf("a record comes back as %+v, %v", got, err)
	}
	for name, value := range map[string][]byte{"empty": nil, "cut": whole[:recordHead-1], "an unknown mark": {0xff, 'x'}} {
		if got, err := parseRecord(5, value); !errors.Is(err, errCorrupt) {
			t.Errorf("%s: read as %+v, %v", name, got, err)
		}
	}
}
