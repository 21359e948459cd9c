package frame

import (
	"testing"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// hot is the work of a server for one frame, in both directions. Each entry is run by the test that nothing
// is allocated and by the benchmark; errors are looked at by the other tests.
func hot() map[string]func() {
	var v View
	buf := make([]byte, 0, 4096)
	text := []byte("a message of the length that people write, more or less")
	body := AppendBody(nil, &Body{From: goldenUser, FromName: []byte("zhangsan"), Text: text, SentAtMs: 1700000000000, QoS: 1})
	place := Cursor{LogEpoch: 1700000000000, Seq: 1 << 20}
	message := AppendMessage(nil, body, place)
	send := AppendSend(nil, &Send{To: TargetUser, ToID: goldenUser, Text: text, ClientMsgID: 1 << 40, QoS: 1})
	ack := AppendAck(nil, place)
	batch := make([][]byte, 0, 8)
	offline := AppendCIM(nil, &CIMMessage{Cmd: cimpb.Command_OFFLINE, Receiver: goldenUser, Batch: [][]byte{text, text, text}})

	decode := func(frame []byte) func() {
		return func() {
			payload, _, _ := Next(frame, 1<<16)
			_ = v.Parse(payload)
		}
	}
	return map[string]func(){
		"decode PING":     decode(Ping),
		"decode SEND":     decode(send),
		"decode ACK":      decode(ack),
		"decode MESSAGE":  decode(message),
		"decode bad UTF8": decode([]byte{3, 0x0a, 1, 0xff}),
		"append PING":     func() { buf = append(buf[:0], Ping...) },
		"append SEND": func() {
			buf = AppendSend(buf[:0], &Send{To: TargetUser, ToID: goldenUser, Text: text, ClientMsgID: 1 << 40, QoS: 1})
		},
		"append body": func() {
			buf = AppendBody(buf[:0], &Body{From: goldenUser, FromName: text[:9], Text: text, To: TargetEveryone, SentAtMs: 1700000000000})
		},
		"append MESSAGE": func() { buf = AppendMessage(buf[:0], body, place) },
		"append ACK":     func() { buf = AppendAck(buf[:0], place) },
		"append SYNC":    func() { buf = AppendSync(buf[:0], place) },
		"append SENT":    func() { buf = AppendSent(buf[:0], &Sent{ClientMsgID: 1 << 40, Code: cimpb.CodeStored, Cursor: place}) },
		"append refused SENT": func() {
			buf = AppendSent(buf[:0], &Sent{ClientMsgID: 1 << 40, Code: cimpb.CodeDuplicateSession, RetryAfterMs: 1000})
		},
		"append CIM": func() {
			buf = AppendCIM(buf[:0], &CIMMessage{Cmd: cimpb.Command_MESSAGE, Receiver: goldenUser, From: 42, FromName: text[:9], Text: text})
		},
		"append CIM batch": func() {
			batch = batch[:0]
			EachBatch(offline[1:], func(t []byte) { batch = append(batch, t) })
			buf = AppendCIM(buf[:0], &CIMMessage{Cmd: cimpb.Command_OFFLINE, Receiver: goldenUser, Batch: batch})
		},
	}
}

func TestHotFramesAllocateNothing(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	for name, run := range hot() {
		if allocs := testing.AllocsPerRun(100, run); allocs != 0 {
			t.Errorf("%s allocates %v times, want never", name, allocs)
		}
	}
}

func BenchmarkHot(b *testing.B) {
	for name, run := range hot() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

// BenchmarkGenerated is what the hand-written code is measured against.
func BenchmarkGenerated(b *testing.B) {
	payload, err := proto.Marshal(&cimpb.Frame{
		Cmd: cimpb.Command_SEND, Text: "a message of the length that people write, more or less", ClientMsgId: 1 << 40, Qos: 1,
		To: &cimpb.Target{Kind: &cimpb.Target_User{User: goldenUser}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode SEND", func(b *testing.B) {
		b.ReportAllocs()
		f := new(cimpb.Frame)
		for b.Loop() {
			_ = proto.Unmarshal(payload, f)
		}
	})
	b.Run("append SENT", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = AppendFrame(buf[:0], &cimpb.Frame{
				Cmd: cimpb.Command_SENT, ClientMsgId: 1 << 40, Seq: 1 << 20, LogEpoch: 1700000000000, Status: &cimpb.Status{Code: 2},
			})
		}
	})
}
