package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// serverBucket is the server's limit: it is filled when a second of its own clock begins.
type serverBucket struct {
	left  int
	phase time.Duration // when its seconds begin
	tick  time.Duration // that was counted last
}

// take is told the time since the start.
func (b *serverBucket) take(at time.Duration) bool {
	for ; b.tick+time.Second <= at-b.phase; b.tick += time.Second {
		b.left = min(1000, b.left+500)
	}
	b.left--
	return b.left >= 0
}

// However its seconds fall and whatever bursts and pauses there are, no send meets an empty bucket.
func TestPaceIsNeverRefused(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		server := serverBucket{left: 1000, phase: time.Duration(rnd.Int64N(int64(time.Second))), tick: -time.Second}
		var p pace
		for now, i := begin, 0; i < 6000; i++ {
			switch rnd.IntN(300) {
			case 0:
				now = now.Add(time.Duration(rnd.Int64N(int64(4 * time.Second))))
			case 1, 2:
				now = now.Add(time.Duration(rnd.Int64N(int64(20 * time.Millisecond))))
			}
			now = now.Add(max(0, p.wait(now)))
			p.sent(now)
			if !server.take(now.Sub(begin)) {
				t.Fatalf("seed %d: send %d after %v is refused", seed, i, now.Sub(begin))
			}
		}
	}
}

func TestPaceIsNotSlowerThanItMust(t *testing.T) {
	var p pace
	begin := time.Unix(1_700_000_000, 0)
	now := begin
	send := func(n int) time.Duration {
		for range n {
			now = now.Add(max(0, p.wait(now)))
			p.sent(now)
		}
		return now.Sub(begin)
	}
	if took := send(1000); took != 0 {
		t.Errorf("the first 1,000 took %v", took)
	}
	if took := send(4900); took < 10*time.Second || took > 11*time.Second {
		t.Errorf("4,900 more took %v, want 490 a second behind the first one", took)
	}
	now = now.Add(time.Hour)
	begin = now
	if took := send(1000); took != 0 {
		t.Errorf("1,000 after a long pause took %v", took)
	}
}
