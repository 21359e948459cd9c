package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"cim/client"
)

// queuedLines may wait for the sender; then input is not read on.
const queuedLines = 256

// chat is one conversation: input goes to commands and to the sender, what arrives goes to the printer.
type chat struct {
	// immutable after run has begun
	cmd     *chatCmd
	in      io.Reader
	script  bool // input is not a terminal: its author wants the exit code, not the conversation
	printer *printer
	end     context.CancelCauseFunc // of the context of the conversation
	client  *client.Client
	sender  *sender
	screen  *screen // nil: no person sits at a terminal

	// converse
	keeping bool // it was told in this outage that messages are kept
	hurried bool // :q! was entered

	// sent, which the sender calls
	offline map[string]bool // receivers who were told to be so

	// State, which is never called twice at a time
	lost bool // it was told that the connection is gone

	// atomic
	away atomic.Bool // there is no connection
}

func newChat(cmd *chatCmd, io streams, end context.CancelCauseFunc) *chat {
	c := &chat{
		cmd: cmd, in: io.in, script: !isTerminal(io.in), end: end,
		printer: newPrinter(io.out, io.err, isTerminal(io.out)),
	}
	c.useScreen(io)
	return c
}

// failedError is why a conversation cannot go on. Contexts that end without one were ended by the user.
type failedError struct{ error }

func (e failedError) Unwrap() error { return e.error }

// fail ends the conversation; it does not wait for that.
func (c *chat) fail(err error) { c.end(failedError{err}) }

// whyFailed is nil when ctx goes on, or was ended by the user.
func whyFailed(ctx context.Context) error {
	if failed, ok := errors.AsType[failedError](context.Cause(ctx)); ok {
		return failed.error
	}
	return nil
}

// Message implements client.Handler. It returns nil only when the line is written, so that a message
// reaches stdout at least once.
func (c *chat) Message(_ context.Context, m client.Message) error {
	defer c.guard()
	if err := c.printer.message(&m); err != nil {
		c.fail(err)
		return err
	}
	c.received(&m)
	return nil
}

// State implements client.Handler. An outage is told once, however many attempts it takes.
func (c *chat) State(s client.StateChange) {
	defer c.guard()
	switch s.State {
	case client.StateConnected:
		c.showAway(false)
		if c.lost {
			c.printer.note("connected again")
		}
		c.lost = false
	case client.StateDisconnected:
		c.showAway(true)
		if !c.lost {
			c.printer.note("disconnected: " + whyCut(s.Err) + "; trying again")
		}
		c.lost = true
	case client.StateLogReset:
		c.printer.note("the server lost the end of its log: recent messages may be missing, or come again")
	case client.StateLogGap:
		c.printer.note(fmt.Sprintf("%d messages are gone: the inbox was over its limit", s.To-s.From+1))
	}
}

// run is the conversation after the login. ctx, which is that of end, ends it.
func (c *chat) run(ctx context.Context) error {
	defer c.guard()
	c.sender = newSender(sdk{c.client}, c.printer)
	c.sender.onSent = c.sent
	if !c.script {
		me := c.client.Me()
		c.printer.note(fmt.Sprintf("you are %s (id %d) at %s; :all lists the commands, :q ends", me.Name, me.ID, c.cmd.Route))
	}
	var wg sync.WaitGroup
	if c.screen != nil {
		if err := c.screen.begin(c.client.Me().Name); err != nil {
			c.leave()
			return err
		}
		defer c.screen.end()
		c.showScreen(ctx, &wg)
	}
	wg.Go(c.guarded(ctx, c.sender.run))
	wg.Go(c.guarded(ctx, c.monitorClient))
	err := c.converse(ctx)
	stopped := ctx.Err() != nil // before it is ended here
	c.end(nil)
	c.leave()
	wg.Wait()
	if failed := whyFailed(ctx); failed != nil || stopped {
		c.tellUnanswered()
		if failed != nil || !c.hurried {
			return failed
		}
	}
	return c.result(err)
}

// monitorClient ends the conversation when the server has.
func (c *chat) monitorClient(ctx context.Context) {
	select {
	case <-c.client.Done():
		c.fail(sentence(c.client.Err()))
	case <-ctx.Done():
	}
}

// converse takes lines until their end or :q, and returns when everything that was sent is answered, or ctx has
// ended.
func (c *chat) converse(ctx context.Context) error {
	lineCh, stop := c.lines()
	defer stop()
	for {
		select {
		case l := <-lineCh:
			if goOn, err := c.take(ctx, l); !goOn {
				c.settle(ctx, lineCh)
				return err
			}
		case <-ctx.Done():
			c.settle(ctx, nil)
			return nil
		}
	}
}

// take handles one line of input and reports whether more are wanted.
func (c *chat) take(ctx context.Context, l inputLine) (goOn bool, err error) {
	switch {
	case errors.Is(l.err, io.EOF):
		return false, nil
	case l.err != nil && l.last:
		return false, fmt.Errorf("read the input: %w", l.err)
	case l.err != nil:
		c.refuse(l.err)
		return true, nil
	}
	if c.screen != nil {
		l.text = withEmoji(l.text)
	}
	in, err := l.parse()
	if err != nil {
		c.refuse(err)
		return true, nil
	}
	if err := c.typed(l.text, in); err != nil {
		return false, err
	}
	if c.missesEveryone(in) {
		return true, nil
	}
	switch in.kind {
	case inputText:
		c.sayKept()
		c.sender.queue(ctx, outgoing{to: in.to, text: in.text})
	case inputCommand:
		return c.command(ctx, in.command, in.arg)
	}
	return true, nil
}

// refuse tells why a line was not sent.
func (c *chat) refuse(err error) {
	c.sender.refused.Add(1)
	c.printer.note("not sent: " + err.Error())
}

// result is what the command returns when the conversation ended by itself; err is of the input.
func (c *chat) result(err error) error {
	switch n := c.sender.refused.Load(); {
	case err != nil || !c.script:
		return err
	case n > 0:
		return fmt.Errorf("lines that were not sent: %d; the reasons are above", n)
	case c.sender.unanswered+c.sender.unsent > 0:
		return errors.New(":q! did not wait for the answers")
	}
	return nil
}
