package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"

	"cim/client"
	cimpb "cim/proto"
)

// whyNotSent is why a message did not go out, in the words of a conversation. to is as the user wrote it.
func whyNotSent(to string, err error) string {
	switch {
	case client.CodeOf(err) == cimpb.CodeUnknownUser:
		return nobodyCalled(to)
	case errors.Is(err, client.ErrDisconnected):
		return "there is no connection, and such a message reaches who is online at its moment"
	}
	return clause(err)
}

func nobodyCalled(to string) string {
	if _, err := strconv.ParseInt(to, 10, 64); err == nil {
		return "nobody has the id " + to
	}
	return "nobody is called " + to + "; :pu finds names"
}

// clause is an error as a part of a longer sentence.
func clause(err error) string { return strings.TrimRight(oneLine(err), ".") }

// whyCut is why a connection ended.
func whyCut(err error) string {
	if broken, ok := errors.AsType[*net.OpError](err); ok {
		if number, ok := errors.AsType[syscall.Errno](broken.Err); ok {
			return "the connection broke (" + number.Error() + ")"
		}
	}
	if said, ok := errors.AsType[*client.StatusError](err); ok && said.Comeback != cimpb.Comeback_NEVER {
		return whatHappened(clause(said))
	}
	return clause(err)
}

// whatHappened is a sentence without what to do about it, where that is done already.
func whatHappened(sentence string) string {
	if what, _, ok := strings.Cut(sentence, "; "); ok {
		return what
	}
	what, _, _ := strings.Cut(sentence, ": ")
	return what
}

// commandTrouble is why a command had no answer.
func (c *chat) commandTrouble(err error) string {
	if failure := c.cmd.explainTLS(err); failure != nil {
		return clause(failure)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return c.cmd.Route.subject() + " did not answer within " + commandTime.String() + "; try again"
	case errors.Is(err, client.ErrUnreachable):
		return c.cmd.Route.subject() + " cannot be reached now; try again later"
	}
	return clause(err)
}

// stateOf is what a person has to know about a message to that user, or to everyone, that is entered now.
func (c *chat) stateOf(to string) string {
	switch {
	case !c.away.Load():
		return ""
	case to == "":
		return "not sent"
	}
	return "not sent yet"
}

// missesEveryone refuses a message to everyone while there is no connection, when a person wrote it: who is
// online when it could go out is another audience, and it would be late.
func (c *chat) missesEveryone(in input) bool {
	if c.script || in.kind != inputText || in.to != "" || !c.away.Load() {
		return false
	}
	c.refuse(errors.New("there is no connection, and a message to everyone reaches who is online at its moment"))
	return true
}

// sayStored tells a person that somebody is not there to read, once until they are.
func (c *chat) sayStored(to string, offline bool) {
	if c.script || to == "" || c.offline[to] == offline {
		return
	}
	if c.offline == nil {
		c.offline = map[string]bool{}
	}
	c.offline[to] = offline
	if offline {
		c.printer.note("stored for " + to + ", who is offline")
	}
}

// sayKept tells a person, once in an outage, what becomes of messages.
func (c *chat) sayKept() {
	away := c.away.Load()
	if away && !c.keeping && !c.script {
		c.printer.note("not connected: messages to one user are kept, and sent when the connection is back")
	}
	c.keeping = away
}
