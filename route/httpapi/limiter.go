package httpapi

import (
	"math"
	"sync"
	"time"

	cimpb "cim/proto"
)

const (
	limiterKeys  = 1 << 16 // callers that one limiter remembers: about 6 MB
	limiterSweep = 64      // entries looked at for one that may be forgotten
)

// limiter is a token bucket for each caller: an address or a user. Safe for concurrent use.
type limiter[K comparable] struct {
	name  string  // of its refusals, in the counters
	rate  float64 // per second
	burst float64
	most  int // callers

	mu      sync.Mutex
	buckets map[K]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter[K comparable](name string, perSecond, burst float64, most int) *limiter[K] {
	return &limiter[K]{name: name, rate: perSecond, burst: burst, most: most, buckets: make(map[K]bucket)}
}

// take uses up n of the caller's share, or says how long they have to wait until there is one. What is taken at
// once may be more than is left: the next one waits for it.
func (l *limiter[K]) take(from K, n float64, now time.Time) *failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.at(from, now)
	if b.left < 1 {
		wait := math.Ceil((1 - b.left) / l.rate)
		return &failure{code: cimpb.CodeRateLimited, retryAfter: int(wait), counter: l.name}
	}
	b.left -= n
	l.put(from, b)
	return nil
}

// at must run with mu held, as must put.
func (l *limiter[K]) at(from K, now time.Time) bucket {
	b, ok := l.buckets[from]
	if !ok {
		return bucket{left: l.burst, at: now}
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left, b.at = min(l.burst, b.left+passed.Seconds()*l.rate), now
	}
	return b
}

// put keeps the table bounded: what is full again goes first, and otherwise any one, because to refuse all new
// callers would let a few lock out the rest.
func (l *limiter[K]) put(from K, b bucket) {
	if _, ok := l.buckets[from]; !ok && len(l.buckets) >= l.most {
		l.makeRoom(b.at)
	}
	l.buckets[from] = b
}

func (l *limiter[K]) makeRoom(now time.Time) {
	seen := 0
	var victim K
	for k := range l.buckets {
		victim = k
		if seen++; seen > limiterSweep || l.at(k, now).left >= l.burst {
			break
		}
	}
	delete(l.buckets, victim)
}
