package route

import (
	"testing"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

func TestEncodeBody(t *testing.T) {
	for name, tc := range map[string]struct {
		m  Message
		ok bool
	}{
		"text":              {Message{Text: "hi"}, true},
		"batch":             {Message{Batch: []string{"a", "b"}}, true},
		"payload":           {Message{Payload: []byte{0xff}}, true},
		"nothing":           {Message{}, false},
		"text and payload":  {Message{Text: "hi", Payload: []byte{1}}, false},
		"text and batch":    {Message{Text: "hi", Batch: []string{"a"}}, false},
		"text is not UTF-8": {Message{Text: "\xff"}, false},
		"name is not UTF-8": {Message{Text: "hi", FromName: "\xff"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := EncodeBody(tc.m)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v, want ok %v", err, tc.ok)
			}
			if !tc.ok {
				return
			}
			var f cimpb.Frame
			if err := proto.Unmarshal(b, &f); err != nil || f.GetCmd() != cimpb.Command_MESSAGE {
				t.Fatalf("%v, %v", &f, err)
			}
		})
	}
}

func TestKnownUsersStayBounded(t *testing.T) {
	k := newKnownUsers(4)
	for id := range int64(100) {
		k.add(id)
		if !k.has(id) || len(k.ids) > 4 {
			t.Fatalf("after %d: has %v, holds %d", id, k.has(id), len(k.ids))
		}
	}
}
