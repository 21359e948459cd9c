package frame

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestNext(t *testing.T) {
	t.Parallel()
	hundred := append([]byte{100}, make([]byte, 100)...)
	cases := map[string]struct {
		buf     []byte
		limit   int
		payload []byte
		n       int
		err     error
	}{
		"nothing yet":                     {buf: nil, limit: 9},
		"length alone":                    {buf: []byte{2}, limit: 9},
		"one byte missing":                {buf: []byte{2, 0x18}, limit: 9},
		"whole":                           {buf: []byte{2, 0x18, 2}, limit: 9, payload: []byte{0x18, 2}, n: 3},
		"more follows":                    {buf: []byte{2, 0x18, 2, 7, 7}, limit: 9, payload: []byte{0x18, 2}, n: 3},
		"exactly at the limit":            {buf: hundred, limit: 100, payload: hundred[1:], n: 101},
		"one over the limit":              {buf: hundred, limit: 99, err: ErrTooLarge},
		"over the limit, no payload yet":  {buf: []byte{100}, limit: 99, err: ErrTooLarge},
		"no limit that takes it":          {buf: []byte{1, 1}, limit: 0, err: ErrTooLarge},
		"negative limit":                  {buf: []byte{1, 1}, limit: -1, err: ErrTooLarge},
		"empty":                           {buf: []byte{0}, limit: 9, err: ErrEmpty},
		"empty, long form":                {buf: []byte{0x80, 0x80, 0}, limit: 9, err: ErrEmpty},
		"not the shortest, two bytes":     {buf: []byte{0x82, 0, 0x18, 2}, limit: 9, payload: []byte{0x18, 2}, n: 4},
		"not the shortest, five bytes":    {buf: []byte{0x82, 0x80, 0x80, 0x80, 0, 0x18, 2}, limit: 9, payload: []byte{0x18, 2}, n: 7},
		"not the shortest, not complete":  {buf: []byte{0x82, 0x80, 0x80, 0x80}, limit: 9},
		"six bytes":                       {buf: []byte{0x82, 0x80, 0x80, 0x80, 0x80, 0}, limit: 9, err: ErrVarint},
		"six bytes, the last to come":     {buf: []byte{0x82, 0x80, 0x80, 0x80, 0x80}, limit: 9, err: ErrVarint},
		"largest int32, incomplete":       {buf: protowire.AppendVarint(nil, math.MaxInt32), limit: math.MaxInt32},
		"over int32":                      {buf: protowire.AppendVarint(nil, math.MaxInt32+1), limit: math.MaxInt, err: ErrTooLarge},
		"over uint32, in five bytes":      {buf: protowire.AppendVarint(nil, 1<<35-1), limit: math.MaxInt, err: ErrTooLarge},
		"negative int32, as Netty has it": {buf: protowire.AppendVarint(nil, math.MaxUint32), limit: math.MaxInt, err: ErrTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, n, err := Next(c.buf, c.limit)
			if !errors.Is(err, c.err) || n != c.n || !bytes.Equal(payload, c.payload) {
				t.Errorf("Next(%x, %d) = %x, %d, %v; want %x, %d, %v", c.buf, c.limit, payload, n, err, c.payload, c.n, c.err)
			}
		})
	}
}

func TestNextFindsFramesSplitAtEveryByte(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte{'x'}, 200) // a length of two bytes
	long := AppendSend(nil, &Send{To: TargetUser, ToID: 7, Text: body, ClientMsgID: 1})
	for _, whole := range [][]byte{Ping, CIMPong, long, unhex(t, goldenOffline)} {
		for cut := range whole {
			if payload, n, err := Next(whole[:cut], len(whole)); payload != nil || n != 0 || err != nil {
				t.Fatalf("the first %d of %d bytes give %x, %d, %v; want nothing yet", cut, len(whole), payload, n, err)
			}
		}
		one(t, whole)
	}
}

func TestNextTakesCoalescedFramesApart(t *testing.T) {
	t.Parallel()
	stream := append([]byte(nil), Ping...)
	stream = AppendAck(stream, Cursor{LogEpoch: 4, Seq: 9})
	stream = append(stream, CIMPong...)
	stream = append(stream, 2) // and the beginning of another
	var got [][]byte
	for {
		payload, n, err := Next(stream, 64)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		got = append(got, payload)
		stream = stream[n:]
	}
	want := [][]byte{Ping[1:], AppendAck(nil, Cursor{LogEpoch: 4, Seq: 9})[1:], CIMPong[1:]}
	if len(got) != len(want) || len(stream) != 1 {
		t.Fatalf("%d frames and %d bytes left, want %d and 1", len(got), len(stream), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("frame %d is %x, want %x", i, got[i], want[i])
		}
	}
}

func TestNextClipsThePayload(t *testing.T) {
	t.Parallel()
	buf := []byte{1, 0x18, 0xee}
	payload, _, err := Next(buf, 9)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(payload, 0)
	if buf[2] != 0xee {
		t.Error("an append to the payload wrote into the frame behind it")
	}
}
