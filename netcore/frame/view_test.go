package frame

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

func marshal(t testing.TB, f *cimpb.Frame) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// full has every field of Frame.
func full() *cimpb.Frame {
	return &cimpb.Frame{
		Text: "hé", UserId: goldenUser, Cmd: cimpb.Command_SEND, Properties: map[string]string{"k": "v"},
		Batch: []string{"a", "", "c"}, Hello: &cimpb.Hello{Version: 1, Token: "t"}, Welcome: &cimpb.Welcome{Acked: 3},
		From: 12, FromName: "zs", To: &cimpb.Target{Kind: &cimpb.Target_Group{Group: 1 << 40}}, Payload: []byte{0, 0xff},
		Seq: 1 << 63, LogEpoch: 2, Group: 3, ClientMsgId: 4, SentAtMs: 1700000000000, Qos: cimpb.QoS_AT_LEAST_ONCE,
		Status: cimpb.CodeBusy.Status(5),
	}
}

func TestParseReadsEveryField(t *testing.T) {
	t.Parallel()
	f := full()
	payload := marshal(t, f)
	v := View{Cmd: 99, HasPayload: true, Group: 77} // left from an earlier frame
	if err := v.Parse(payload); err != nil {
		t.Fatal(err)
	}
	wantView(t, &v, &View{
		Cmd: cimpb.Command_SEND, UserID: goldenUser, Text: []byte("hé"), From: 12, FromName: []byte("zs"),
		To: TargetGroup, ToID: 1 << 40, Payload: []byte{0, 0xff}, Seq: 1 << 63, LogEpoch: 2, Group: 3, ClientMsgID: 4,
		SentAtMs: 1700000000000, QoS: cimpb.QoS_AT_LEAST_ONCE, HasHello: true, HasBatch: true, HasProperties: true, HasPayload: true,
		Hello: marshalMessage(t, f.GetHello()), Welcome: marshalMessage(t, f.GetWelcome()), Status: marshalMessage(t, f.GetStatus()),
	})
	if got := batchOf(payload); len(got) != 3 || got[0] != "a" || got[1] != "" || got[2] != "c" {
		t.Errorf("batch is %q, want a, an empty text and c", got)
	}
}

func TestParseResetsTheView(t *testing.T) {
	t.Parallel()
	var v View
	if err := v.Parse(marshal(t, full())); err != nil {
		t.Fatal(err)
	}
	if err := v.Parse(Ping[1:]); err != nil {
		t.Fatal(err)
	}
	wantView(t, &v, &View{Cmd: cimpb.Command_PING})
}

func TestParseAliasesAndClips(t *testing.T) {
	t.Parallel()
	payload := marshal(t, &cimpb.Frame{Text: "ab", FromName: "cd"})
	before := bytes.Clone(payload)
	var v View
	if err := v.Parse(payload); err != nil {
		t.Fatal(err)
	}
	_ = append(v.Text, '!') // one byte: more would be moved elsewhere anyway
	if !bytes.Equal(payload, before) {
		t.Error("an append to a view wrote into the payload")
	}
	payload[2] = 'X'
	if string(v.Text) != "Xb" {
		t.Error("the view is a copy of the payload, want an alias")
	}
}

// raw appends one field of any wire type.
func raw(num protowire.Number, typ protowire.Type, content ...byte) []byte {
	return append(protowire.AppendTag(nil, num, typ), content...)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		payload []byte
		err     error
	}{
		"text that is not UTF-8":           {raw(fieldText, protowire.BytesType, 1, 0xff), ErrUTF8},
		"text cut inside a rune":           {raw(fieldText, protowire.BytesType, 2, 0xe2, 0x82), ErrUTF8},
		"text with a surrogate":            {raw(fieldText, protowire.BytesType, 3, 0xed, 0xa0, 0x80), ErrUTF8},
		"name that is not UTF-8":           {raw(fieldFromName, protowire.BytesType, 1, 0xc0), ErrUTF8},
		"batch that is not UTF-8":          {append(raw(fieldBatch, protowire.BytesType, 1, 'a'), raw(fieldBatch, protowire.BytesType, 1, 0x80)...), ErrUTF8},
		"text over the end":                {raw(fieldText, protowire.BytesType, 5, 'a'), ErrMalformed},
		"text of a huge length":            {raw(fieldText, protowire.BytesType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), ErrMalformed},
		"text without a length":            {raw(fieldText, protowire.BytesType), ErrMalformed},
		"number cut short":                 {raw(fieldSeq, protowire.VarintType, 0x80), ErrMalformed},
		"number of eleven bytes":           {raw(fieldSeq, protowire.VarintType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), ErrMalformed},
		"tag cut short":                    {[]byte{0x80}, ErrMalformed},
		"field number zero":                {[]byte{0, 0}, ErrMalformed},
		"field number over the largest":    {append(protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), 0), ErrMalformed},
		"group":                            {append(raw(200, protowire.StartGroupType), raw(200, protowire.EndGroupType)...), ErrMalformed},
		"end of a group":                   {raw(200, protowire.EndGroupType), ErrMalformed},
		"wire type that does not exist":    {raw(200, 7, 1), ErrMalformed},
		"fixed32 cut short":                {raw(200, protowire.Fixed32Type, 1, 2, 3), ErrMalformed},
		"fixed64 cut short":                {raw(200, protowire.Fixed64Type, 1, 2, 3), ErrMalformed},
		"target with a group inside":       {raw(fieldTo, protowire.BytesType, 2, 0x0b, 0x0c), ErrMalformed},
		"target cut inside":                {raw(fieldTo, protowire.BytesType, 1, 8), ErrMalformed},
		"target over the end":              {raw(fieldTo, protowire.BytesType, 3, 8, 1), ErrMalformed},
		"rubbish after a good beginning":   {append(bytes.Clone(Ping[1:]), 0xff), ErrMalformed},
		"unknown field over the end":       {raw(999, protowire.BytesType, 2, 1), ErrMalformed},
		"properties entry over the end":    {raw(fieldProperties, protowire.BytesType, 9, 1), ErrMalformed},
		"hello over the end of the frame":  {raw(fieldHello, protowire.BytesType, 1), ErrMalformed},
		"payload over the end of the data": {raw(fieldPayload, protowire.BytesType, 0x80), ErrMalformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v View
			if err := v.Parse(c.payload); !errors.Is(err, c.err) {
				t.Errorf("Parse(%x) = %v, want %v", c.payload, err, c.err)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		payload []byte
		want    View
	}{
		"nothing":                             {nil, View{}},
		"unknown number":                      {raw(999, protowire.VarintType, 0x80, 1), View{}},
		"unknown bytes":                       {raw(999, protowire.BytesType, 2, 0xff, 0xff), View{}},
		"unknown fixed32":                     {raw(999, protowire.Fixed32Type, 1, 2, 3, 4), View{}},
		"unknown fixed64":                     {raw(999, protowire.Fixed64Type, 1, 2, 3, 4, 5, 6, 7, 8), View{}},
		"text as a number is not text":        {raw(fieldText, protowire.VarintType, 7), View{}},
		"a number as bytes is not a number":   {raw(fieldSeq, protowire.BytesType, 1, 7), View{}},
		"the last text stands":                {append(raw(fieldText, protowire.BytesType, 1, 'a'), raw(fieldText, protowire.BytesType, 1, 'b')...), View{Text: []byte("b")}},
		"the last number stands":              {append(raw(fieldSeq, protowire.VarintType, 1), raw(fieldSeq, protowire.VarintType, 2)...), View{Seq: 2}},
		"a number in its long form":           {raw(fieldSeq, protowire.VarintType, 0x81, 0x80, 0), View{Seq: 1}},
		"a negative id":                       {protowire.AppendVarint(raw(fieldUserID, protowire.VarintType), 1<<64-1), View{UserID: -1}},
		"an unknown command":                  {raw(fieldCmd, protowire.VarintType, 77), View{Cmd: 77}},
		"payload that is empty":               {raw(fieldPayload, protowire.BytesType, 0), View{Payload: []byte{}, HasPayload: true}},
		"payload of any bytes":                {raw(fieldPayload, protowire.BytesType, 2, 0xff, 0), View{Payload: []byte{0xff, 0}, HasPayload: true}},
		"hello that is empty":                 {raw(fieldHello, protowire.BytesType, 0), View{Hello: []byte{}, HasHello: true}},
		"a properties entry is only noted":    {raw(fieldProperties, protowire.BytesType, 2, 0xff, 0xff), View{HasProperties: true}},
		"target without a kind":               {raw(fieldTo, protowire.BytesType, 0), View{}},
		"target user":                         {raw(fieldTo, protowire.BytesType, 2, 8, 42), View{To: TargetUser, ToID: 42}},
		"target user zero":                    {raw(fieldTo, protowire.BytesType, 2, 8, 0), View{To: TargetUser}},
		"target everyone":                     {raw(fieldTo, protowire.BytesType, 2, 0x18, 1), View{To: TargetEveryone}},
		"target application":                  {raw(fieldTo, protowire.BytesType, 2, 0x20, 1), View{To: TargetApplication}},
		"everyone: false names nobody":        {raw(fieldTo, protowire.BytesType, 2, 0x18, 0), View{}},
		"the last kind of a target stands":    {raw(fieldTo, protowire.BytesType, 4, 8, 42, 0x18, 1), View{To: TargetEveryone}},
		"and so it does over two targets":     {append(raw(fieldTo, protowire.BytesType, 2, 0x18, 1), raw(fieldTo, protowire.BytesType, 2, 0x10, 9)...), View{To: TargetGroup, ToID: 9}},
		"an empty second target adds nothing": {append(raw(fieldTo, protowire.BytesType, 2, 8, 42), raw(fieldTo, protowire.BytesType, 0)...), View{To: TargetUser, ToID: 42}},
		"an unknown kind of target":           {raw(fieldTo, protowire.BytesType, 3, 0x88, 0x10, 1), View{}}, // field 257, whose low byte is 1
		"a target's kind as bytes":            {raw(fieldTo, protowire.BytesType, 3, 0x0a, 1, 7), View{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v View
			if err := v.Parse(c.payload); err != nil {
				t.Fatalf("Parse(%x) = %v", c.payload, err)
			}
			wantView(t, &v, &c.want)
		})
	}
}

// A frame cut anywhere is refused, or is what the generated code makes of the same bytes.
func TestParseOfEveryTruncation(t *testing.T) {
	t.Parallel()
	payload := marshal(t, full())
	for cut := range payload {
		compareWithGenerated(t, payload[:cut])
	}
}

func TestEachBatchStopsAtWhatItCannotRead(t *testing.T) {
	t.Parallel()
	payload := append(raw(fieldBatch, protowire.BytesType, 1, 'a'), 0xff)
	if got := batchOf(payload); len(got) != 1 || got[0] != "a" {
		t.Errorf("batch is %q, want what stands before the malformed field", got)
	}
}
