package redisstore

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"cim/internal/redistest"
	"cim/route"
)

// TestSentinelFailover kills the master while messages are stored that its replica confirms: some calls fail, and
// nothing that was acknowledged is lost.
func TestSentinelFailover(t *testing.T) {
	c := redistest.StartSentinel(t)
	s := open(t, c.URL(), waitFor(1), func(c *Config) { c.Timeout, c.WaitTimeout = 2*time.Second, time.Second })
	const user = 7
	answered := map[uint64]uint64{} // client id -> seq
	failed := 0
	store := func(id uint64) error {
		got := s.Append(t.Context(), []route.Entry{entry(user, id)})[0]
		switch {
		case got.Err == nil:
			answered[id] = got.Seq
		case !errors.Is(got.Err, route.ErrStoreUnavailable):
			t.Fatalf("Append: %v", got.Err)
		default:
			failed++
		}
		return got.Err
	}
	for id := uint64(1); id <= 100; id++ {
		if err := store(id); err != nil {
			t.Fatalf("before: %v", err)
		}
	}
	c.Master.Kill(t)
	if err := store(101); err == nil {
		t.Fatal("a message was stored without a master")
	}
	c.AwaitMaster(t, c.Replica)
	if err := store(102); !errors.Is(err, ErrNotCopied) && err == nil {
		t.Fatal("a message was acknowledged that no replica has")
	}

	after := open(t, c.URL(), func(cfg *Config) { cfg.Prefix = s.cfg.Prefix })
	redistest.Until(t, "the new master takes messages", func(ctx context.Context) error {
		return after.Append(ctx, []route.Entry{entry(user, 103)})[0].Err
	})
	for id, seq := range answered {
		if got := appendOne(t, after, entry(user, id)); !got.Duplicate || got.Seq != seq {
			t.Fatalf("message %d was acknowledged at %d, and then %+v", id, seq, got)
		}
	}
	if failed == 0 {
		t.Fatal("no call failed")
	}
	// The old master comes back as a replica, and the store that wants one goes on by itself. The Sentinel would
	// tell it to within ten seconds.
	c.Master.Restart(t)
	if err := c.Master.Client(t).ReplicaOf(t.Context(), "127.0.0.1", strconv.Itoa(c.Replica.Port)).Err(); err != nil {
		t.Fatal(err)
	}
	redistest.AwaitReplicas(t, c.Replica, 1)
	redistest.Until(t, "replicas confirm again", func(ctx context.Context) error {
		return s.Append(ctx, []route.Entry{entry(user, 104)})[0].Err
	})
}

// TestSentinelLostTail has the replica miss what the master stored last. Without WAIT that was acknowledged, and the
// receiver, who has it, finds out by a new log epoch.
func TestSentinelLostTail(t *testing.T) {
	c := redistest.StartSentinel(t)
	s := open(t, c.URL())
	const user = 7
	first := appendOne(t, s, entry(user, 1))
	before := claim(t, s, route.ClaimRequest{User: user, Device: "phone", Instance: "i1"})
	redistest.Until(t, "the replica has the first message", func(ctx context.Context) error {
		n, err := c.Replica.Client(t).LLen(ctx, s.keys.inbox(user)).Result()
		if err == nil && n != 1 {
			err = errors.New("not yet")
		}
		return err
	})
	redistest.Freeze(t, c.Master, c.Replica)
	last := appendOne(t, s, entry(user, 2))
	c.Master.Kill(t)
	c.Replica.Resume(t)
	c.AwaitMaster(t, c.Replica)

	var got route.Claim
	redistest.Until(t, "claims work again", func(ctx context.Context) (err error) {
		got, err = s.Claim(ctx, route.ClaimRequest{
			User: user, Device: "phone", Instance: "i2",
			Cursor: route.Cursor{LogEpoch: last.LogEpoch, Seq: last.Seq},
		})
		return err
	})
	if got.Inbox.LogEpoch <= first.LogEpoch || got.Inbox.Last != 1 {
		t.Fatalf("the claim was told of %+v; the log epoch was %d", got.Inbox, first.LogEpoch)
	}
	if got.Epoch <= before.Epoch {
		t.Fatalf("session epoch %d after %d", got.Epoch, before.Epoch)
	}
}
