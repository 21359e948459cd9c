package frame

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// sizes are lengths of content around the places where the length of a frame takes one byte more.
var sizes = []int{0, 1, 99, 100, 101, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 300, 16370, 16380, 16384, 65536}

var targets = map[string]struct {
	kind TargetKind
	id   int64
	want *cimpb.Target
}{
	"none":        {TargetNone, 0, nil},
	"user":        {TargetUser, goldenUser, &cimpb.Target{Kind: &cimpb.Target_User{User: goldenUser}}},
	"user zero":   {TargetUser, 0, &cimpb.Target{Kind: &cimpb.Target_User{}}},
	"negative":    {TargetUser, -1, &cimpb.Target{Kind: &cimpb.Target_User{User: -1}}},
	"group":       {TargetGroup, 7, &cimpb.Target{Kind: &cimpb.Target_Group{Group: 7}}},
	"everyone":    {TargetEveryone, 99, &cimpb.Target{Kind: &cimpb.Target_Everyone{Everyone: true}}},
	"application": {TargetApplication, 0, &cimpb.Target{Kind: &cimpb.Target_Application{Application: true}}},
	"undefined":   {9, 5, nil},
}

// both wants buf to be "before" and one frame, which both decoders read as want.
func both(t *testing.T, buf []byte, want *cimpb.Frame) {
	t.Helper()
	rest, found := bytes.CutPrefix(buf, []byte("before"))
	if !found {
		t.Fatalf("%q does not begin with what was there", buf)
	}
	wantFrame(t, generated(t, rest), want)
	compareWithGenerated(t, one(t, rest))
	if exact, err := AppendFrame(nil, want); err != nil || len(exact) != len(rest) {
		t.Errorf("the frame takes %d bytes, generated %d (%v)", len(rest), len(exact), err)
	}
}

func before() []byte { return []byte("before") }

func TestAppendSend(t *testing.T) {
	t.Parallel()
	for name, c := range targets {
		got := AppendSend(before(), &Send{To: c.kind, ToID: c.id, Text: []byte("hi"), ClientMsgID: 3, QoS: cimpb.QoS_AT_LEAST_ONCE})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, got, &cimpb.Frame{Cmd: cimpb.Command_SEND, To: c.want, Text: "hi", ClientMsgId: 3, Qos: cimpb.QoS_AT_LEAST_ONCE})
		})
	}
}

func TestAppendSendOfEverySize(t *testing.T) {
	t.Parallel()
	for _, size := range sizes {
		content := strings.Repeat("é", size/2) + strings.Repeat("x", size%2)
		got := AppendSend(before(), &Send{Text: []byte(content), ClientMsgID: math.MaxUint64})
		both(t, got, &cimpb.Frame{Cmd: cimpb.Command_SEND, Text: content, ClientMsgId: math.MaxUint64})
		got = AppendSend(before(), &Send{Payload: []byte(content), ClientMsgID: 1})
		both(t, got, &cimpb.Frame{Cmd: cimpb.Command_SEND, Payload: []byte(content), ClientMsgId: 1})
	}
}

func TestAppendBodyAndMessage(t *testing.T) {
	t.Parallel()
	for name, c := range targets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range sizes {
				content := bytes.Repeat([]byte{0xff}, size)
				body := AppendBody(nil, &Body{
					From: 12, FromName: []byte("zs"), Payload: content, To: c.kind, ToID: c.id, SentAtMs: 1700000000000, QoS: 1,
				})
				want := &cimpb.Frame{
					Cmd: cimpb.Command_MESSAGE, From: 12, FromName: "zs", To: c.want, Payload: content, SentAtMs: 1700000000000, Qos: 1,
				}
				both(t, AppendMessage(before(), body, Cursor{}), want)
				want.Seq, want.LogEpoch, want.Group = 300, 1<<60, 5
				both(t, AppendMessage(before(), body, Cursor{Seq: 300, LogEpoch: 1 << 60, Group: 5}), want)
			}
		})
	}
}

func TestAppendBodyIsTheGeneratedBytes(t *testing.T) {
	t.Parallel()
	got := AppendBody(before(), &Body{From: 12, FromName: []byte("zs"), Text: []byte("hi"), To: TargetEveryone, SentAtMs: 9})
	want := append(before(), marshal(t, &cimpb.Frame{
		Cmd: cimpb.Command_MESSAGE, From: 12, FromName: "zs", Text: "hi", To: targets["everyone"].want, SentAtMs: 9,
	})...)
	if !bytes.Equal(got, want) {
		t.Errorf("body is %x, generated %x", got, want)
	}
}

func TestAppendMessageTakesABodyOfTheGeneratedCode(t *testing.T) {
	t.Parallel()
	body := marshal(t, &cimpb.Frame{Cmd: cimpb.Command_MESSAGE, From: 1, Batch: []string{"a", "b"}})
	both(t, AppendMessage(before(), body, Cursor{Seq: 2}),
		&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, From: 1, Batch: []string{"a", "b"}, Seq: 2})
}

func TestAppendAckAndSync(t *testing.T) {
	t.Parallel()
	cases := map[string]Cursor{
		"nowhere":    {},
		"inbox":      {LogEpoch: 1, Seq: 128},
		"group":      {Group: 1<<53 - 1, LogEpoch: 1 << 20, Seq: 1},
		"the utmost": {Group: -1, LogEpoch: math.MaxUint64, Seq: math.MaxUint64},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := &cimpb.Frame{Cmd: cimpb.Command_ACK, Group: c.Group, LogEpoch: c.LogEpoch, Seq: c.Seq}
			both(t, AppendAck(before(), c), want)
			want.Cmd = cimpb.Command_SYNC
			both(t, AppendSync(before(), c), want)
		})
	}
}

// Every code of the table, so that each sentence passes the place where a length grows to two bytes.
func TestAppendSentOfEveryCode(t *testing.T) {
	t.Parallel()
	known := 0
	for code := range cimpb.Code(400) {
		if code != 0 && code.Sentence() == "" {
			continue
		}
		known++
		want := &cimpb.Frame{Cmd: cimpb.Command_SENT, ClientMsgId: 1 << 50, Status: code.Status(250)}
		if code <= cimpb.CodeStored {
			want.Status = &cimpb.Status{Code: uint32(code)}
		}
		both(t, AppendSent(before(), &Sent{ClientMsgID: 1 << 50, Code: code, RetryAfterMs: 250}), want)
	}
	if known < 30 {
		t.Errorf("%d codes tried, want the whole table", known)
	}
}

func TestAppendSentSaysWhere(t *testing.T) {
	t.Parallel()
	got := AppendSent(before(), &Sent{ClientMsgID: 5, Code: cimpb.CodeStored, Cursor: Cursor{Group: 3, LogEpoch: 2, Seq: 1}})
	both(t, got, &cimpb.Frame{
		Cmd: cimpb.Command_SENT, ClientMsgId: 5, Group: 3, LogEpoch: 2, Seq: 1, Status: &cimpb.Status{Code: uint32(cimpb.CodeStored)},
	})
	got = AppendSent(before(), &Sent{ClientMsgID: 5, Code: cimpb.CodeStored, Cursor: Cursor{LogEpoch: 2, Seq: 1}, Offline: true})
	both(t, got, &cimpb.Frame{
		Cmd: cimpb.Command_SENT, ClientMsgId: 5, LogEpoch: 2, Seq: 1, Status: &cimpb.Status{Code: uint32(cimpb.CodeStored), Offline: true},
	})
}

func TestAppendCIM(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		message CIMMessage
		want    *cimpb.Frame
	}{
		"from a person": {
			CIMMessage{Cmd: cimpb.Command_MESSAGE, Receiver: 2, From: 1, FromName: []byte("zs"), Text: []byte("hi")},
			&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, UserId: 2, Text: "hi", Properties: map[string]string{
				"sendUserId": "1", "sendUserName": "zs", "receiveUserId": "2",
			}},
		},
		"from an application": {
			CIMMessage{Cmd: cimpb.Command_MESSAGE, Receiver: 1<<53 - 1, Text: []byte("hi")},
			&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, UserId: 1<<53 - 1, Text: "hi", Properties: map[string]string{"receiveUserId": "9007199254740991"}},
		},
		"batch stands in place of text": {
			CIMMessage{Cmd: cimpb.Command_OFFLINE, Receiver: 2, From: 1, Text: []byte("not sent"), Batch: [][]byte{[]byte("a"), {}, []byte("c")}},
			&cimpb.Frame{Cmd: cimpb.Command_OFFLINE, UserId: 2, Batch: []string{"a", "", "c"}, Properties: map[string]string{
				"sendUserId": "1", "receiveUserId": "2",
			}},
		},
		"the longest ids": {
			CIMMessage{Cmd: cimpb.Command_OFFLINE, Receiver: math.MinInt64, From: math.MaxInt64, Text: []byte("hi")},
			&cimpb.Frame{Cmd: cimpb.Command_OFFLINE, UserId: math.MinInt64, Text: "hi", Properties: map[string]string{
				"sendUserId": "9223372036854775807", "receiveUserId": "-9223372036854775808",
			}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, AppendCIM(before(), &c.message), c.want)
		})
	}
}

func TestAppendCIMOfEverySize(t *testing.T) {
	t.Parallel()
	for _, size := range sizes {
		text := strings.Repeat("x", size)
		want := &cimpb.Frame{Cmd: cimpb.Command_MESSAGE, UserId: 2, Text: text, Properties: map[string]string{
			"sendUserId": "1", "sendUserName": "n" + text, "receiveUserId": "2",
		}}
		got := AppendCIM(before(), &CIMMessage{
			Cmd: cimpb.Command_MESSAGE, Receiver: 2, From: 1, FromName: []byte("n" + text), Text: []byte(text),
		})
		both(t, got, want)
	}
}

func TestAppendFrame(t *testing.T) {
	t.Parallel()
	got, err := AppendFrame(before(), full())
	if err != nil {
		t.Fatal(err)
	}
	both(t, got, full())
}

func TestAppendFrameRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		frame *cimpb.Frame
		err   error
	}{
		"nothing to say":         {&cimpb.Frame{}, ErrEmpty},
		"text that is not UTF-8": {&cimpb.Frame{Text: "\xff"}, ErrUTF8},
		"a token that is not":    {&cimpb.Frame{Hello: &cimpb.Hello{Token: "\xff"}}, ErrUTF8},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AppendFrame(before(), c.frame)
			if !errors.Is(err, c.err) || !bytes.Equal(got, before()) {
				t.Errorf("AppendFrame = %q, %v; want what was there and %v", got, err, c.err)
			}
		})
	}
}

// The numbers that are written out here are those of cim.proto.
func TestFieldNumbers(t *testing.T) {
	t.Parallel()
	frame := map[string]int32{
		"text": int32(fieldText), "user_id": int32(fieldUserID), "cmd": int32(fieldCmd), "properties": int32(fieldProperties),
		"batch": int32(fieldBatch), "hello": int32(fieldHello), "welcome": int32(fieldWelcome), "from": int32(fieldFrom),
		"from_name": int32(fieldFromName), "to": int32(fieldTo), "payload": int32(fieldPayload), "seq": int32(fieldSeq),
		"log_epoch": int32(fieldLogEpoch), "group": int32(fieldGroup), "client_msg_id": int32(fieldClientMsgID),
		"sent_at_ms": int32(fieldSentAtMs), "qos": int32(fieldQoS), "status": int32(fieldStatus), "follows": int32(fieldFollows),
	}
	wantNumbers(t, &cimpb.Frame{}, frame)
	wantNumbers(t, &cimpb.Target{}, map[string]int32{
		"user": int32(TargetUser), "group": int32(TargetGroup), "everyone": int32(TargetEveryone), "application": int32(TargetApplication),
	})
	wantNumbers(t, &cimpb.Status{}, map[string]int32{
		"code": int32(statusCode), "text": int32(statusText), "retry_after_ms": int32(statusRetryAfterMs), "comeback": int32(statusComeback),
		"offline": int32(statusOffline),
	})
}

func wantNumbers(t *testing.T, m proto.Message, want map[string]int32) {
	t.Helper()
	fields := m.ProtoReflect().Descriptor().Fields()
	if fields.Len() != len(want) {
		t.Errorf("%T has %d fields, want %d", m, fields.Len(), len(want))
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		if got, ok := want[string(f.Name())]; !ok || got != int32(f.Number()) {
			t.Errorf("field %s of %T is %d, here %d", f.Name(), m, f.Number(), got)
		}
	}
}
