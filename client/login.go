package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// protocolVersion of our hello.
const protocolVersion = 1

// establish is one attempt: log in at the route unless at is an answer that was not used yet, connect to the
// server that it names, when it takes the client, wait for WELCOME. ready, unless nil, is called before LOGIN is
// sent and may forbid it.
func (c *Client) establish(ctx context.Context, at *loginAnswer, ready func() error) (*conn, error) {
	if at == nil {
		var err error
		if at, err = c.logInWithin(ctx, c.opts.ConnectTimeout); err != nil {
			return nil, err
		}
	}
	if !sleep(ctx, c.stopCh, time.Until(at.notBefore)) {
		return nil, wrapStep("wait for the server to take the client", orClosed(context.Cause(ctx)))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.ConnectTimeout, errTooSlow)
	defer cancel()
	addr := at.Server.addr()
	nc, err := c.dial(ctx, at.Server)
	if err != nil {
		return nil, wrapStep("connect to the server", err)
	}
	cn := newConn(nc, c.acks, c.opts.WriteTimeout)
	if ready != nil {
		err = ready()
	}
	if err == nil {
		err = c.greet(ctx, cn, at)
	}
	if err != nil {
		_ = nc.Close()
		return nil, wrapStep("log in at the server "+addr, ExplainTLS(addr, err)) // a server of TLS 1.3 looks at certificates last
	}
	cn.session.Addr = addr
	return cn, nil
}

func (c *Client) logInWithin(ctx context.Context, d time.Duration) (*loginAnswer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errTooSlow)
	defer cancel()
	return c.logIn(ctx)
}

// orClosed is ErrClosed where there is no other cause.
func orClosed(cause error) error {
	if cause == nil {
		return ErrClosed
	}
	return cause
}

var errTooSlow = errors.New("no answer within Options.ConnectTimeout")

// greet sends LOGIN and waits for WELCOME. ctx cuts the wait short.
func (c *Client) greet(ctx context.Context, cn *conn, at *loginAnswer) error {
	stop := context.AfterFunc(ctx, func() { _ = cn.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	login, err := frame.AppendFrame(nil, c.loginFrame(at))
	if err != nil {
		return err
	}
	cn.shown = c.inbox.place()
	if _, err = cn.nc.Write(login); err == nil {
		err = cn.awaitWelcome()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return errNoWelcome
	}
	return err
}

var errNoWelcome = errors.New("the server closed the connection without a word; does it speak TLS, and the route not say so?")

func (c *Client) loginFrame(at *loginAnswer) *cimpb.Frame {
	hello := &cimpb.Hello{
		Version: protocolVersion, Token: at.Ticket, Device: c.opts.Device,
		HeartbeatMs: uint32(c.opts.Heartbeat / time.Millisecond),
	}
	if done := c.acks.place(); done != (Cursor{}) { // of a Seq of 0, too: it names the log
		hello.Cursors = []*cimpb.Cursor{{LogEpoch: done.LogEpoch, Seq: done.Seq}}
	}
	return &cimpb.Frame{Cmd: cimpb.Command_LOGIN, UserId: c.me.ID, Text: at.Name, Hello: hello}
}

// awaitWelcome reads the first frame, which says yes or no.
func (cn *conn) awaitWelcome() error {
	payload, err := cn.nextFrame()
	if err != nil {
		return err
	}
	var v frame.View
	if err := v.Parse(payload); err != nil {
		return err
	}
	switch v.Cmd {
	case cimpb.Command_WELCOME:
		return cn.welcomed(&v)
	case cimpb.Command_ERROR, cimpb.Command_KICK, cimpb.Command_MOVE:
		return endingStatus(&v)
	}
	return fmt.Errorf("the server answered LOGIN with %v: it does not speak this protocol", v.Cmd)
}

func (cn *conn) welcomed(v *frame.View) error {
	w := &cimpb.Welcome{}
	if err := proto.Unmarshal(v.Welcome, w); err != nil {
		return fmt.Errorf("read WELCOME: %w", err)
	}
	beat := orDuration(time.Duration(w.GetHeartbeatMs())*time.Millisecond, defaultBeat)
	cn.welcome, cn.follows = w, readCursor(v.Follows)
	cn.session = Session{
		Connected: true, Instance: w.GetInstance(), Epoch: w.GetSessionEpoch(), Heartbeat: beat, Since: time.Now(),
	}
	cn.live = newLiveness(cn.nc, beat)
	return cn.nc.SetDeadline(time.Time{})
}

// readCursor reads a place in a log. One that cannot be read is none.
func readCursor(raw []byte) Cursor {
	var c cimpb.Cursor
	if err := proto.Unmarshal(raw, &c); err != nil || c.GetGroup() != 0 {
		return Cursor{}
	}
	return Cursor{LogEpoch: c.GetLogEpoch(), Seq: c.GetSeq()}
}

// readStatus reads the status of a frame; what the server left out comes from the table of codes.
func readStatus(raw []byte) *StatusError {
	st := &cimpb.Status{}
	if err := proto.Unmarshal(raw, st); err != nil {
		st = cimpb.CodeBadFrame.Status(0)
	}
	e := &StatusError{
		Code: cimpb.Code(st.GetCode()), Text: st.GetText(), Comeback: st.GetComeback(),
		RetryAfter: time.Duration(st.GetRetryAfterMs()) * time.Millisecond, offline: st.GetOffline(),
	}
	if e.Text == "" {
		e.Text = e.Code.Sentence()
	}
	if e.Comeback == cimpb.Comeback_COMEBACK_UNSPECIFIED {
		e.Comeback = e.Code.Comeback()
	}
	return e
}

// endingStatus reads the status of a frame that ends the connection.
func endingStatus(v *frame.View) *StatusError {
	e := readStatus(v.Status)
	if v.Cmd == cimpb.Command_MOVE && e.Code == 0 {
		e = refusal(cimpb.CodeMoved)
	}
	return e
}
