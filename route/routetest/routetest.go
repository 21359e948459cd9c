// Package routetest holds the promises of package route's stores as tests: one suite per interface, and
// benchmarks, which every implementation runs against what it really stores in. It knows the interfaces only.
//
// Each subtest opens a store of its own by the function it is given, which also arranges for its end
// (testing.TB.Cleanup). Some open a second one, and then use the first no more. The stores may share a server behind
// them as long as users and names do not meet: opened stores must be empty.
package routetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cim/route"
)

// Store is an implementation that keeps inboxes and the directory together, as routing needs them.
type Store interface {
	route.Accounts
	route.Directory
	route.Inbox
}

// Durable is a Store that survives its process.
type Durable interface {
	// Store returns the one that is open now.
	Store() Store
	// Reopen ends it in good order and opens it again.
	Reopen(t testing.TB)
	// Crash ends it as a kill or a power cut does, losing what was not made durable, and opens it again.
	Crash(t testing.TB)
}

// subtest is one named promise.
type subtest[S any] struct {
	name string
	run  func(t *testing.T, s S)
}

func runAll[S any](t *testing.T, open func(testing.TB) S, tests []subtest[S]) {
	t.Helper()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, open(t)) })
	}
}

const user = int64(1_547_028_929_407)

// message names an entry by its client id.
func message(receiver int64, id uint64) route.Entry {
	return route.Entry{Receiver: receiver, Sender: 7, Device: "phone", ClientMsgID: id, Body: fmt.Appendf(nil, "body %d", id)}
}

// appendOne stores one entry and fails the test if it is refused.
func appendOne(t testing.TB, in route.Inbox, e route.Entry) route.Appended {
	t.Helper()
	answers := in.Append(t.Context(), []route.Entry{e})
	if len(answers) != 1 {
		t.Fatalf("Append of one entry gave %d answers", len(answers))
	}
	if answers[0].Err != nil {
		t.Fatalf("Append: %v", answers[0].Err)
	}
	return answers[0]
}

// fill stores messages 1 to n and returns the log epoch.
func fill(t testing.TB, in route.Inbox, receiver int64, n uint64) uint64 {
	t.Helper()
	var epoch uint64
	for id := uint64(1); id <= n; id++ {
		epoch = appendOne(t, in, message(receiver, id)).LogEpoch
	}
	return epoch
}

func ack(t testing.TB, in route.Inbox, receiver int64, epoch, seq uint64) {
	t.Helper()
	err := in.Ack(t.Context(), []route.Ack{{User: receiver, Cursor: route.Cursor{LogEpoch: epoch, Seq: seq}}})
	if err != nil {
		t.Fatalf("Ack up to %d: %v", seq, err)
	}
}

func position(t testing.TB, in route.Inbox, receiver int64) route.Position {
	t.Helper()
	p, err := in.Position(t.Context(), receiver)
	if err != nil {
		t.Fatalf("Position: %v", err)
	}
	return p
}

func wantPosition(t testing.TB, in route.Inbox, receiver int64, want route.Position) {
	t.Helper()
	if got := position(t, in, receiver); got != want {
		t.Fatalf("position is %+v, want %+v", got, want)
	}
}

func read(t testing.TB, in route.Inbox, receiver int64, after uint64, limit, maxBytes int) route.Page {
	t.Helper()
	p, err := in.Read(t.Context(), receiver, route.Cursor{LogEpoch: position(t, in, receiver).LogEpoch, Seq: after}, limit, maxBytes)
	if err != nil {
		t.Fatalf("Read after %d: %v", after, err)
	}
	return p
}

// wantSeqs fails unless the page holds exactly the messages from first to last, with their bodies.
func wantSeqs(t testing.TB, p route.Page, first, last uint64) {
	t.Helper()
	if len(p.Messages) != int(last-first+1) {
		t.Fatalf("page holds %d messages, want %d to %d", len(p.Messages), first, last)
	}
	for i, m := range p.Messages {
		seq := first + uint64(i)
		if want := fmt.Sprintf("body %d", seq); m.Seq != seq || string(m.Body) != want {
			t.Fatalf("message %d is (%d, %q), want (%d, %q)", i, m.Seq, m.Body, seq, want)
		}
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

// inParallel runs f(0) to f(n-1) at the same time and waits for all.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// eventually waits until cond holds, for stores that learn of a change by a message.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		}
	}
}
