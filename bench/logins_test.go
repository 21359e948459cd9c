package bench

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// turnsOf runs pace and calls each with every turn and when it came.
func turnsOf(ctx context.Context, n int, interval time.Duration, each func(i int, at time.Duration)) {
	turns := make(chan int)
	began := time.Now()
	go func() {
		defer close(turns)
		pace(ctx, n, interval, turns)
	}()
	for i := range turns {
		each(i, time.Since(began))
	}
}

func TestPaceKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		turnsOf(t.Context(), 100, 10*time.Millisecond, func(i int, at time.Duration) {
			if i != seen || at != time.Duration(i)*10*time.Millisecond {
				t.Errorf("turn %d came at %s, want turn %d at %s", i, at, seen, time.Duration(seen)*10*time.Millisecond)
			}
			seen++
		})
		if seen != 100 {
			t.Errorf("%d turns, want 100", seen)
		}
	})
}

// A route that stalls must not be met by a burst afterwards.
func TestPaceDoesNotCatchUpAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval, stall = 10 * time.Millisecond, 10 * time.Second
		resumed := 0
		turnsOf(t.Context(), 200, interval, func(i int, at time.Duration) {
			switch {
			case i == 10:
				<-time.After(stall)
			case at > stall && at <= stall+500*time.Millisecond:
				resumed++
			}
		})
		// 50 belong to half a second; one waited, and stallAllowed may be made up for.
		if allowed := 52 + int(stallAllowed/interval); resumed > allowed {
			t.Errorf("%d turns in the half second after the stall, want %d at most", resumed, allowed)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		turnsOf(ctx, 1000, time.Second, func(i int, _ time.Duration) {
			if seen = i + 1; seen == 5 {
				cancel()
			}
		})
		if seen != 5 {
			t.Errorf("%d turns, want 5", seen)
		}
	})
}

func TestManySources(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "10.0.0.1": false, "::1": false} {
		if got := manySources(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t, want %t", addr, got, want)
		}
	}
}
