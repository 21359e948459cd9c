package main

import (
	"context"
	"strconv"
	"time"
)

const (
	leaveNotice = 300 * time.Millisecond // of waiting, before a person is told for what
	hurryTime   = 2 * time.Second        // :q! gives to the answers that are on their way
)

// settle waits until everything that was sent is answered, ctx has ended, or a person loses patience with :q!.
// Nothing else that is entered meanwhile counts.
func (c *chat) settle(ctx context.Context, lineCh <-chan inputLine) {
	c.sender.finish()
	if c.script {
		lineCh = nil // what stands behind :q in a script is not read
	}
	if c.hurried {
		c.hurry()
	}
	notice := time.NewTimer(leaveNotice)
	defer notice.Stop()
	for {
		select {
		case <-c.sender.doneCh:
			return
		case <-notice.C:
			c.sayWaiting()
		case l := <-lineCh:
			if c.impatient(l) {
				c.hurry()
			}
		}
	}
}

// impatient reports whether a line that came after :q is :q!. Others are told what the matter is.
func (c *chat) impatient(l inputLine) bool {
	in, err := l.parse()
	switch {
	case l.err != nil || err != nil || in.kind == inputNothing:
		return false
	case in.kind == inputCommand && in.command == "q!" && in.arg == "":
		return true
	}
	c.sayWaiting()
	return false
}

// hurry ends the waiting: soon, or at once while there is no connection that an answer could come over.
func (c *chat) hurry() {
	c.hurried = true
	if c.away.Load() {
		c.end(nil)
		return
	}
	timer := time.NewTimer(hurryTime)
	defer timer.Stop()
	select {
	case <-c.sender.doneCh:
	case <-timer.C:
		c.end(nil)
	}
}

// sayWaiting tells a person why :q takes its time.
func (c *chat) sayWaiting() {
	n := c.sender.waiting.Load()
	if c.script || n == 0 {
		return
	}
	state := ""
	if c.away.Load() {
		state = ", and there is no connection"
	}
	c.printer.note("waiting for the answer to " + messages(int(n)) + state + "; :q! leaves at once")
}

// messages is a count of them.
func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return strconv.Itoa(n) + " messages"
}

// leave says goodbye to the server. When there is no time for it, what was not acknowledged comes again.
func (c *chat) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = c.client.Close(ctx)
}

// tellUnanswered sums up the sends that the end of the conversation has cut short.
func (c *chat) tellUnanswered() {
	if n := c.sender.unsent; n > 0 {
		c.printer.note("not sent: " + messages(n) + " that waited")
	}
	if n := c.sender.unanswered; n > 0 {
		c.printer.note("no answer yet for " + messages(n) + "; some may have been delivered")
	}
}
