package frame

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

const goldenUser = 1547028929407

// What CIM's SDK and server put on the wire, length first.
const (
	goldenLogin   = "0d 0a 04 74 65 73 74 10 ff b6 f0 90 83 2d"
	goldenPing    = "0f 0a 04 70 69 6e 67 10 ff b6 f0 90 83 2d 18 02"
	goldenPong    = "08 0a 04 70 6f 6e 67 18 02"
	goldenOffline = "2f 10 ff b6 f0 90 83 2d 18 03 22 1e 0a 0d 72 65 63 65 69 76 65 55 73 65 72 49 64" +
		" 12 0d 31 35 34 37 30 32 38 39 32 39 34 30 37 2a 01 61 2a 01 62"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// one takes the only frame of buf apart.
func one(t testing.TB, buf []byte) []byte {
	t.Helper()
	payload, n, err := Next(buf, len(buf))
	if err != nil || n != len(buf) {
		t.Fatalf("Next(%x) = %x, %d, %v; want one whole frame", buf, payload, n, err)
	}
	return payload
}

// generated decodes the only frame of buf with the generated code.
func generated(t testing.TB, buf []byte) *cimpb.Frame {
	t.Helper()
	f := new(cimpb.Frame)
	if err := proto.Unmarshal(one(t, buf), f); err != nil {
		t.Fatalf("generated code cannot read %x: %v", buf, err)
	}
	return f
}

func wantFrame(t *testing.T, got, want *cimpb.Frame) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("frame is\n%v, want\n%v", got, want)
	}
}

func offlineGolden() *cimpb.Frame {
	return &cimpb.Frame{
		UserId: goldenUser, Cmd: cimpb.Command_OFFLINE, Batch: []string{"a", "b"},
		Properties: map[string]string{"receiveUserId": "1547028929407"},
	}
}

func TestParseReadsCIMsGoldenFrames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		golden string
		want   View
		batch  []string
	}{
		"LOGIN":   {goldenLogin, View{Cmd: cimpb.Command_LOGIN, UserID: goldenUser, Text: []byte("test")}, nil},
		"PING":    {goldenPing, View{Cmd: cimpb.Command_PING, UserID: goldenUser, Text: []byte("ping")}, nil},
		"PONG":    {goldenPong, View{Cmd: cimpb.Command_PING, Text: []byte("pong")}, nil},
		"OFFLINE": {goldenOffline, View{Cmd: cimpb.Command_OFFLINE, UserID: goldenUser, HasBatch: true, HasProperties: true}, []string{"a", "b"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := one(t, unhex(t, c.golden))
			var v View
			if err := v.Parse(payload); err != nil {
				t.Fatal(err)
			}
			wantView(t, &v, &c.want)
			if got := batchOf(payload); !slices.Equal(got, c.batch) {
				t.Errorf("batch is %q, want %q", got, c.batch)
			}
		})
	}
}

func TestPingsAreTheGoldenBytes(t *testing.T) {
	t.Parallel()
	if want := unhex(t, goldenPong); !bytes.Equal(CIMPong, want) {
		t.Errorf("CIMPong is %x, want %x", CIMPong, want)
	}
	if want := unhex(t, "02 18 02"); !bytes.Equal(Ping, want) {
		t.Errorf("Ping is %x, want %x", Ping, want)
	}
	wantFrame(t, generated(t, Ping), &cimpb.Frame{Cmd: cimpb.Command_PING})
	wantFrame(t, generated(t, CIMPong), &cimpb.Frame{Cmd: cimpb.Command_PING, Text: "pong"})
}

func TestAppendFrameWritesCIMsGoldenFrames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		golden string
		frame  *cimpb.Frame
	}{
		"LOGIN": {goldenLogin, &cimpb.Frame{UserId: goldenUser, Text: "test"}},
		"PING":  {goldenPing, &cimpb.Frame{Cmd: cimpb.Command_PING, UserId: goldenUser, Text: "ping"}},
		"PONG":  {goldenPong, &cimpb.Frame{Cmd: cimpb.Command_PING, Text: "pong"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AppendFrame([]byte("before"), c.frame)
			if err != nil {
				t.Fatal(err)
			}
			if want := append([]byte("before"), unhex(t, c.golden)...); !bytes.Equal(got, want) {
				t.Errorf("AppendFrame wrote %x, want %x", got, want)
			}
		})
	}
}

func TestAppendCIMWritesTheGoldenOffline(t *testing.T) {
	t.Parallel()
	got := AppendCIM(nil, &CIMMessage{
		Cmd: cimpb.Command_OFFLINE, Receiver: goldenUser, Batch: [][]byte{[]byte("a"), []byte("b")},
	})
	golden := unhex(t, goldenOffline)
	wantFrame(t, generated(t, golden), offlineGolden())
	wantFrame(t, generated(t, got), offlineGolden())
	if len(got) != len(golden) {
		t.Errorf("the frame takes %d bytes, CIM's %d", len(got), len(golden))
	}
}
