package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Receipt says what became of a message.
type Receipt struct {
	ClientMsgID uint64     // names the message together with sender and device
	Code        cimpb.Code // CodeStored or CodeWritten
	LogEpoch    uint64     // place in the receiver's inbox
	Seq         uint64     // 0: it was not stored
	Offline     bool       // it was stored for a receiver who was not connected, as far as the server knew
}

// Stored reports whether the message is in the receiver's inbox.
func (r Receipt) Stored() bool { return r.Seq != 0 }

// SendOption changes one send.
type SendOption func(*frame.Send)

// WithAtMostOnce sends with QoS 0: to the receiver's connection if there is one, or refused.
func WithAtMostOnce() SendOption {
	return func(s *frame.Send) { s.QoS = cimpb.QoS_AT_MOST_ONCE }
}

// WithMessageID names the message, so that sending it again after a failure or a restart is not a second
// one. The id must not be 0, nor be used for another message of this account and device.
func WithMessageID(id uint64) SendOption {
	return func(s *frame.Send) { s.ClientMsgID = id }
}

// SendTo sends a text to one user, with QoS 1 unless an option says otherwise. It returns when the server
// has stored the message, over as many connections as that takes, or when ctx ends.
// Errors: *StatusError when it was refused; ErrOutcomeUnknown or ErrNotSent when ctx ended; ErrDisconnected
// for QoS 0; ErrClosed.
func (c *Client) SendTo(ctx context.Context, user int64, text string, opts ...SendOption) (Receipt, error) {
	if err := checkText(text); err != nil {
		return Receipt{}, err
	}
	s := frame.Send{To: frame.TargetUser, ToID: user, Text: []byte(text), QoS: cimpb.QoS_AT_LEAST_ONCE}
	return c.send(ctx, s, opts)
}

// SendPayload is SendTo for device data. payload may be used again when it returns.
func (c *Client) SendPayload(ctx context.Context, user int64, payload []byte, opts ...SendOption) (Receipt, error) {
	if len(payload) == 0 {
		return Receipt{}, errors.New("the payload is empty: there is nothing to send")
	}
	s := frame.Send{To: frame.TargetUser, ToID: user, Payload: payload, QoS: cimpb.QoS_AT_LEAST_ONCE}
	return c.send(ctx, s, opts)
}

// SendAll sends a text with QoS 0 to everyone who is connected.
func (c *Client) SendAll(ctx context.Context, text string) (Receipt, error) {
	if err := checkText(text); err != nil {
		return Receipt{}, err
	}
	return c.send(ctx, frame.Send{To: frame.TargetEveryone, Text: []byte(text)}, nil)
}

func checkText(text string) error {
	switch {
	case text == "":
		return errors.New("the text is empty: there is nothing to send")
	case !utf8.ValidString(text):
		return errors.New("the text is not UTF-8: use SendPayload for bytes")
	}
	return nil
}

func (c *Client) send(ctx context.Context, s frame.Send, opts []SendOption) (Receipt, error) {
	p, err := encodeSend(s, opts)
	if err != nil {
		return Receipt{}, err
	}
	return c.await(ctx, p)
}

// encodeSend applies the options and encodes the SEND.
func encodeSend(s frame.Send, opts []SendOption) (*pending, error) {
	for _, o := range opts {
		o(&s)
	}
	if s.To == frame.TargetUser && s.ToID <= 0 {
		return nil, fmt.Errorf("no user has the id %d: ids are above zero", s.ToID)
	}
	if s.ClientMsgID == 0 {
		s.ClientMsgID = nextMessageID()
	}
	return &pending{
		id: s.ClientMsgID, qos: s.QoS, frame: frame.AppendSend(nil, &s), answerCh: make(chan answer, 1),
	}, nil
}

// await sends p until it is answered for good. Refusals that ask to come again are repeated with the same
// id; QoS 0 is not.
func (c *Client) await(ctx context.Context, p *pending) (Receipt, error) {
	for attempt := 0; ; attempt++ {
		r, err := c.once(ctx, p)
		refused, ok := errors.AsType[*StatusError](err)
		if !ok || !refused.Retryable() || p.qos == cimpb.QoS_AT_MOST_ONCE {
			return r, err
		}
		wait := c.opts.Backoff.afterAtLeast(refused.RetryAfter, attempt)
		// When it is the client that ends, add says so.
		if !sleep(ctx, c.runCtx.Done(), wait) && ctx.Err() != nil {
			return Receipt{}, gaveUp(ctx, refused.Code == cimpb.CodeStoreUnavailable, refused)
		}
		// A refusal stored nothing, but where the store did not answer nobody knows. p is nobody else's now.
		p.written = refused.Code == cimpb.CodeStoreUnavailable
	}
}

func (c *Client) once(ctx context.Context, p *pending) (Receipt, error) {
	if err := c.outbox.add(p); err != nil {
		return Receipt{}, err
	}
	return c.answerOf(ctx, p)
}

// answerOf waits for the answer to an added p, or gives it up.
func (c *Client) answerOf(ctx context.Context, p *pending) (Receipt, error) {
	select {
	case a := <-p.answerCh:
		return a.receipt, a.err
	case <-ctx.Done():
	}
	written := c.outbox.abandon(p)
	select {
	case a := <-p.answerCh: // it came at the same moment
		return a.receipt, a.err
	default:
		return Receipt{}, gaveUp(ctx, written, nil)
	}
}

// readSent turns a SENT into the answer to its SEND.
func readSent(v *frame.View) answer {
	st := readStatus(v.Status)
	switch st.Code {
	case 0, cimpb.CodeWritten, cimpb.CodeStored:
		return answer{receipt: Receipt{
			ClientMsgID: v.ClientMsgID, Code: st.Code, LogEpoch: v.LogEpoch, Seq: v.Seq, Offline: st.offline,
		}}
	}
	return answer{err: st}
}

// messageIDs counts from a random start, so that a restarted process of the same device does not repeat the
// ids that the server remembers. It stays below 2^53, which a web client can hold, for longer than a process
// lives.
var messageIDs = sync.OnceValue(func() *atomic.Uint64 {
	ids := &atomic.Uint64{}
	ids.Store(rand.Uint64N(1 << 52))
	return ids
})

// nextMessageID is never 0. The counter is the process's, for all Clients of one device are one sender.
func nextMessageID() uint64 { return messageIDs().Add(1) }
