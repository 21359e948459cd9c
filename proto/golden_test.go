package cimpb

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// goldenUser is the user of the golden frames.
const goldenUser = 1547028929407

// golden is what the Java SDK and the Java server of CIM put on the wire, length first.
var golden = []struct {
	name, wire string
	frame      *Frame
}{
	{"LOGIN", "0d 0a 04 74 65 73 74 10 ff b6 f0 90 83 2d", &Frame{Text: "test", UserId: goldenUser}},
	{"PING", "0f 0a 04 70 69 6e 67 10 ff b6 f0 90 83 2d 18 02", &Frame{Text: "ping", UserId: goldenUser, Cmd: Command_PING}},
	{"PONG", "08 0a 04 70 6f 6e 67 18 02", &Frame{Text: "pong", Cmd: Command_PING}},
	{
		"OFFLINE batch",
		"2f 10 ff b6 f0 90 83 2d 18 03 22 1e 0a 0d 72 65 63 65 69 76 65 55 73 65 72 49 64" +
			" 12 0d 31 35 34 37 30 32 38 39 32 39 34 30 37 2a 01 61 2a 01 62",
		&Frame{
			UserId: goldenUser, Cmd: Command_OFFLINE, Batch: []string{"a", "b"},
			Properties: map[string]string{"receiveUserId": "1547028929407"},
		},
	},
	{"PING of a session with hello", "02 18 02", &Frame{Cmd: Command_PING}},
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(t, g.wire)
			if got := onWire(t, g.frame); !bytes.Equal(got, want) {
				t.Errorf("encoded % x\n   want % x", got, want)
			}
			if got := offWire(t, want); !proto.Equal(got, g.frame) {
				t.Errorf("decoded %v\n   want %v", got, g.frame)
			}
		})
	}
}

func TestTruncatedGoldenFramesAreNoFrames(t *testing.T) {
	for _, g := range golden {
		wire := unhex(t, g.wire)
		for n := range wire {
			if payload, size := protowire.ConsumeBytes(wire[:n]); size >= 0 {
				t.Errorf("%s: the first %d of %d bytes pass for a frame: % x", g.name, n, len(wire), payload)
			}
		}
	}
}

// TestCommandsOfCIM: the numbers below 16 are CIM's own.
func TestCommandsOfCIM(t *testing.T) {
	want := map[string]int32{"LOGIN": 0, "MESSAGE": 1, "PING": 2, "OFFLINE": 3}
	for name, number := range Command_value {
		if cims, ok := want[name]; ok != (number < 16) || (ok && cims != number) {
			t.Errorf("command %s has number %d; 0 to 15 are for CIM and ours start at 16", name, number)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("hex: %v", err)
	}
	return b
}

// onWire is the whole frame as it is sent: varint length, then the message.
func onWire(t testing.TB, f proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return protowire.AppendBytes(nil, b)
}

// offWire reads exactly one frame.
func offWire(t testing.TB, wire []byte) *Frame {
	t.Helper()
	payload, n := protowire.ConsumeBytes(wire)
	if n != len(wire) {
		t.Fatalf("% x: not one frame: %d of %d bytes", wire, n, len(wire))
	}
	f := new(Frame)
	if err := proto.Unmarshal(payload, f); err != nil {
		t.Fatalf("unmarshal % x: %v", payload, err)
	}
	return f
}
