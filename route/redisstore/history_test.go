package redisstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cim/internal/redistest"
	"cim/route"
)

// TestSeqsOfALostTailNameOtherMessages: Redis comes back with an old snapshot, and as many messages are stored as it has
// lost before anybody compares. They have the same seqs, and who had the lost ones still gets them.
func TestSeqsOfALostTailNameOtherMessages(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	const user = 7
	var had route.Appended
	store := func(from, to uint64) {
		t.Helper()
		for id := from; id <= to; id++ {
			had = appendOne(t, s, entry(user, id))
		}
	}
	store(1, 7)
	if err := server.Client(t).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	store(8, 10)
	before := route.Cursor{LogEpoch: had.LogEpoch, Seq: had.Seq}
	server.Kill(t)
	server.Restart(t)
	redistest.Until(t, "Redis is back", func(ctx context.Context) error { _, err := s.Position(ctx, user); return err })

	store(11, 13)
	if had.Seq != 10 || had.LogEpoch <= before.LogEpoch {
		t.Fatalf("stored %+v; the last one before was %+v", had, before)
	}
	shared := route.Cursor{LogEpoch: before.LogEpoch, Seq: 7}
	wantPage(t, s, before, shared, "11 12 13")
	wantPage(t, s, route.Cursor{LogEpoch: before.LogEpoch, Seq: 6}, shared, "7 11 12 13")
	wantPage(t, s, route.Cursor{LogEpoch: had.LogEpoch, Seq: 9}, route.Cursor{LogEpoch: had.LogEpoch, Seq: 10}, "13")

	c := claim(t, s, route.ClaimRequest{User: user, Instance: "i1", Cursor: before})
	want := route.Position{LogEpoch: had.LogEpoch, Last: 10, Acked: 7}
	if c.Inbox != want || c.Shared != shared {
		t.Fatalf("claimed %+v, shared %+v; want %+v", c.Inbox, c.Shared, want)
	}
	if err := s.Ack(t.Context(), []route.Ack{{User: user, Cursor: before}}); err != nil { // of a session that has not heard of it
		t.Fatal(err)
	}
	if p, err := s.Position(t.Context(), user); err != nil || p != want {
		t.Fatalf("position %+v, %v; want %+v", p, err, want)
	}
}

// wantPage reads after a place. ids names the messages by their client ids.
func wantPage(t *testing.T, s *Store, after, shared route.Cursor, ids string) {
	t.Helper()
	p, err := s.Read(t.Context(), 7, after, 100, 1<<20)
	if err != nil || p.Shared != shared {
		t.Fatalf("Read after %+v: shared %+v, %v; want %+v", after, p.Shared, err, shared)
	}
	got := ""
	for _, m := range p.Messages {
		got += fmt.Sprintf(" %s", m.Body)
	}
	if got != " "+ids {
		t.Fatalf("Read after %+v gave%s, want %s", after, got, ids)
	}
}

// TestLogGoesOnOverRestarts: a Redis that lost nothing costs its users another log epoch with the next message, and
// nothing else.
func TestLogGoesOnOverRestarts(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, urlOf(server))
	admin := server.Client(t)
	const user = 7
	named := claim(t, s, route.ClaimRequest{User: user, Instance: "i1"}).Inbox
	log := appendOne(t, s, entry(user, 1)).LogEpoch
	if log != named.LogEpoch {
		t.Fatalf("the claim was told of log %d, and the first message is in %d", named.LogEpoch, log)
	}
	for id := uint64(2); id <= 2*route.EarlierLogs; id++ {
		server.Kill(t)
		server.Restart(t)
		redistest.Until(t, "Redis is back", func(ctx context.Context) error {
			p, err := s.Position(ctx, user)
			if err == nil && p.LogEpoch != log {
				err = errors.New("another log without another message")
			}
			return err
		})
		got := appendOne(t, s, entry(user, id))
		if got.Seq != id || got.LogEpoch <= log {
			t.Fatalf("stored %+v after a message of log %d", got, log)
		}
		wantPage(t, s, route.Cursor{LogEpoch: log, Seq: id - 1}, route.Cursor{LogEpoch: log, Seq: id - 1}, fmt.Sprint(id))
		if again := appendOne(t, s, entry(user, id)); !again.Duplicate || again.LogEpoch != got.LogEpoch {
			t.Fatalf("repeated: %+v", again)
		}
		log = got.LogEpoch
	}
	if kind := text(t, admin, "object", "encoding", s.keys.user(user)); kind != "listpack" {
		t.Errorf("what is kept of a user is a %s", kind)
	}
}

// TestSessionEpochsRiseWhateverTheClockOfANewMaster: the last epochs that the old master gave are lost, and the clock of
// the new one is behind.
func TestSessionEpochsRiseWhateverTheClockOfANewMaster(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	lost := uint64(time.Now().Add(30 * time.Second).UnixMilli())
	s.Renew(t.Context(), []route.Renewal{{User: 1, Epoch: lost, Instance: "i1"}}) // the old master's clock is ahead
	server.Kill(t)
	server.Restart(t)
	redistest.Until(t, "Redis is back", func(ctx context.Context) error { return s.Release(ctx, 1, 1) })
	last := lost
	for range 3 {
		c := claim(t, s, route.ClaimRequest{User: 1, Instance: "i2", Takeover: route.TakeoverAny})
		if c.Epoch <= last {
			t.Fatalf("session epoch %d after %d", c.Epoch, last)
		}
		last = c.Epoch
	}
	other := claim(t, open(t, urlOf(server), func(c *Config) { c.Prefix = s.cfg.Prefix }), route.ClaimRequest{User: 2, Instance: "i3"})
	if other.Epoch >= lost {
		t.Errorf("who has heard of no such epoch was given %d", other.Epoch)
	}
	// A clock that is wrong by hours does not make everybody's sessions look young.
	s.Renew(t.Context(), []route.Renewal{{User: 3, Epoch: lost + 3_600_000, Instance: "i1"}})
	if c := claim(t, s, route.ClaimRequest{User: 4, Instance: "i1"}); c.Epoch > lost+60_000 {
		t.Errorf("session epoch %d, where one user's was %d", c.Epoch, lost+3_600_000)
	}
}
