package client

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestInboxPassesEachMessageOnceAndInOrder drives the inbox with a server that repeats, skips and goes back,
// and sometimes with a Handler that has no room.
func TestInboxPassesEachMessageOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, passed := &inbox{}, uint64(0)
		in.restart(Cursor{LogEpoch: 1})
		now, server := time.Unix(1000, 0), uint64(0)
		for range rapid.IntRange(1, 300).Draw(t, "frames") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			server = rapid.Uint64Range(server-min(server, 3), server+3).Draw(t, "seq")
			c := Cursor{LogEpoch: 1, Seq: max(1, server)}
			switch got := in.offer(c); got {
			case inTurn:
				if c.Seq != passed+1 {
					t.Fatalf("passed %d after %d", c.Seq, passed)
				}
				if rapid.IntRange(0, 9).Draw(t, "room") == 0 {
					in.leaveOut()
					continue
				}
				in.accept(c)
				passed = c.Seq
			case duplicate:
				if c.Seq > passed {
					t.Fatalf("%d is no duplicate: only %d have passed", c.Seq, passed)
				}
			case ahead:
				if c.Seq <= passed+1 {
					t.Fatalf("%d is not ahead of %d", c.Seq, passed)
				}
				if from, ok := in.askNow(now); ok && from.Seq != passed {
					t.Fatalf("asks from %d, want %d", from.Seq, passed)
				}
			default:
				t.Fatalf("verdict %d", got)
			}
			if from, ok := in.caughtUp(now); ok && from.Seq != passed {
				t.Fatalf("asks for the rest from %d, want %d", from.Seq, passed)
			}
		}
	})
}

func TestInboxAsksForWhatWasLeftOutOnce(t *testing.T) {
	in, now := &inbox{}, time.Unix(1000, 0)
	in.restart(Cursor{LogEpoch: 1, Seq: 5})
	in.leaveOut()
	if _, ok := in.askNow(now); ok {
		t.Error("asks for a message for which there was no room, before there is")
	}
	if from, ok := in.caughtUp(now); !ok || from.Seq != 5 {
		t.Errorf("caughtUp: %+v, %v", from, ok)
	}
	if _, ok := in.caughtUp(now); ok {
		t.Error("asks twice when the queue has drained")
	}
	if _, ok := in.askNow(now.Add(syncAgain - 1)); ok {
		t.Error("asks again before the answer can have come")
	}
	if _, ok := in.askNow(now.Add(syncAgain)); !ok {
		t.Error("does not ask again")
	}
}

func TestInboxOfAnEpochOfZero(t *testing.T) {
	in := &inbox{}
	in.accept(Cursor{Seq: 1})
	for seq, want := range map[uint64]verdict{1: duplicate, 2: inTurn, 3: ahead} {
		if got := in.offer(Cursor{Seq: seq}); got != want {
			t.Errorf("offer(%d) = %d, want %d", seq, got, want)
		}
	}
}
