package bench

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func encode(t testing.TB, f *cimpb.Frame) []byte {
	t.Helper()
	b, err := frame.AppendFrame(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The stream of a session, cut in two and in three at every byte, gives the same frames.
func TestFramesSplitAtEveryByte(t *testing.T) {
	stream := slices.Concat(
		encode(t, &cimpb.Frame{Cmd: cimpb.Command_WELCOME, Welcome: &cimpb.Welcome{HeartbeatMs: 10_000, IdleTimeoutMs: 25_000}}),
		frame.Ping, frame.Ping,
		encode(t, &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeIdleTimeout.Status(0)}))
	const want = "[WELCOME pong pong ERROR]"
	for i := range stream {
		for j := i; j <= len(stream); j++ {
			if got := fmt.Sprint(framesOf(t, stream[:i], stream[i:j], stream[j:])); got != want {
				t.Fatalf("cut at %d and %d: %s, want %s", i, j, got, want)
			}
		}
	}
}

// framesOf reads pieces as the swarm does: what is left of one goes in front of the next.
func framesOf(t *testing.T, pieces ...[]byte) []string {
	t.Helper()
	var names []string
	var held []byte
	for _, piece := range pieces {
		buf := slices.Concat(held, piece)
		taken, err := eachFrame(buf, func(payload []byte) bool {
			names = append(names, nameOf(t, payload))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		held = keep(buf[taken:])
		clear(buf) // what is kept must not alias it
	}
	if held != nil {
		t.Fatalf("%d bytes are left over", len(held))
	}
	return names
}

func nameOf(t *testing.T, payload []byte) string {
	t.Helper()
	if isPong(payload) {
		return "pong"
	}
	var v frame.View
	if err := v.Parse(payload); err != nil {
		t.Fatal(err)
	}
	return v.Cmd.String()
}

func TestEachFrameStopsWhenTold(t *testing.T) {
	stream := slices.Concat(frame.Ping, frame.Ping, frame.Ping)
	calls := 0
	taken, err := eachFrame(stream, func([]byte) bool {
		calls++
		return calls < 2
	})
	if err != nil || calls != 2 || taken != 6 {
		t.Errorf("%d frames in %d bytes (%v), want 2 in 6", calls, taken, err)
	}
}

func TestEachFrameRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		tail []byte
		want error
	}{
		"empty frame":    {[]byte{0}, frame.ErrEmpty},
		"endless length": {[]byte{0xff, 0xff, 0xff, 0xff, 0xff}, frame.ErrVarint},
		"over the limit": {[]byte{0xff, 0xff, 0xff, 0x7f}, frame.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			taken, err := eachFrame(slices.Concat(frame.Ping, tc.tail), func([]byte) bool { return true })
			if !errors.Is(err, tc.want) || taken != len(frame.Ping) {
				t.Errorf("took %d bytes and %v, want the first frame and %v", taken, err, tc.want)
			}
		})
	}
}
