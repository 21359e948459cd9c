package cimpb

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// cimRequest declares CIM's Request as its own source does (crossoverJie/cim, BaseRequestProto): five
// fields, and no knowledge of ours. Response has the same shape.
func cimRequest(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Type: &typ, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	repeated := func(f *descriptorpb.FieldDescriptorProto, typeName string) *descriptorpb.FieldDescriptorProto {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		if typeName != "" {
			f.TypeName = proto.String(typeName)
		}
		return f
	}
	const (
		str     = descriptorpb.FieldDescriptorProto_TYPE_STRING
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	cmd := field("cmd", 3, descriptorpb.FieldDescriptorProto_TYPE_ENUM)
	cmd.TypeName = proto.String(".BaseCommand")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("cim.proto"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Request"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("reqMsg", 1, str), field("requestId", 2, descriptorpb.FieldDescriptorProto_TYPE_INT64), cmd,
				repeated(field("properties", 4, message), ".Request.PropertiesEntry"), repeated(field("batchReqMsg", 5, str), ""),
			},
			NestedType: []*descriptorpb.DescriptorProto{{
				Name: proto.String("PropertiesEntry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
				Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, str), field("value", 2, str)},
			}},
		}},
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: proto.String("BaseCommand"),
			Value: []*descriptorpb.EnumValueDescriptorProto{
				{Name: proto.String("LOGIN_REQUEST"), Number: proto.Int32(0)},
				{Name: proto.String("MESSAGE"), Number: proto.Int32(1)},
				{Name: proto.String("PING"), Number: proto.Int32(2)},
				{Name: proto.String("OFFLINE"), Number: proto.Int32(3)},
			},
		}},
	}, nil)
	if err != nil {
		t.Fatalf("CIM's descriptor: %v", err)
	}
	return file.Messages().ByName("Request")
}

// cimFields are the fields that both sides know.
type cimFields struct {
	text       string
	user       int64
	cmd        protoreflect.EnumNumber
	properties map[string]string
	batch      []string
}

func readAsCIM(t testing.TB, payload []byte) cimFields {
	t.Helper()
	m := dynamicpb.NewMessage(cimRequest(t))
	if err := proto.Unmarshal(payload, m); err != nil {
		t.Fatalf("a CIM client cannot read % x: %v", payload, err)
	}
	get := func(n protoreflect.FieldNumber) protoreflect.Value { return m.Get(m.Descriptor().Fields().ByNumber(n)) }
	f := cimFields{text: get(1).String(), user: get(2).Int(), cmd: get(3).Enum(), properties: map[string]string{}}
	get(4).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		f.properties[k.String()] = v.String()
		return true
	})
	for i := range get(5).List().Len() {
		f.batch = append(f.batch, get(5).List().Get(i).String())
	}
	return f
}

// full sets every field of a MESSAGE that a session with hello may see.
func full() *Frame {
	return &Frame{
		Text: "hello", UserId: goldenUser, Cmd: Command_MESSAGE, Batch: []string{"a", "b"},
		Properties: map[string]string{"sendUserId": "1", "sendUserName": "zs", "receiveUserId": "1547028929407"},
		Hello:      &Hello{Version: 1, Token: "t", Cursors: []*Cursor{{Seq: 9}}}, Welcome: &Welcome{SendCredit: 32},
		From: 1, FromName: "zs", To: &Target{Kind: &Target_Everyone{Everyone: true}}, Payload: []byte{0xff, 0x00},
		Seq: 7, LogEpoch: 5, Group: 3, ClientMsgId: 1, SentAtMs: 1_700_000_000_000, Qos: QoS_AT_LEAST_ONCE,
		Status: CodeStored.Status(0), Follows: &Cursor{LogEpoch: 4, Seq: 6},
	}
}

// TestFullSetsEveryField keeps TestCIMReadsOurFrames honest when a field is added.
func TestFullSetsEveryField(t *testing.T) {
	m := full().ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		if f := m.Descriptor().Fields().Get(i); !m.Has(f) {
			t.Errorf("full() leaves field %d (%s) out", f.Number(), f.Name())
		}
	}
}

func TestCIMReadsOurFrames(t *testing.T) {
	payload, err := proto.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	got := readAsCIM(t, payload)
	if got.text != "hello" || got.user != goldenUser || got.cmd != 1 {
		t.Errorf("CIM reads text %q, user %d, command %d", got.text, got.user, got.cmd)
	}
	if len(got.properties) != 3 || got.properties["sendUserName"] != "zs" || got.properties["receiveUserId"] != "1547028929407" {
		t.Errorf("CIM reads properties %v", got.properties)
	}
	if len(got.batch) != 2 || got.batch[0] != "a" || got.batch[1] != "b" {
		t.Errorf("CIM reads batch %q", got.batch)
	}
}

func TestCIMReadsEachCommandOfOurs(t *testing.T) {
	for number, name := range Command_name {
		payload, err := proto.Marshal(&Frame{Cmd: Command(number), Seq: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAsCIM(t, payload); int32(got.cmd) != number {
			t.Errorf("%s: CIM reads command %d, want %d: an enum of proto3 is open", name, got.cmd, number)
		}
	}
}

func TestWeReadCIMsFrames(t *testing.T) {
	m := dynamicpb.NewMessage(cimRequest(t))
	set := func(n protoreflect.FieldNumber, v protoreflect.Value) {
		m.Set(m.Descriptor().Fields().ByNumber(n), v)
	}
	set(1, protoreflect.ValueOfString("ping"))
	set(2, protoreflect.ValueOfInt64(goldenUser))
	set(3, protoreflect.ValueOfEnum(2))
	m.Mutable(m.Descriptor().Fields().ByNumber(4)).Map().Set(
		protoreflect.ValueOfString("receiveUserId").MapKey(), protoreflect.ValueOfString("7"))
	m.Mutable(m.Descriptor().Fields().ByNumber(5)).List().Append(protoreflect.ValueOfString("a"))
	want := &Frame{
		Text: "ping", UserId: goldenUser, Cmd: Command_PING,
		Properties: map[string]string{"receiveUserId": "7"}, Batch: []string{"a"},
	}
	if got := offWire(t, onWire(t, m)); !proto.Equal(got, want) {
		t.Errorf("read %v\nwant %v", got, want)
	}
}
