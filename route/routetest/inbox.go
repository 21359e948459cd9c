package routetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"cim/route"
)

// TestInbox checks the promises of route.Inbox that need no session and no restart.
func TestInbox(t *testing.T, open func(testing.TB) route.Inbox) {
	runAll(t, open, []subtest[route.Inbox]{
		{"seq is consecutive from 1", seqConsecutive},
		{"answers keep the order of entries", answersOrder},
		{"no entries", noEntries},
		{"concurrent appenders", concurrentAppenders},
		{"appenders and readers", appendersAndReaders},
		{"duplicate", duplicate},
		{"duplicate within one call", duplicateInCall},
		{"duplicate after acknowledgement", duplicateAfterAck},
		{"every part of the name counts", nameParts},
		{"names beyond the cap are forgotten", namesBeyondCap},
		{"bodies are copied and kept exactly", bodiesCopied},
		{"acknowledgement is cumulative", ackCumulative},
		{"acknowledgement late and twice", ackLate},
		{"acknowledgement of another log epoch", ackOtherEpoch},
		{"acknowledgement above last", ackAboveLast},
		{"earlier logs", earlierLogs},
		{"acknowledgement of many at once", ackMany},
		{"acknowledgement of an unknown inbox", ackUnknown},
		{"append after everything was acknowledged", appendAfterAck},
		{"read limits", readLimits},
		{"read of an empty inbox", readEmpty},
		{"context ended", inboxContextEnded},
	})
}

func seqConsecutive(t *testing.T, in route.Inbox) {
	wantPosition(t, in, user, route.Position{})
	var epoch uint64
	for id := uint64(1); id <= 20; id++ {
		got := appendOne(t, in, message(user, id))
		if got.Seq != id || got.Duplicate || got.LogEpoch == 0 || (id > 1 && got.LogEpoch != epoch) {
			t.Fatalf("message %d: %+v (log epoch before: %d)", id, got, epoch)
		}
		epoch = got.LogEpoch
	}
	if got := appendOne(t, in, message(user+1, 1)); got.Seq != 1 {
		t.Fatalf("another inbox begins at %d", got.Seq)
	}
	wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 20})
	wantSeqs(t, read(t, in, user, 0, 100, 1<<20), 1, 20)
}

func answersOrder(t *testing.T, in route.Inbox) {
	const receivers, each = 7, 100
	var entries []route.Entry
	for id := uint64(1); id <= each; id++ {
		for r := range int64(receivers) {
			entries = append(entries, message(user+r, id))
		}
	}
	for i, got := range in.Append(t.Context(), entries) {
		if want := entries[i].ClientMsgID; got.Err != nil || got.Seq != want {
			t.Fatalf("answer %d: %+v, want seq %d", i, got, want)
		}
	}
	for r := range int64(receivers) {
		wantSeqs(t, read(t, in, user+r, 0, 1000, 1<<20), 1, each)
	}
}

func noEntries(t *testing.T, in route.Inbox) {
	if got := in.Append(t.Context(), nil); len(got) != 0 {
		t.Fatalf("Append of nothing = %+v", got)
	}
	if err := in.Ack(t.Context(), nil); err != nil {
		t.Fatalf("Ack of nothing: %v", err)
	}
}

func concurrentAppenders(t *testing.T, in route.Inbox) {
	const callers, each = 64, 20
	var seqs [callers][each]uint64
	inParallel(callers, func(c int) {
		for i := range each {
			e := message(user, uint64(i+1))
			e.Sender = int64(c + 1)
			e.Body = fmt.Appendf(nil, "%d/%d", c, i)
			got := in.Append(t.Context(), []route.Entry{e})[0]
			if got.Err != nil || got.Duplicate {
				t.Errorf("Append: %+v", got)
			}
			seqs[c][i] = got.Seq
		}
	})
	bySeq := map[uint64]string{}
	for c := range seqs {
		for i, seq := range seqs[c] {
			if i > 0 && seq <= seqs[c][i-1] {
				t.Fatalf("sender %d: seq %d after %d", c, seq, seqs[c][i-1])
			}
			bySeq[seq] = fmt.Sprintf("%d/%d", c, i)
		}
	}
	page := read(t, in, user, 0, callers*each+1, 1<<24)
	if len(page.Messages) != callers*each || len(bySeq) != callers*each {
		t.Fatalf("%d messages stored under %d seqs, want %d", len(page.Messages), len(bySeq), callers*each)
	}
	for i, m := range page.Messages {
		if m.Seq != uint64(i+1) || string(m.Body) != bySeq[m.Seq] {
			t.Fatalf("message %d is (%d, %q), answered was %q", i, m.Seq, m.Body, bySeq[m.Seq])
		}
	}
}

// appendersAndReaders reads and acknowledges while messages arrive: a page never has a gap, nothing comes
// twice, and nothing is missing in the end.
func appendersAndReaders(t *testing.T, in route.Inbox) {
	const total = 400
	doneCh := make(chan struct{})
	go func() {
		defer close(doneCh)
		for id := uint64(1); id <= total; id++ {
			if got := in.Append(t.Context(), []route.Entry{message(user, id)})[0]; got.Err != nil || got.Seq != id {
				t.Errorf("Append %d: %+v", id, got)
				return
			}
		}
	}()
	var page route.Page
	for next, failed := uint64(1), false; next <= total && !failed; {
		var err error
		page, err = in.Read(t.Context(), user, route.Cursor{LogEpoch: page.LogEpoch, Seq: next - 1}, 16, 1<<20)
		if err != nil || page.Acked > next-1 {
			t.Errorf("Read after %d: %+v, %v", next-1, page.Position, err)
			break
		}
		for _, m := range page.Messages {
			if m.Seq != next || m.Seq > page.Last || string(m.Body) != fmt.Sprintf("body %d", next) {
				t.Errorf("read (%d, %q) with position %+v, want %d", m.Seq, m.Body, page.Position, next)
				failed = true
			}
			next++
		}
		if len(page.Messages) > 0 {
			ack(t, in, user, page.LogEpoch, next-1)
		}
		failed = failed || t.Failed()
	}
	<-doneCh
	if p := position(t, in, user); !t.Failed() && (p.Last != total || p.Acked != total) {
		t.Errorf("in the end: %+v", p)
	}
}

func wantDuplicate(t testing.TB, in route.Inbox, e route.Entry, seq uint64) {
	t.Helper()
	if got := appendOne(t, in, e); !got.Duplicate || got.Seq != seq {
		t.Fatalf("Append again: %+v, want a duplicate of %d", got, seq)
	}
}

func duplicate(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 3)
	e := message(user, 2)
	e.Body = []byte("other words under the same name")
	wantDuplicate(t, in, e, 2)
	wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 3})
	wantSeqs(t, read(t, in, user, 0, 10, 1<<20), 1, 3)
}

func duplicateInCall(t *testing.T, in route.Inbox) {
	got := in.Append(t.Context(), []route.Entry{message(user, 1), message(user, 2), message(user, 1)})
	if got[0].Duplicate || got[1].Duplicate || !got[2].Duplicate || got[2].Seq != got[0].Seq || got[2].LogEpoch != got[0].LogEpoch {
		t.Fatalf("Append = %+v", got)
	}
	wantSeqs(t, read(t, in, user, 0, 10, 1<<20), 1, 2)
}

func duplicateAfterAck(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 3)
	ack(t, in, user, epoch, 3)
	wantDuplicate(t, in, message(user, 1), 1)
	if p := read(t, in, user, 0, 10, 1<<20); len(p.Messages) != 0 {
		t.Fatalf("an acknowledged message came back: %+v", p)
	}
}

func nameParts(t *testing.T, in route.Inbox) {
	base := message(user, 1)
	appendOne(t, in, base)
	for i, change := range []func(*route.Entry){
		func(e *route.Entry) { e.Sender++ },
		func(e *route.Entry) { e.Device = "tablet" },
		func(e *route.Entry) { e.Device = "" },
		func(e *route.Entry) { e.ClientMsgID++ },
	} {
		e := base
		change(&e)
		if got := appendOne(t, in, e); got.Duplicate || got.Seq != uint64(i+2) {
			t.Fatalf("%+v is taken for another: %+v", e, got)
		}
	}
	e := base
	e.Receiver++
	if got := appendOne(t, in, e); got.Duplicate || got.Seq != 1 {
		t.Fatalf("another receiver: %+v", got)
	}
}

func namesBeyondCap(t *testing.T, in route.Inbox) {
	entries := make([]route.Entry, route.DedupPerUser+1)
	for i := range entries {
		entries[i] = message(user, uint64(i+1))
	}
	for i, got := range in.Append(t.Context(), entries) {
		if got.Err != nil || got.Seq != uint64(i+1) {
			t.Fatalf("answer %d: %+v", i, got)
		}
	}
	wantDuplicate(t, in, message(user, 2), 2)
	wantDuplicate(t, in, message(user, route.DedupPerUser+1), route.DedupPerUser+1)
	if got := appendOne(t, in, message(user, 1)); got.Duplicate || got.Seq != route.DedupPerUser+2 {
		t.Fatalf("name %d places back is still known: %+v", route.DedupPerUser+1, got)
	}
}

func bodiesCopied(t *testing.T, in route.Inbox) {
	e := message(user, 1)
	e.Body = []byte{0, 1, 0xff, '\r', '\n', 0}
	want := bytes.Clone(e.Body)
	appendOne(t, in, e)
	clear(e.Body)
	big := message(user, 2)
	big.Body = bytes.Repeat([]byte{0xa5}, 64<<10)
	appendOne(t, in, big)
	p := read(t, in, user, 0, 10, 1<<20)
	if len(p.Messages) != 2 || !bytes.Equal(p.Messages[0].Body, want) || !bytes.Equal(p.Messages[1].Body, big.Body) {
		t.Fatalf("bodies were changed")
	}
	clear(p.Messages[0].Body)
	if again := read(t, in, user, 0, 10, 1<<20); !bytes.Equal(again.Messages[0].Body, want) {
		t.Fatalf("a reader changed what is stored: %v", again.Messages[0].Body)
	}
}

func inboxContextEnded(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := in.Append(ctx, []route.Entry{message(user, 3), message(user, 4)})
	if len(got) != 2 {
		t.Fatalf("%d answers for 2 entries", len(got))
	}
	for _, a := range got {
		wantErr(t, "Append", a.Err, context.Canceled)
	}
	wantErr(t, "Ack", in.Ack(ctx, []route.Ack{{User: user, Cursor: route.Cursor{LogEpoch: epoch, Seq: 1}}}), context.Canceled)
	_, err := in.Read(ctx, user, route.Cursor{}, 10, 100)
	wantErr(t, "Read", err, context.Canceled)
	_, err = in.Position(ctx, user)
	wantErr(t, "Position", err, context.Canceled)

	next := appendOne(t, in, message(user, 5)) // whether the two were stored or not, there is no gap
	p := read(t, in, user, 0, 10, 1<<20)
	if uint64(len(p.Messages)) != next.Seq || p.Messages[len(p.Messages)-1].Seq != next.Seq {
		t.Fatalf("afterwards: %+v, last answered seq %d", p, next.Seq)
	}
}
