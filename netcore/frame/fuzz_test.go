package frame

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// FuzzNext holds Next to what it promises of any bytes and any limit, and feeds it the same bytes in two parts.
func FuzzNext(f *testing.F) {
	for _, seed := range [][]byte{
		nil, Ping, CIMPong, unhex(f, goldenLogin), unhex(f, goldenOffline),
		{0},
		{0x80, 0x80, 0x80, 0x80, 0x80},
		{0x82, 0x80, 0},
		protowire.AppendVarint(nil, 1<<35-1), bytes.Repeat(Ping, 3),
	} {
		f.Add(seed, 64)
	}
	f.Add(Ping, 1)
	f.Fuzz(func(t *testing.T, buf []byte, limit int) {
		payload, n, err := Next(buf, limit)
		if err != nil || n == 0 {
			if payload != nil || n != 0 {
				t.Fatalf("Next = %x, %d with error %v; want nothing beside it", payload, n, err)
			}
			if err == nil && len(buf) > max(limit, 0)+maxLengthBytes {
				t.Fatalf("%d bytes are not a frame, although the limit is %d", len(buf), limit)
			}
			return
		}
		length, head := protowire.ConsumeVarint(buf)
		if head < 1 || head > maxLengthBytes || int(length) != len(payload) || head+len(payload) != n || len(payload) > limit {
			t.Fatalf("Next = %d bytes of payload, %d in all; the length says %d in %d", len(payload), n, length, head)
		}
		if !bytes.Equal(payload, buf[head:n]) {
			t.Fatal("the payload is not what follows the length")
		}
		if early, m, err := Next(buf[:n-1], limit); early != nil || m != 0 || err != nil {
			t.Fatalf("without its last byte the frame gives %x, %d, %v; want nothing yet", early, m, err)
		}
	})
}

// FuzzParse compares Parse with the generated code on any bytes.
func FuzzParse(f *testing.F) {
	f.Add(marshal(f, full()))
	for _, golden := range []string{goldenLogin, goldenPing, goldenPong, goldenOffline} {
		f.Add(one(f, unhex(f, golden)))
	}
	f.Add(one(f, AppendSend(nil, &Send{To: TargetEveryone, Payload: []byte{1}, ClientMsgID: 1})))
	f.Add(one(f, AppendSent(nil, &Sent{ClientMsgID: 1, Code: 16, RetryAfterMs: 100})))
	f.Add(raw(fieldTo, protowire.BytesType, 4, 8, 42, 0x18, 0))
	f.Add(append(raw(200, protowire.StartGroupType), raw(200, protowire.EndGroupType)...))
	f.Add(raw(fieldText, protowire.BytesType, 2, 0xe2, 0x82))
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		compareWithGenerated(t, payload)
		if !bytes.Equal(payload, before) {
			t.Fatal("Parse wrote into the payload")
		}
	})
}

// FuzzSend writes any SEND and reads it again.
func FuzzSend(f *testing.F) {
	f.Add(uint8(TargetUser), int64(goldenUser), "hi", []byte(nil), uint64(7), int32(1))
	f.Add(uint8(TargetGroup), int64(-1), "", bytes.Repeat([]byte{0xff}, 120), uint64(1)<<63, int32(-1))
	f.Fuzz(func(t *testing.T, kind uint8, id int64, text string, payload []byte, clientMsgID uint64, qos int32) {
		s := Send{To: TargetKind(kind), ToID: id, Text: []byte(text), Payload: payload, ClientMsgID: clientMsgID, QoS: cimpb.QoS(qos)}
		buf := AppendSend(nil, &s)
		compareWithGenerated(t, one(t, buf))
		var v View
		if err := v.Parse(one(t, buf)); err != nil {
			if checkUTF8(s.Text) == nil {
				t.Fatalf("Parse(%x) = %v", buf, err)
			}
			return
		}
		if !bytes.Equal(v.Text, s.Text) || !bytes.Equal(v.Payload, s.Payload) || v.ClientMsgID != s.ClientMsgID {
			t.Fatalf("%+v came back as %+v", s, v)
		}
		if s.To == TargetUser && (v.To != TargetUser || v.ToID != id) {
			t.Fatalf("target user %d came back as %d %d", id, v.To, v.ToID)
		}
	})
}
