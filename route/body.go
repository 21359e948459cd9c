package route

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// Message is what a sender wrote, with who and when. Exactly one of Text, Batch and Payload is set.
type Message struct {
	From     int64
	FromName string
	Text     string
	Batch    []string // several texts that stay together and in order
	Payload  []byte
	Everyone bool
	SentAtMs int64
	QoS      QoS
}

// EncodeBody returns the part of a MESSAGE frame that is the same for each of its receivers. A server
// appends seq, log epoch and, for CIM clients, the receiver: concatenated protobuf fields are one message
// (protobuf.dev/programming-guides/encoding, "Last One Wins").
// Errors: ErrInvalidBody.
func EncodeBody(m Message) ([]byte, error) {
	kinds := 0
	for _, set := range []bool{m.Text != "", len(m.Batch) > 0, len(m.Payload) > 0} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, ErrInvalidBody
	}
	f := &cimpb.Frame{
		Cmd: cimpb.Command_MESSAGE, From: m.From, FromName: m.FromName, Text: m.Text, Batch: m.Batch,
		Payload: m.Payload, SentAtMs: m.SentAtMs, Qos: cimpb.QoS(m.QoS),
	}
	if m.Everyone {
		f.To = &cimpb.Target{Kind: &cimpb.Target_Everyone{Everyone: true}}
	}
	body, err := proto.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidBody, err)
	}
	return body, nil
}
