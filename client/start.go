package client

import (
	"context"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Sending is a message on its way, made by Start.
type Sending struct {
	c *Client
	p *pending
}

// Start sends a text to one user, with QoS 1 unless an option says otherwise, and does not wait for the
// answer: as many are under way as the server's send credit allows, and the others queue. They are written
// in the order of the calls, and again in that order after a cut.
//
// Unlike SendTo, it does not repeat what the server refuses for the moment (StatusError.Retryable): a
// repetition would come behind what was started since, and only the caller knows whether that matters. Every
// Sending has to be waited for.
// Errors: ErrClosed; ErrDisconnected for QoS 0; ErrDuplicateID.
func (c *Client) Start(user int64, text string, opts ...SendOption) (*Sending, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	s := frame.Send{To: frame.TargetUser, ToID: user, Text: []byte(text), QoS: cimpb.QoS_AT_LEAST_ONCE}
	p, err := encodeSend(s, opts)
	if err != nil {
		return nil, err
	}
	if err := c.outbox.add(p); err != nil {
		return nil, err
	}
	return &Sending{c: c, p: p}, nil
}

// ID names the message, for WithMessageID.
func (s *Sending) ID() uint64 { return s.p.id }

// Wait returns what became of the message, or gives it up when ctx ends. It is called once.
// Errors: as SendTo, and every refusal.
func (s *Sending) Wait(ctx context.Context) (Receipt, error) { return s.c.answerOf(ctx, s.p) }
