package netcore

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type parcel struct {
	key int64
	n   int
}

func TestLaneKeepsTheOrderOfEachKey(t *testing.T) {
	const keys, each = 64, 500
	var mu sync.Mutex
	got := make(map[int64]int)
	l := newLane(4, keys*each, func(_ context.Context, batch []parcel) {
		mu.Lock()
		defer mu.Unlock()
		if len(batch) > laneBatch {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, p := range batch {
			if got[p.key] != p.n {
				t.Errorf("key %d: got %d, want %d", p.key, p.n, got[p.key])
			}
			got[p.key]++
		}
	})
	var wg sync.WaitGroup
	for k := range int64(keys) {
		wg.Go(func() {
			for n := range each {
				if !l.post(k, parcel{k, n}) {
					t.Errorf("key %d: %d was refused", k, n)
				}
			}
		})
	}
	wg.Wait()
	l.close(t.Context())
	for k := range int64(keys) {
		if got[k] != each {
			t.Errorf("key %d: %d of %d were handled", k, got[k], each)
		}
	}
}

// blockedLane has one worker, which waits in its first batch until goCh.
func blockedLane(limit int) (l *lane[int], inCh chan context.Context, goCh chan struct{}, seen *[]int) {
	inCh, goCh, seen = make(chan context.Context, 100), make(chan struct{}, 100), new([]int)
	l = newLane(1, limit, func(ctx context.Context, batch []int) {
		inCh <- ctx
		select {
		case <-goCh:
			*seen = append(*seen, batch...)
		case <-ctx.Done():
		}
	})
	return l, inCh, goCh, seen
}

func TestLaneRefusesWhenFullAndWhenClosed(t *testing.T) {
	l, inCh, goCh, seen := blockedLane(2)
	l.post(1, 0)
	receive(t, inCh, "the first batch")
	for n, want := range []bool{true, true, false} {
		if got := l.post(1, n+1); got != want {
			t.Errorf("post %d: %v", n, got)
		}
	}
	close(goCh)
	l.close(t.Context())
	if l.post(1, 9) {
		t.Error("a closed lane took something")
	}
	if len(*seen) != 3 {
		t.Errorf("handled %v, want what was posted before the close", *seen)
	}
}

func TestLaneHandsOverWhatWaitsAsOneBatch(t *testing.T) {
	l, inCh, goCh, _ := blockedLane(1000)
	l.post(1, 0)
	receive(t, inCh, "the first batch")
	for n := range laneBatch + 1 {
		l.post(1, n)
	}
	close(goCh)
	l.close(t.Context())
	if n := len(inCh); n != 2 {
		t.Errorf("%d batches for one more than a batch holds", n)
	}
}

func TestGatheringLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, gotCh := time.Now(), make(chan int, 10)
		l := newGatheringLane(1, 10, 20*time.Millisecond, func(_ context.Context, batch []int) { gotCh <- len(batch) })
		l.post(1, 0)
		<-time.After(15 * time.Millisecond)
		l.post(1, 1)
		if n := <-gotCh; n != 2 || time.Since(begin) != 20*time.Millisecond {
			t.Errorf("a batch of %d after %v", n, time.Since(begin))
		}
		<-time.After(time.Second)
		begin = time.Now()
		l.post(1, 2)
		l.hurry(1)
		if n := <-gotCh; n != 1 || time.Since(begin) != 0 {
			t.Errorf("in a hurry, a batch of %d after %v", n, time.Since(begin))
		}
		<-time.After(time.Second)
		begin = time.Now()
		l.post(1, 3)
		l.close(t.Context())
		if len(gotCh) != 1 || time.Since(begin) != 0 {
			t.Errorf("%d batches at the end, after %v", len(gotCh), time.Since(begin))
		}
	})
}

func TestLaneThatMayNotFinishTellsItsWork(t *testing.T) {
	l, inCh, _, seen := blockedLane(10)
	l.post(1, 0)
	work := receive(t, inCh, "the first batch")
	l.post(1, 1)
	over, end := context.WithCancel(context.Background())
	end()
	l.close(over) // does not come back before both batches ended
	if work.Err() == nil || len(*seen) != 0 || len(inCh) != 1 {
		t.Errorf("the work's context: %v, handled: %v", work.Err(), *seen)
	}
}

// TestLaneSpreadsIDsWithEqualLowBits is about ids that were made in steps.
func TestLaneSpreadsIDsWithEqualLowBits(t *testing.T) {
	l := newLane(4, 1000, func(context.Context, []parcel) {})
	hit := make(map[int]int)
	for k := range int64(400) {
		hit[shardOf(k*4096)%len(l.workers)]++
		l.post(k*4096, parcel{})
	}
	l.close(t.Context())
	for w := range 4 {
		if hit[w] < 50 {
			t.Errorf("worker %d got %d of 400", w, hit[w])
		}
	}
}

// What peers sent is bounded in bytes, not only in number.
func TestLaneIsBoundedInBytes(t *testing.T) {
	l, inCh, goCh, _ := blockedLane(1000)
	l.post(1, 0)
	receive(t, inCh, "the worker at its first batch")
	n := 0
	for l.postSized(1, n, 1<<20) {
		n++
	}
	if n != laneBytes>>20+1 {
		t.Errorf("%d MiB are taken, want %d", n, laneBytes>>20+1)
	}
	for range 100 {
		goCh <- struct{}{}
	}
	l.close(t.Context())
}
