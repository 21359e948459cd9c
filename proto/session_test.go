package cimpb

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// step is one frame of the session that docs/protocol.md shows.
type step struct {
	side, name string // C or S, and the command
	wire       []byte
}

// docSession is alice (42), who was away while bob (43) wrote, comes back, acknowledges and answers.
func docSession(t *testing.T) []step {
	t.Helper()
	encoded, err := proto.Marshal(&Frame{
		Cmd: Command_MESSAGE, Text: "are you there?", From: 43, FromName: "bob",
		SentAtMs: 1_700_000_000_000, Qos: QoS_AT_LEAST_ONCE,
	})
	if err != nil {
		t.Fatal(err)
	}
	frames := []struct {
		side  string
		frame *Frame
	}{
		{"C", &Frame{
			Cmd: Command_LOGIN, UserId: 42, Text: "alice",
			Hello: &Hello{Version: 1, Device: "laptop", HeartbeatMs: 30_000, Cursors: []*Cursor{{LogEpoch: 5, Seq: 6}}},
		}},
		{"S", &Frame{Cmd: Command_WELCOME, UserId: 42, Welcome: &Welcome{
			SessionEpoch: 1_700_000_060_000, HeartbeatMs: 30_000, IdleTimeoutMs: 75_000, SendCredit: 32, MaxFrameBytes: 64 << 10,
			Inbox: &Cursor{LogEpoch: 5, Seq: 7}, Acked: 6, ServerTimeMs: 1_700_000_060_000, Instance: "9f2c41d0",
		}}},
		{"S", nil}, // the MESSAGE, as a body with its place appended
		{"C", &Frame{Cmd: Command_ACK, LogEpoch: 5, Seq: 7}},
		{"C", &Frame{
			Cmd: Command_SEND, To: &Target{Kind: &Target_User{User: 43}}, Text: "yes",
			ClientMsgId: 1, Qos: QoS_AT_LEAST_ONCE,
		}},
		{"S", &Frame{Cmd: Command_SENT, ClientMsgId: 1, LogEpoch: 3, Seq: 19, Status: &Status{Code: uint32(CodeStored)}}},
		{"C", &Frame{Cmd: Command_PING}},
		{"S", &Frame{Cmd: Command_PING}},
		{"S", &Frame{Cmd: Command_KICK, Seq: 1_700_000_060_000, Status: CodeReplaced.Status(0)}},
	}
	var steps []step
	for _, f := range frames {
		if f.frame == nil {
			steps = append(steps, step{f.side, "MESSAGE", appendPlace(nil, encoded, 5, 7)})
			continue
		}
		steps = append(steps, step{f.side, f.frame.GetCmd().String(), onWire(t, f.frame)})
	}
	return steps
}

// docBlock returns the lines of the fenced block of that language in docs/protocol.md.
func docBlock(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(protocolDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("docs/protocol.md has no block %q", language)
	}
	return strings.Split(block, "\n")
}

// readSession takes lines "C NAME what it says" and, indented below each, its bytes.
func readSession(t *testing.T, lines []string) []step {
	t.Helper()
	var steps []step
	for _, line := range lines {
		if hexDigits, indented := strings.CutPrefix(line, "  "); indented {
			if len(steps) == 0 {
				t.Fatalf("bytes without a frame: %q", line)
			}
			last := &steps[len(steps)-1]
			last.wire = append(last.wire, unhex(t, hexDigits)...)
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			t.Fatalf("not a step: %q", line)
		}
		steps = append(steps, step{side: words[0], name: words[1]})
	}
	return steps
}

func TestDocSessionIsWhatTheEncoderWrites(t *testing.T) {
	got, want := readSession(t, docBlock(t, "session")), docSession(t)
	if len(got) != len(want) {
		t.Errorf("docs/protocol.md shows %d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if i >= len(got) || got[i].side != want[i].side || got[i].name != want[i].name || !bytes.Equal(got[i].wire, want[i].wire) {
			t.Errorf("frame %d should read\n%s", i, want[i])
		}
	}
}

func TestDocSessionReadsAsFrames(t *testing.T) {
	for _, s := range readSession(t, docBlock(t, "session")) {
		if got := offWire(t, s.wire).GetCmd().String(); got != s.name {
			t.Errorf("the bytes of %s are a %s", s.name, got)
		}
	}
}

// String is a step as docs/protocol.md writes it.
func (s step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.side, s.name)
	for chunk := s.wire; len(chunk) > 0; chunk = chunk[min(len(chunk), 24):] {
		fmt.Fprintf(&b, "\n  % x", chunk[:min(len(chunk), 24)])
	}
	return b.String()
}

// TestDocSignature: the worked signature of docs/protocol.md, computed by its own rule.
func TestDocSignature(t *testing.T) {
	batch, err := proto.Marshal(&PushBatch{FromInstance: "a", ToInstance: "b", Kicks: []*SessionRef{{User: 42, SessionEpoch: 7, Code: uint32(CodeReplaced)}}})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(parts ...string) string {
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write([]byte(strings.Join(parts, "\n")))
		return hex.EncodeToString(mac.Sum(nil))
	}
	request := sign("POST", "/cluster/push", "1700000000000", string(batch))
	reply, err := proto.Marshal(&PushReply{Instance: "b", Kicks: []bool{true}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"request body   " + fmt.Sprintf("% x", batch),
		"CIM-Signature  " + request,
		"reply body     " + fmt.Sprintf("% x", reply),
		"CIM-Signature  " + sign("REPLY", "/cluster/push", request, string(reply)),
	}
	if got := docBlock(t, "signature"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("docs/protocol.md should show\n%s", strings.Join(want, "\n"))
	}
}
