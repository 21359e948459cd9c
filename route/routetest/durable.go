package routetest

import (
	"fmt"
	"testing"

	"cim/route"
)

// TestDurable checks what survives a restart and a crash.
func TestDurable(t *testing.T, open func(testing.TB) Durable) {
	for _, end := range []struct {
		name    string
		restart func(Durable, testing.TB)
	}{
		{"reopen", Durable.Reopen},
		{"crash", Durable.Crash},
	} {
		restart := end.restart
		t.Run(end.name, func(t *testing.T) {
			runAll(t, open, []subtest[Durable]{
				{"messages", func(t *testing.T, d Durable) { messagesSurvive(t, d, restart) }},
				{"message names", func(t *testing.T, d Durable) { namesSurvive(t, d, restart) }},
				{"a changed log epoch", func(t *testing.T, d Durable) { logEpochSurvives(t, d, restart) }},
				{"a log epoch that a claim told", func(t *testing.T, d Durable) { claimedEpochSurvives(t, d, restart) }},
				{"accounts", func(t *testing.T, d Durable) { accountsSurvive(t, d, restart) }},
				{"secrets and disabled accounts", func(t *testing.T, d Durable) { credentialsSurvive(t, d, restart) }},
				{"ids are not given again", func(t *testing.T, d Durable) { idsSurvive(t, d, restart) }},
				{"epochs rise", func(t *testing.T, d Durable) { epochsSurvive(t, d, restart) }},
				{"epochs rise above one that was restored", func(t *testing.T, d Durable) { restoredSurvives(t, d, restart) }},
				{"answers of concurrent callers", func(t *testing.T, d Durable) { concurrentSurvive(t, d, restart) }},
			})
		})
	}
	t.Run("acknowledgements survive a restart in good order", func(t *testing.T) { acksSurvive(t, open(t)) })
}

type restartFunc = func(Durable, testing.TB)

func messagesSurvive(t *testing.T, d Durable, restart restartFunc) {
	epoch := fill(t, d.Store(), user, 5)
	restart(d, t)
	wantPosition(t, d.Store(), user, route.Position{LogEpoch: epoch, Last: 5})
	wantSeqs(t, read(t, d.Store(), user, 0, 10, 1<<20), 1, 5)
	got := appendOne(t, d.Store(), message(user, 6))
	if got.Seq != 6 {
		t.Fatalf("the next message: %+v", got)
	}
	shared := route.Cursor{LogEpoch: epoch, Seq: 5}
	if got.LogEpoch == epoch { // otherwise the store cannot know that it has lost nothing
		shared.Seq = 6
	}
	wantShared(t, d.Store(), epoch, shared)
}

func namesSurvive(t *testing.T, d Durable, restart restartFunc) {
	epoch := fill(t, d.Store(), user, 5)
	ack(t, d.Store(), user, epoch, 3)
	restart(d, t)
	wantDuplicate(t, d.Store(), message(user, 2), 2)
	wantDuplicate(t, d.Store(), message(user, 5), 5)
	if p := position(t, d.Store(), user); p.Last != 5 {
		t.Fatalf("position is %+v", p)
	}
}

func logEpochSurvives(t *testing.T, d Durable, restart restartFunc) {
	epoch := fill(t, d.Store(), user, 5)
	ack(t, d.Store(), user, epoch, 5)
	ack(t, d.Store(), user, epoch, 9)
	want := position(t, d.Store(), user)
	restart(d, t)
	wantPosition(t, d.Store(), user, want)
	wantShared(t, d.Store(), epoch, route.Cursor{LogEpoch: epoch, Seq: 5})
}

func claimedEpochSurvives(t *testing.T, d Durable, restart restartFunc) {
	c := claim(t, d.Store(), route.ClaimRequest{User: user, Instance: "i1"})
	restart(d, t)
	wantPosition(t, d.Store(), user, c.Inbox)
}

func accountsSurvive(t *testing.T, d Durable, restart restartFunc) {
	a := create(t, d.Store(), "alice", route.Device)
	restart(d, t)
	if got, err := d.Store().ByName(t.Context(), "alice"); err != nil || got != a {
		t.Fatalf("ByName = %+v, %v; want %+v", got, err, a)
	}
	if got, err := d.Store().ByID(t.Context(), []int64{a.ID}); err != nil || got[0] != a {
		t.Fatalf("ByID = %+v, %v; want %+v", got, err, a)
	}
	if got, created, err := d.Store().Create(t.Context(), "alice", route.User, route.SecretHash{}); err != nil || created || got != a {
		t.Fatalf("Create = %+v, %v, %v; want %+v", got, created, err, a)
	}
}

func idsSurvive(t *testing.T, d Durable, restart restartFunc) {
	seen := map[int64]bool{}
	for round := range 3 {
		for i := range 20 {
			a := create(t, d.Store(), fmt.Sprintf("u%d-%d", round, i), route.User)
			if seen[a.ID] {
				t.Fatalf("id %d was given twice", a.ID)
			}
			seen[a.ID] = true
		}
		restart(d, t)
	}
}

func epochsSurvive(t *testing.T, d Durable, restart restartFunc) {
	last := uint64(0)
	for range 3 {
		for range 20 {
			c := claim(t, d.Store(), route.ClaimRequest{User: user, Instance: "i", Takeover: route.TakeoverAny})
			if c.Epoch <= last {
				t.Fatalf("epoch %d after %d", c.Epoch, last)
			}
			last = c.Epoch
		}
		restart(d, t)
	}
}

func restoredSurvives(t *testing.T, d Durable, restart restartFunc) {
	c := claim(t, d.Store(), route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	q := renewal(user, "i1", c.Epoch+3_600_000)
	wantRenewed(t, d.Store(), q, route.RenewRestored)
	restart(d, t)
	next := claim(t, d.Store(), route.ClaimRequest{User: user, Instance: "i2", Takeover: route.TakeoverAny})
	if next.Epoch <= q.Epoch {
		t.Fatalf("epoch %d after %d", next.Epoch, q.Epoch)
	}
}

func concurrentSurvive(t *testing.T, d Durable, restart restartFunc) {
	const callers, each = 16, 20
	var answers [callers][each]route.Appended
	inParallel(callers, func(c int) {
		for i := range each {
			e := message(user+int64(i%3), uint64(i+1))
			e.Sender = int64(c + 1)
			answers[c][i] = d.Store().Append(t.Context(), []route.Entry{e})[0]
		}
	})
	restart(d, t)
	for c := range answers {
		for i, before := range answers[c] {
			e := message(user+int64(i%3), uint64(i+1))
			e.Sender = int64(c + 1)
			wantDuplicate(t, d.Store(), e, before.Seq)
		}
	}
}

func acksSurvive(t *testing.T, d Durable) {
	epoch := fill(t, d.Store(), user, 5)
	ack(t, d.Store(), user, epoch, 3)
	d.Reopen(t)
	wantPosition(t, d.Store(), user, route.Position{LogEpoch: epoch, Last: 5, Acked: 3})
	wantSeqs(t, read(t, d.Store(), user, 0, 10, 1<<20), 4, 5)
}
