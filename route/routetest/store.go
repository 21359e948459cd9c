package routetest

import (
	"fmt"
	"testing"

	"cim/route"
)

// TestStore checks what route.Directory and route.Inbox promise together.
func TestStore(t *testing.T, open func(testing.TB) Store) {
	runAll(t, open, []subtest[Store]{
		{"a claim tells the inbox", claimTellsInbox},
		{"a claim names the log epoch of the first message", claimNamesEpoch},
		{"a claim acknowledges its cursor", claimAcknowledges},
		{"a claim ignores a cursor of another log epoch", claimOtherEpoch},
		{"a claim's cursor above last changes the log epoch", claimAboveLast},
		{"a claim takes a cursor of the log before", claimEarlierLog},
		{"a refused claim acknowledges nothing", refusedClaimAcks},
		{"an append tells the holder", appendTellsHolder},
		{"no message falls between claim and append", claimAgainstAppend},
		{"a renewal tells the inbox", renewTellsInbox},
		{"a renewal of a session that was written more changes the log epoch", renewProvesLostTail},
		{"a renewal names the log epoch of the first message", renewNamesEpoch},
		{"an append tells the restored holder", appendTellsRestored},
		{"no message falls between renewal and append", renewAgainstAppend},
	})
	runAll(t, open, checkTests)
}

func claimTellsInbox(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	ack(t, s, user, epoch, 2)
	c := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	if want := (route.Position{LogEpoch: epoch, Last: 5, Acked: 2}); c.Inbox != want {
		t.Fatalf("inbox is %+v, want %+v", c.Inbox, want)
	}
}

func claimNamesEpoch(t *testing.T, s Store) {
	c := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	if c.Inbox.LogEpoch == 0 || c.Inbox.Last != 0 || c.Inbox.Acked != 0 {
		t.Fatalf("inbox is %+v", c.Inbox)
	}
	if got := appendOne(t, s, message(user, 1)); got.LogEpoch != c.Inbox.LogEpoch || got.Seq != 1 {
		t.Fatalf("the first message: %+v; the claim said %+v", got, c.Inbox)
	}
}

func claimAcknowledges(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	c := claim(t, s, route.ClaimRequest{User: user, Instance: "i1", Cursor: route.Cursor{LogEpoch: epoch, Seq: 3}})
	want := route.Position{LogEpoch: epoch, Last: 5, Acked: 3}
	if c.Inbox != want || c.Shared != (route.Cursor{LogEpoch: epoch, Seq: 5}) {
		t.Fatalf("inbox is %+v, shared %+v; want %+v", c.Inbox, c.Shared, want)
	}
	wantPosition(t, s, user, want)
	wantSeqs(t, read(t, s, user, 0, 10, 1<<20), 4, 5)
}

func claimOtherEpoch(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	c := claim(t, s, route.ClaimRequest{User: user, Instance: "i1", Cursor: route.Cursor{LogEpoch: epoch + 1, Seq: 9}})
	if want := (route.Position{LogEpoch: epoch, Last: 5}); c.Inbox != want || c.Shared != (route.Cursor{}) {
		t.Fatalf("inbox is %+v, shared %+v; want %+v", c.Inbox, c.Shared, want)
	}
}

func claimAboveLast(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	c := claim(t, s, route.ClaimRequest{User: user, Instance: "i1", Cursor: route.Cursor{LogEpoch: epoch, Seq: 9}})
	if c.Inbox.LogEpoch <= epoch || c.Inbox.Last != 5 || c.Inbox.Acked != 0 {
		t.Fatalf("inbox is %+v; the log epoch was %d", c.Inbox, epoch)
	}
	if c.Shared.LogEpoch != epoch || c.Shared.Seq > 5 {
		t.Fatalf("shared %+v; the log of epoch %d had 5 messages", c.Shared, epoch)
	}
	wantSeqs(t, read(t, s, user, 0, 10, 1<<20), 1, 5)
}

// renewProvesLostTail: a session was written more than there is, and has handled none of it.
func renewProvesLostTail(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	c := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	for _, written := range []route.Cursor{{}, {LogEpoch: epoch, Seq: 5}, {LogEpoch: epoch + 1, Seq: 9}} {
		q := renewal(user, "i1", c.Epoch)
		q.Written = written
		if got := renew(t, s, q); got.Inbox != (route.Position{LogEpoch: epoch, Last: 5}) {
			t.Fatalf("written %+v: inbox is %+v", written, got.Inbox)
		}
	}
	q := renewal(user, "i1", c.Epoch)
	q.Written = route.Cursor{LogEpoch: epoch, Seq: 6}
	got := renew(t, s, q)
	if got.State != route.RenewKept || got.Inbox.LogEpoch <= epoch || got.Inbox.Last != 5 || got.Inbox.Acked != 0 {
		t.Fatalf("written %+v: %+v", q.Written, got)
	}
	wantPosition(t, s, user, got.Inbox)
	wantSeqs(t, read(t, s, user, 0, 10, 1<<20), 1, 5)
}

// claimEarlierLog presents cursors of the log before, which was longer than it is known to be.
func claimEarlierLog(t *testing.T, s Store) {
	before := fill(t, s, user, 5)
	ack(t, s, user, before, 5)
	ack(t, s, user, before, 9)
	now := appendOne(t, s, message(user, 6)).LogEpoch
	for _, seq := range []uint64{3, 5, 6, 9} {
		c := claim(t, s, route.ClaimRequest{
			User: user, Instance: "i1", Takeover: route.TakeoverAny, Cursor: route.Cursor{LogEpoch: before, Seq: seq},
		})
		if want := (route.Position{LogEpoch: now, Last: 6, Acked: 5}); c.Inbox != want {
			t.Fatalf("cursor %d: inbox is %+v, want %+v", seq, c.Inbox, want)
		}
		if want := (route.Cursor{LogEpoch: before, Seq: 5}); c.Shared != want {
			t.Fatalf("cursor %d: shared %+v, want %+v", seq, c.Shared, want)
		}
	}
}

func refusedClaimAcks(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	_, err := s.Claim(t.Context(), route.ClaimRequest{
		User: user, Device: "tablet", Instance: "i2", Cursor: route.Cursor{LogEpoch: epoch, Seq: 3},
	})
	wantErr(t, "Claim", err, route.ErrHeld)
	wantPosition(t, s, user, route.Position{LogEpoch: epoch, Last: 5})
}

func appendTellsHolder(t *testing.T, s Store) {
	if got := appendOne(t, s, message(user, 1)); got.Holder.Held() {
		t.Fatalf("nobody is there, yet: %+v", got.Holder)
	}
	c := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	want := route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"}
	for _, id := range []uint64{2, 2} { // a duplicate is told too
		if got := appendOne(t, s, message(user, id)); got.Holder != want {
			t.Fatalf("holder is %+v, want %+v", got.Holder, want)
		}
	}
	if err := s.Release(t.Context(), user, c.Epoch); err != nil {
		t.Fatal(err)
	}
	if got := appendOne(t, s, message(user, 3)); got.Holder.Held() {
		t.Fatalf("after the release: %+v", got.Holder)
	}
}

// claimAgainstAppend takes the session over while messages are stored. A message beyond what the claim was told
// of must have been answered with that claim's session or a later one: otherwise nobody would push it.
func claimAgainstAppend(t *testing.T, s Store) {
	const messages, claims = 200, 50
	var answered [messages + 1]uint64 // seq -> session epoch that its sender was told of
	var told [claims]route.Claim
	inParallel(5, func(i int) {
		if i == 0 {
			for n := range claims {
				c, err := s.Claim(t.Context(), route.ClaimRequest{User: user, Instance: fmt.Sprintf("i%d", n), Takeover: route.TakeoverAny})
				if err != nil {
					t.Errorf("Claim: %v", err)
				}
				told[n] = c
			}
			return
		}
		for n := range messages / 4 {
			e := message(user, uint64(n+1))
			e.Sender = int64(i)
			got := s.Append(t.Context(), []route.Entry{e})[0]
			if got.Err != nil || got.Seq == 0 || got.Seq > messages {
				t.Errorf("Append: %+v", got)
				return
			}
			answered[got.Seq] = got.Holder.Epoch
		}
	})
	for _, c := range told {
		for seq := c.Inbox.Last + 1; seq <= messages; seq++ {
			if answered[seq] < c.Epoch {
				t.Fatalf("session %d was told of messages up to %d; message %d was answered with session %d",
					c.Epoch, c.Inbox.Last, seq, answered[seq])
			}
		}
	}
}

func renewTellsInbox(t *testing.T, s Store) {
	epoch := fill(t, s, user, 5)
	ack(t, s, user, epoch, 2)
	c := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	want := c.Inbox
	for _, q := range []route.Renewal{renewal(user, "i1", c.Epoch), renewal(user, "i1", c.Epoch+1)} {
		if got := renew(t, s, q); got.Inbox != want {
			t.Fatalf("state %d: inbox is %+v, want %+v", got.State, got.Inbox, want)
		}
		want.Last = appendOne(t, s, message(user, want.Last+1)).Seq
	}
}

// renewNamesEpoch has a session find out by its renewal that the inbox which it was told of is gone.
func renewNamesEpoch(t *testing.T, s Store) {
	got := renew(t, s, renewal(user, "i1", 1_000))
	if got.State != route.RenewRestored || got.Inbox.LogEpoch == 0 || got.Inbox.Last != 0 {
		t.Fatalf("Renew = %+v", got)
	}
	if first := appendOne(t, s, message(user, 1)); first.LogEpoch != got.Inbox.LogEpoch {
		t.Fatalf("the first message: %+v; the renewal said %+v", first, got.Inbox)
	}
}

func appendTellsRestored(t *testing.T, s Store) {
	if got := appendOne(t, s, message(user, 1)); got.Holder.Held() {
		t.Fatalf("the store knows nobody, yet: %+v", got.Holder)
	}
	renew(t, s, renewal(user, "i1", 1_000))
	want := route.Location{Instance: "i1", Epoch: 1_000, Device: "phone"}
	if got := appendOne(t, s, message(user, 2)); got.Holder != want {
		t.Fatalf("holder is %+v, want %+v", got.Holder, want)
	}
}

// renewAgainstAppend restores sessions while messages are stored; what claimAgainstAppend asks of claims holds.
func renewAgainstAppend(t *testing.T, s Store) {
	const users, messages = 20, 10
	for id := user; id < user+users; id++ {
		var answers [messages + 1]route.Appended
		var renewed route.Renewed
		inParallel(2, func(i int) {
			if i == 0 {
				renewed = s.Renew(t.Context(), []route.Renewal{renewal(id, "i1", 1_000)})[0]
				return
			}
			for n := uint64(1); n <= messages; n++ {
				answers[n] = s.Append(t.Context(), []route.Entry{message(id, n)})[0]
			}
		})
		if renewed.Err != nil || renewed.State != route.RenewRestored {
			t.Fatalf("Renew = %+v", renewed)
		}
		for seq := renewed.Inbox.Last + 1; seq <= messages; seq++ {
			if a := answers[seq]; a.Err != nil || a.Holder.Epoch != 1_000 {
				t.Fatalf("told of messages up to %d; message %d was answered %+v", renewed.Inbox.Last, seq, a)
			}
		}
	}
}
