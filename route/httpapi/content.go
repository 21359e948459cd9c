package httpapi

import (
	"context"
	"errors"
	"fmt"

	cimpb "cim/proto"
	"cim/route"
)

// batchItemBytes is what the wire adds to each text of a batch: a tag and a length of up to 3 bytes.
const batchItemBytes = 4

var errTooLarge = &failure{
	code:    cimpb.CodeTooLarge,
	message: fmt.Sprintf("A message carries up to %d bytes; send it in smaller parts.", MaxContentBytes),
}

// checkContent refuses a message that says nothing or too much.
func checkContent(m route.Message, items int) error {
	if len(m.Batch) > items {
		return tooManyItems("A batch holds up to %d texts.", items)
	}
	size := len(m.Text) + len(m.Payload)
	for _, text := range m.Batch {
		if text == "" {
			return badRequest("A text of the batch is empty.")
		}
		size += len(text) + batchItemBytes
	}
	if size == 0 {
		return badRequest("The message is empty.")
	}
	if size > MaxContentBytes {
		return errTooLarge
	}
	return nil
}

// deliverOne completes s from m and routes it.
func (a *API) deliverOne(ctx context.Context, m route.Message, s route.Send) (route.Outcome, error) {
	out, err := a.deliver(ctx, m, []route.Send{s})
	if err != nil {
		return route.Outcome{}, err
	}
	return out[0], nil
}

// deliver encodes m once for all sends. The error is about all of them.
func (a *API) deliver(ctx context.Context, m route.Message, sends []route.Send) ([]route.Outcome, error) {
	m.SentAtMs = a.cfg.Now().UnixMilli()
	body, err := route.EncodeBody(m)
	if err != nil {
		return nil, err
	}
	for i := range sends {
		sends[i].From, sends[i].FromName, sends[i].QoS, sends[i].Body = m.From, m.FromName, m.QoS, body
	}
	out := a.cfg.Router.Deliver(ctx, sends)
	if len(out) != len(sends) {
		return nil, errors.New("the router did not answer each message")
	}
	for _, o := range out {
		a.metrics.sent(o)
	}
	return out, nil
}
