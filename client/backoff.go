package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	cimpb "cim/proto"
)

// Backoff bounds the wait between attempts: the n-th wait is a random part of Min doubled n times, at most
// Max. It is the "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter": of the
// variants compared there it spreads a crowd of clients best for the work that it costs the server.
type Backoff struct {
	Min time.Duration // default 500 ms
	Max time.Duration // default 30 s
}

func (b Backoff) validate() error {
	if b.Min < 0 || b.Max < 0 {
		return errors.New("a back-off is below zero: leave it out for its default")
	}
	if d := b.withDefaults(); d.Min > d.Max {
		return errors.New("Backoff.Min is over Backoff.Max: swap them, or raise Max")
	}
	return nil
}

func (b Backoff) withDefaults() Backoff {
	b.Min = orDuration(b.Min, 500*time.Millisecond)
	b.Max = orDuration(b.Max, 30*time.Second)
	return b
}

// ceiling is the longest n-th wait, from 0.
func (b Backoff) ceiling(n int) time.Duration {
	d := b.Min
	for range n {
		if d >= b.Max/2 {
			return b.Max
		}
		d *= 2
	}
	return min(d, b.Max)
}

// wait draws the n-th wait.
func (b Backoff) wait(n int) time.Duration { return upTo(b.ceiling(n)) }

// reconnect draws the wait before the n-th attempt in a row to connect again, after the last ended with err.
// What the server asked for is a minimum; jitter comes on top, or all who were told the same come together.
func (b Backoff) reconnect(n int, err error) time.Duration {
	e, ok := errors.AsType[*StatusError](err)
	switch {
	case !ok:
		return b.wait(n)
	case e.RetryAfter > 0:
		return b.afterAtLeast(e.RetryAfter, n)
	case e.Comeback == cimpb.Comeback_ELSEWHERE && n < elsewhereTries:
		return upTo(elsewhereWithin)
	}
	return b.wait(n)
}

// afterAtLeast is the server's minimum and a jitter of half of it or of the n-th wait, whichever is more.
func (b Backoff) afterAtLeast(least time.Duration, n int) time.Duration {
	return least + upTo(max(least/2, b.ceiling(n)))
}

// upTo draws from 0 to d inclusive.
func upTo(d time.Duration) time.Duration { return rand.N(d + 1) }

// sleep waits for d and reports whether it did: false when ctx or stopCh ended it.
func sleep(ctx context.Context, stopCh <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-stopCh:
	}
	return false
}
