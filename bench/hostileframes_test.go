package bench

import (
	"bytes"
	"errors"
	"testing"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Mutations begin with frames that servers take: otherwise they would all fail for the same reason.
func TestHonestFramesAreRight(t *testing.T) {
	commands := map[cimpb.Command]bool{}
	for i, payload := range honestFrames(5) {
		var v frame.View
		if err := v.Parse(payload); err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
		commands[v.Cmd] = true
	}
	for _, cmd := range []cimpb.Command{
		cimpb.Command_LOGIN, cimpb.Command_PING, cimpb.Command_SEND, cimpb.Command_ACK, cimpb.Command_SYNC, cimpb.Command_OFFLINE,
	} {
		if !commands[cmd] {
			t.Errorf("no frame is %s", cmd)
		}
	}
}

func TestMutationsFollowTheSeed(t *testing.T) {
	mutate := func(seed, stream uint64) (all []byte) {
		m := newMutator(1)
		m.seed(seed, stream)
		for range 50 {
			_, b := m.next()
			all = append(all, b...)
		}
		return all
	}
	first := mutate(1, 2)
	if again := mutate(1, 2); !bytes.Equal(again, first) {
		t.Error("the same seed made other bytes")
	}
	for name, other := range map[string][2]uint64{"seed": {3, 2}, "stream": {1, 3}} {
		if b := mutate(other[0], other[1]); bytes.Equal(b, first) {
			t.Errorf("another %s made the same bytes", name)
		}
	}
}

// A mutation changes a copy: the next one begins with a right frame again.
func TestMutationsLeaveTheirBases(t *testing.T) {
	m := newMutator(1)
	m.seed(9, 9)
	for range 2000 {
		m.next()
	}
	for i, payload := range honestFrames(1) {
		if !bytes.Equal(m.bases[i], payload) {
			t.Fatalf("base %d was changed", i)
		}
	}
}

// Every mutation comes, within bounds, and goes wrong in the way that it is named after.
func TestMutations(t *testing.T) {
	m := newMutator(1)
	m.seed(4, 0)
	seen := map[string]map[error]int{}
	for range 20_000 {
		kind, b := m.next()
		if len(b) == 0 || len(b) > frameLimit {
			t.Fatalf("%s made %d bytes", mutations[kind].name, len(b))
		}
		name := mutations[kind].name
		if seen[name] == nil {
			seen[name] = map[error]int{}
		}
		seen[name][reading(b)]++
	}
	for name, want := range map[string][]error{
		"bits":      {nil, frame.ErrMalformed, errIncomplete},
		"truncated": {frame.ErrEmpty, frame.ErrMalformed},
		"length":    {frame.ErrEmpty, frame.ErrVarint, frame.ErrTooLarge, errIncomplete},
		"repeated":  {nil},
		"varint":    {nil, frame.ErrMalformed},
		"utf8":      {frame.ErrUTF8},
		"batch":     {nil},
		"spliced":   {nil, frame.ErrMalformed},
		"noise":     {frame.ErrMalformed, frame.ErrTooLarge},
		"nested":    {frame.ErrMalformed},
		"valid":     {nil},
	} {
		for _, err := range want {
			if seen[name][err] == 0 {
				t.Errorf("%s never caused %v, but %v", name, err, seen[name])
			}
		}
	}
	if n := seen["valid"]; len(n) != 1 {
		t.Errorf("a valid frame was refused: %v", n)
	}
	if len(seen) != len(mutations) {
		t.Errorf("%d of %d mutations came", len(seen), len(mutations))
	}
}

func TestBrokenRecords(t *testing.T) {
	m := newMutator(1)
	m.seed(4, 0)
	record := []byte("\x16\x03\x01\x00\x05hello")
	whole, cut := 0, 0
	for range 200 {
		b := m.breakRecord(record)
		switch {
		case len(b) == 0 || len(b) > len(record):
			t.Fatalf("%d bytes", len(b))
		case len(b) == len(record):
			whole++
		default:
			cut++
		}
	}
	if whole == 0 || cut == 0 || string(record[5:]) != "hello" {
		t.Errorf("%d whole and %d cut records; the first one is %q", whole, cut, record)
	}
}

var errIncomplete = errors.New("incomplete")

// reading is what a server finds out about b.
func reading(b []byte) error {
	payload, n, err := frame.Next(b, 64<<10)
	if err != nil {
		return err
	}
	if n == 0 {
		return errIncomplete
	}
	var v frame.View
	return v.Parse(payload)
}
