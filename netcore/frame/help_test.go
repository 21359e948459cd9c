package frame

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

func wantView(t testing.TB, got, want *View) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("view is\n%+v, want\n%+v", *got, *want)
	}
}

func batchOf(payload []byte) []string {
	var texts []string
	EachBatch(payload, func(text []byte) { texts = append(texts, string(text)) })
	return texts
}

func marshalMessage(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// targetOf is a Target of the generated code as Parse shows it.
func targetOf(to *cimpb.Target) (TargetKind, int64) {
	switch kind := to.GetKind().(type) {
	case *cimpb.Target_User:
		return TargetUser, kind.User
	case *cimpb.Target_Group:
		return TargetGroup, kind.Group
	case *cimpb.Target_Everyone:
		if kind.Everyone {
			return TargetEveryone, 0
		}
	case *cimpb.Target_Application:
		if kind.Application {
			return TargetApplication, 0
		}
	}
	return TargetNone, 0
}

// compareWithGenerated parses payload with both decoders. Parse may accept what the generated code refuses
// only inside the messages that it leaves unread, and refuse what that accepts only for a group.
func compareWithGenerated(t testing.TB, payload []byte) {
	t.Helper()
	var v View
	f := new(cimpb.Frame)
	errHere, errThere := v.Parse(payload), proto.Unmarshal(payload, f)
	if errHere != nil {
		if errThere == nil && !hasGroup(f) {
			t.Fatalf("Parse(%x) = %v, the generated code takes it: %v", payload, errHere, f)
		}
		return
	}
	if errThere != nil {
		if !v.HasHello && !v.HasProperties && v.Welcome == nil && v.Status == nil {
			t.Fatalf("Parse takes %x, the generated code does not: %v", payload, errThere)
		}
		return
	}
	compareFields(t, &v, f)
	compareEncoded(t, payload, &v, f)
	if got := batchOf(payload); !slices.Equal(got, f.GetBatch()) {
		t.Fatalf("batch is %q, generated %q", got, f.GetBatch())
	}
}

func compareFields(t testing.TB, v *View, f *cimpb.Frame) {
	t.Helper()
	to, toID := targetOf(f.GetTo())
	numbers := map[string][2]any{
		"cmd": {v.Cmd, f.GetCmd()}, "user_id": {v.UserID, f.GetUserId()}, "from": {v.From, f.GetFrom()},
		"to": {v.To, to}, "to.id": {v.ToID, toID}, "seq": {v.Seq, f.GetSeq()}, "log_epoch": {v.LogEpoch, f.GetLogEpoch()},
		"group": {v.Group, f.GetGroup()}, "client_msg_id": {v.ClientMsgID, f.GetClientMsgId()},
		"sent_at_ms": {v.SentAtMs, f.GetSentAtMs()}, "qos": {v.QoS, f.GetQos()},
		"has hello": {v.HasHello, f.GetHello() != nil}, "has batch": {v.HasBatch, len(f.GetBatch()) > 0},
		"has properties": {v.HasProperties, len(f.GetProperties()) > 0},
		"has welcome":    {v.Welcome != nil, f.GetWelcome() != nil}, "has status": {v.Status != nil, f.GetStatus() != nil},
	}
	for name, pair := range numbers {
		if pair[0] != pair[1] {
			t.Fatalf("%s is %v, generated %v", name, pair[0], pair[1])
		}
	}
	strs := map[string][2][]byte{
		"text": {v.Text, []byte(f.GetText())}, "from_name": {v.FromName, []byte(f.GetFromName())}, "payload": {v.Payload, f.GetPayload()},
	}
	for name, pair := range strs {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Fatalf("%s is %q, generated %q", name, pair[0], pair[1])
		}
	}
}

// compareEncoded decodes the messages that Parse leaves unread, except those that came twice: the generated
// code merges them.
func compareEncoded(t testing.TB, payload []byte, v *View, f *cimpb.Frame) {
	t.Helper()
	for num, c := range map[protowire.Number]struct {
		encoded   []byte
		got, want proto.Message
	}{
		fieldHello:   {v.Hello, new(cimpb.Hello), f.GetHello()},
		fieldWelcome: {v.Welcome, new(cimpb.Welcome), f.GetWelcome()},
		fieldStatus:  {v.Status, new(cimpb.Status), f.GetStatus()},
		fieldFollows: {v.Follows, new(cimpb.Cursor), f.GetFollows()},
	} {
		if occurrences(payload, num) != 1 {
			continue
		}
		if err := proto.Unmarshal(c.encoded, c.got); err != nil || !proto.Equal(c.got, c.want) {
			t.Fatalf("field %d of the view is %v (%v), generated %v", num, c.got, err, c.want)
		}
	}
}

func occurrences(payload []byte, num protowire.Number) int {
	count := 0
	for len(payload) > 0 {
		f, n := nextField(payload)
		if f.num == num && f.typ == protowire.BytesType {
			count++
		}
		payload = payload[n:]
	}
	return count
}

// hasGroup reports whether f or its target kept an unknown field of the group type.
func hasGroup(f *cimpb.Frame) bool {
	for _, unknown := range [][]byte{f.ProtoReflect().GetUnknown(), f.GetTo().ProtoReflect().GetUnknown()} {
		for len(unknown) > 0 {
			_, n := nextField(unknown)
			if n < 0 {
				return true
			}
			unknown = unknown[n:]
		}
	}
	return false
}
