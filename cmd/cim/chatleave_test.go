package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cim/client"
	cimpb "cim/proto"
)

// leaving runs a conversation on a screen, whose messages to users are answered once hold is closed, until it has
// settled after lines. end is how it ended.
func leaving(t *testing.T, away bool, hold chan struct{}, lines ...string) (c *chat, v *vt, enter chan inputLine, settled <-chan error) {
	t.Helper()
	c, v, _ = newScreenChat(t)
	ctx, end := context.WithCancelCause(t.Context())
	c.end = end
	c.sender.sdk = &fakeSDK{hold: hold}
	c.showAway(away)
	var wg sync.WaitGroup
	wg.Go(func() { c.sender.run(ctx) })
	for _, l := range lines[:len(lines)-1] {
		takes(t, c, inputLine{text: l})
	}
	if goOn, err := c.take(ctx, inputLine{text: lines[len(lines)-1]}); goOn || err != nil {
		t.Fatalf("the conversation goes on: %v, %v", goOn, err)
	}
	enter, ch := make(chan inputLine), make(chan error, 1)
	go func() { // ends when c has settled
		c.settle(ctx, enter)
		wg.Wait()
		c.tellUnanswered()
		ch <- ctx.Err()
	}()
	return c, v, enter, ch
}

// :q says what it waits for, and :q! ends the waiting at once when no answer can come.
func TestQuitSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v, enter, settled := leaving(t, true, make(chan struct{}), "bob;;1", "bob;;2", ":q")
		<-time.After(leaveNotice)
		synctest.Wait()
		const waiting = "-- waiting for the answer to 2 messages, and there is no connection; :q!"
		if n := strings.Count(v.text(), waiting); n != 1 {
			t.Errorf("it is told %d times what is waited for:\n%s", n, v.text())
		}
		enter <- inputLine{text: "bob;;3"}
		synctest.Wait()
		if n := strings.Count(v.text(), waiting); n != 2 {
			t.Errorf("it is told %d times what is waited for:\n%s", n, v.text())
		}
		begin := time.Now()
		enter <- inputLine{text: ":q!"}
		if err := <-settled; err == nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if s := c.sender; s.unanswered+s.unsent != 2 || !strings.Contains(v.text(), "-- no answer yet for "+messages(s.unanswered)) {
			t.Errorf("not sent %d, without an answer %d; the screen shows\n%s", s.unsent, s.unanswered, v.text())
		}
	})
}

func TestQuitEndsWithTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		_, v, _, settled := leaving(t, false, hold, "bob;;1", ":q")
		<-time.After(leaveNotice)
		synctest.Wait()
		if !strings.Contains(v.text(), "-- waiting for the answer to 1 message; :q! leaves at once") {
			t.Errorf("the screen shows\n%s", v.text())
		}
		close(hold)
		if err := <-settled; err != nil {
			t.Errorf("it was cut short: %v", err)
		}
	})
}

// While there is a connection, :q! gives what is on its way a moment; without one it gives nothing.
func TestQuitInAHurry(t *testing.T) {
	for name, tt := range map[string]struct {
		away bool
		took time.Duration
	}{"connected": {false, hurryTime}, "not connected": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				c, _, _, settled := leaving(t, tt.away, make(chan struct{}), "bob;;1", ":q!")
				if err := <-settled; err == nil || time.Since(begin) != tt.took || !c.hurried {
					t.Errorf("%v after %v, want %v", err, time.Since(begin), tt.took)
				}
			})
		})
	}
	t.Run("answered", func(t *testing.T) {
		hold := make(chan struct{})
		close(hold)
		c, _, _, settled := leaving(t, false, hold, "bob;;1", ":q!")
		if err := <-settled; err != nil || c.sender.unanswered+c.sender.unsent != 0 {
			t.Errorf("%v, %d without an answer", err, c.sender.unanswered)
		}
	})
}

// What is typed while there is no connection is answered at once.
func TestTypingWithoutAConnection(t *testing.T) {
	c, v, _ := newScreenChat(t)
	c.showAway(true)
	takes(t, c, inputLine{text: "hello"}, inputLine{text: "bob;;1"}, inputLine{text: "bob;;2"})
	want := []string{
		"you [not sent]: hello",
		"-- not sent: there is no connection, and a message to everyone reaches who is on", "line at its moment",
		"you -> bob [not sent yet]: 1",
		"-- not connected: messages to one user are kept, and sent when the connection is", " back",
		"you -> bob [not sent yet]: 2", "alice [offline]> |",
	}
	if got := withoutTimes(v.text()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
	if n := c.sender.waiting.Load(); n != 2 {
		t.Errorf("%d messages wait", n)
	}
	c.showAway(false)
	takes(t, c, inputLine{text: "bob;;3"})
	c.showAway(true)
	takes(t, c, inputLine{text: "bob;;4"})
	if n := strings.Count(v.text(), "-- not connected"); n != 2 {
		t.Errorf("in two outages it is told %d times:\n%s", n, v.text())
	}
}

// That somebody is offline is told with the first message that has to wait for them, and again after they were there.
func TestReceiverIsOffline(t *testing.T) {
	c, v, _ := newScreenChat(t)
	for _, offline := range []bool{false, true, true, false, true} {
		c.sent(outgoing{to: "bob", text: "x"}, client.Receipt{Code: cimpb.CodeStored, Offline: offline})
	}
	c.sent(outgoing{text: "x"}, client.Receipt{Code: cimpb.CodeWritten})
	v.shows("-- stored for bob, who is offline", "-- stored for bob, who is offline", "alice> |")
	c, v, _ = newScreenChat(t)
	c.script = true
	c.sent(outgoing{to: "bob", text: "x"}, client.Receipt{Code: cimpb.CodeStored, Offline: true})
	v.shows("alice> |")
}

func TestSentencesOfAConversation(t *testing.T) {
	c := &chat{cmd: &chatCmd{Route: "http://r:1"}}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for name, tt := range map[string]struct{ got, want string }{
		"unknown name":    {whyNotSent("zed", &client.StatusError{Code: cimpb.CodeUnknownUser, Text: "Use /v1."}), "nobody is called zed; :pu finds names"},
		"unknown id":      {whyNotSent("77", &client.StatusError{Code: cimpb.CodeUnknownUser}), "nobody has the id 77"},
		"not connected":   {whyNotSent("", client.ErrDisconnected), "there is no connection, and such a message reaches who is online at its moment"},
		"the server's":    {whyNotSent("bob", &client.StatusError{Text: "The inbox is full."}), "The inbox is full"},
		"cut by stopping": {whyCut(&client.StatusError{Text: "The server stops; come back later."}), "The server stops"},
		"cut by a reset":  {whyCut(reset), "the connection broke (connection reset by peer)"},
		"no route":        {c.commandTrouble(errors.Join(client.ErrUnreachable, refused)), "the route http://r:1 cannot be reached now; try again later"},
		"slow route":      {c.commandTrouble(errors.Join(client.ErrUnreachable, context.DeadlineExceeded)), "the route http://r:1 did not answer within 10s; try again"},
		"command refused": {c.commandTrouble(&client.StatusError{Text: "Too many."}), "Too many"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
}

// In a script, :q! that did not wait is a failure; :q waits and reads no further.
func TestResultOfAScriptInAHurry(t *testing.T) {
	c := &chat{script: true, sender: newSender(&fakeSDK{}, nil)}
	if err := c.result(nil); err != nil {
		t.Error(err)
	}
	c.sender.unsent = 1
	if err := c.result(nil); err == nil || err.Error() != ":q! did not wait for the answers" {
		t.Errorf("%v", err)
	}
}
