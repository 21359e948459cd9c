package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

const (
	headerTime      = "CIM-Time"
	headerSignature = "CIM-Signature"
	contentType     = "application/x-protobuf"

	maxReason = 200 // bytes of what a server says about a refusal
)

// Why a server does not believe who asks, as it says with HTTP 401.
const (
	textClock       = "the sender's clock and this server's are more than 30 s apart"
	textOtherSecret = "the request is signed with another secret than this server's"
)

// errStale is a kept connection that the server had closed: it says nothing about the server.
var errStale = fmt.Errorf("%w: it had closed the connection", ErrUnanswered)

// wire is the connection of one lane. fasthttp's own client is not used for it: that repeats requests and keeps
// connections by rules of its own. Not safe for concurrent use.
type wire struct {
	t       *target
	conn    net.Conn // nil: not connected
	r       *bufio.Reader
	w       *bufio.Writer
	forget  func() bool // undoes that the end of the target closes conn
	request *fasthttp.Request
	reply   *fasthttp.Response
	scratch []byte
}

func newWire(t *target) wire {
	w := wire{t: t, request: &fasthttp.Request{}, reply: &fasthttp.Response{}}
	h := &w.request.Header
	h.SetMethod(fasthttp.MethodPost)
	h.SetUserAgent("cim")
	h.SetContentType(contentType)
	w.request.SetRequestURI("http://" + t.address + Path)
	return w
}

// post sends a batch and returns the checked answer, within the time-out. Errors: errStale, ErrUnanswered, ErrRefused,
// ErrWrongInstance, ErrBadReply.
func (w *wire) post(b *cimpb.PushBatch) (*cimpb.PushReply, error) {
	body, err := proto.MarshalOptions{}.MarshalAppend(w.scratch[:0], b)
	if err != nil {
		return nil, fmt.Errorf("encode a batch: %w", err)
	}
	w.scratch = body
	sentAt := strconv.AppendInt(nil, time.Now().UnixMilli(), 10)
	secret := w.t.client.cfg.Secrets.Current()
	signed := signRequest(secret, sentAt, body)
	w.request.Header.SetBytesV(headerTime, sentAt)
	w.request.Header.SetBytesV(headerSignature, signed)
	w.request.SetBodyRaw(body)
	w.t.client.counters.requests.Add(1)
	w.t.client.counters.bytes.Add(uint64(len(body)))
	if err := w.exchange(); err != nil {
		w.hangUp()
		return nil, err
	}
	if w.reply.ConnectionClose() {
		w.hangUp()
	}
	return w.check(b, secret, signed)
}

// exchange writes the request and reads the reply.
func (w *wire) exchange() error {
	deadline := time.Now().Add(w.t.client.cfg.Timeout)
	kept := w.conn != nil
	if !kept {
		if err := w.connect(deadline); err != nil {
			return fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
	}
	err := w.conn.SetDeadline(deadline)
	if err == nil {
		err = w.request.Write(w.w)
	}
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil {
		_, err = w.r.Peek(1)
	}
	if err != nil {
		if kept && !errors.Is(err, os.ErrDeadlineExceeded) {
			return errStale
		}
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	if err := w.reply.ReadLimitBody(w.r, maxReplyBytes); err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	return nil
}

func (w *wire) connect(deadline time.Time) error {
	ctx, cancel := context.WithDeadline(w.t.ctx, deadline)
	defer cancel()
	conn, err := w.t.client.cfg.Dial(ctx, w.t.server)
	if err != nil {
		return err
	}
	w.conn = conn
	w.forget = context.AfterFunc(w.t.ctx, func() { _ = conn.Close() })
	w.r, w.w = bufio.NewReader(conn), bufio.NewWriter(conn)
	return nil
}

// check lets only a reply pass that the server has made for this request.
func (w *wire) check(b *cimpb.PushBatch, secret, signed []byte) (*cimpb.PushReply, error) {
	body := w.reply.Body()
	switch status := w.reply.StatusCode(); status {
	case fasthttp.StatusOK:
	case fasthttp.StatusConflict:
		return nil, ErrWrongInstance
	case fasthttp.StatusUnauthorized:
		return nil, unauthorized(body)
	default:
		return nil, fmt.Errorf("%w: %d %q", ErrRefused, status, body[:min(len(body), maxReason)])
	}
	if !equal(w.reply.Header.Peek(headerSignature), signReply(secret, signed, body)) {
		return nil, fmt.Errorf("%w: its signature is not the cluster's", ErrBadReply)
	}
	r := &cimpb.PushReply{}
	if err := proto.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	if r.Instance != b.ToInstance || !fits(b, r) {
		return nil, ErrBadReply
	}
	return r, nil
}

// unauthorizedError is a server that does not believe us, with its words and what to do. It is an ErrRefused.
type unauthorizedError struct{ why string }

func (e *unauthorizedError) Error() string { return ErrRefused.Error() + ": " + e.why }
func (e *unauthorizedError) Unwrap() error { return ErrRefused }

func unauthorized(body []byte) error {
	advice := "; compare --secret-file"
	if string(body) == textClock {
		advice = "; set the clocks"
	}
	return &unauthorizedError{string(body[:min(len(body), maxReason)]) + advice}
}

// hangUp closes the connection and gives its memory back.
func (w *wire) hangUp() {
	if w.conn == nil {
		return
	}
	w.forget()
	_ = w.conn.Close()
	w.conn, w.r, w.w, w.forget = nil, nil, nil, nil
	w.request.ResetBody()
	w.reply.Reset()
	if cap(w.scratch) > keptScratch {
		w.scratch = nil
	}
}

// exchange sends a batch and ends its items.
func (l *lane) exchange(b *batch) {
	reply, err := l.wire.post(b.msg)
	if errors.Is(err, errStale) && !b.once {
		reply, err = l.wire.post(b.msg)
	}
	switch {
	case err == nil:
		l.t.answered(reply.Load)
	case errors.Is(err, errStale):
		l.t.client.counters.failed.Add(1)
	default:
		l.t.failed(err)
	}
	if err != nil {
		err = fmt.Errorf("ask %s: %w", l.t.instance, err)
		l.t.miss(b.kicks, b.again)
	}
	l.settle(b.items, reply, err)
}
