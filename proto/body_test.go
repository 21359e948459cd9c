package cimpb

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Field numbers of what a server adds for each receiver.
const (
	seqNumber      protowire.Number = 12
	logEpochNumber protowire.Number = 13
)

func body(text string) *Frame {
	return &Frame{
		Cmd: Command_MESSAGE, Text: text, From: 42, FromName: "alice",
		SentAtMs: 1_700_000_000_000, Qos: QoS_AT_LEAST_ONCE,
	}
}

// appendPlace writes what only one receiver gets behind a body that all of them get.
func appendPlace(dst, body []byte, logEpoch, seq uint64) []byte {
	size := len(body) + protowire.SizeTag(seqNumber) + protowire.SizeVarint(seq) +
		protowire.SizeTag(logEpochNumber) + protowire.SizeVarint(logEpoch)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = append(dst, body...)
	dst = protowire.AppendTag(dst, seqNumber, protowire.VarintType)
	dst = protowire.AppendVarint(dst, seq)
	dst = protowire.AppendTag(dst, logEpochNumber, protowire.VarintType)
	return protowire.AppendVarint(dst, logEpoch)
}

// TestBodyAndPlaceAreOneFrame is what docs/decisions/0001 stands on.
func TestBodyAndPlaceAreOneFrame(t *testing.T) {
	encoded, err := proto.Marshal(body("hi"))
	if err != nil {
		t.Fatal(err)
	}
	want := body("hi")
	want.Seq, want.LogEpoch = 7, 5
	if got := offWire(t, appendPlace(nil, encoded, 5, 7)); !proto.Equal(got, want) {
		t.Errorf("read %v\nwant %v", got, want)
	}
}

func TestLaterFieldWins(t *testing.T) {
	first, err := proto.Marshal(&Frame{Cmd: Command_MESSAGE, Seq: 1, LogEpoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := offWire(t, appendPlace(nil, first, 5, 7))
	if got.GetSeq() != 7 || got.GetLogEpoch() != 5 {
		t.Errorf("seq %d of epoch %d, want what was appended: 7 of 5", got.GetSeq(), got.GetLogEpoch())
	}
}

// BenchmarkMessagePerReceiver compares the two ways to give a message to one more receiver.
func BenchmarkMessagePerReceiver(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64B", 64}, {"1KiB", 1024}, {"16KiB", 16 << 10}} {
		text := strings.Repeat("x", size.bytes)
		dst := make([]byte, 0, size.bytes+256)
		b.Run("encode/"+size.name, func(b *testing.B) {
			frame := body(text)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				frame.Seq, frame.LogEpoch = uint64(i)+1, 5
				out := protowire.AppendVarint(dst[:0], uint64(proto.Size(frame)))
				if _, err := (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(out, frame); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("append/"+size.name, func(b *testing.B) {
			encoded, err := proto.Marshal(body(text))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				appendPlace(dst[:0], encoded, 5, uint64(i)+1)
			}
		})
		b.Run("decode+encode/"+size.name, func(b *testing.B) {
			encoded, err := proto.Marshal(body(text))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				frame := new(Frame)
				if err := proto.Unmarshal(encoded, frame); err != nil {
					b.Fatal(err)
				}
				frame.Seq, frame.LogEpoch = uint64(i)+1, 5
				out := protowire.AppendVarint(dst[:0], uint64(proto.Size(frame)))
				if _, err := (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(out, frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
