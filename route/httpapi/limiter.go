package httpapi

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	cimpb "cim/proto"
)

const (
	limiterAddresses = 1 << 16 // that are remembered: about 6 MB
	limiterSweep     = 64      // entries looked at for one that may be forgotten
	burstMinutes     = 2       // of its rate that an address may use at once
	sourceBitsV6     = 64      // one subscriber has at least so much of IPv6
)

// limiter is a token bucket for each client address. Safe for concurrent use.
type limiter struct {
	name  string  // of what it limits, in the counters
	rate  float64 // per second
	burst float64
	most  int // addresses

	mu      sync.Mutex
	buckets map[netip.Addr]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(name string, perMinute, most int) *limiter {
	return &limiter{
		name: name, rate: float64(perMinute) / 60, burst: float64(perMinute * burstMinutes), most: most,
		buckets: make(map[netip.Addr]bucket),
	}
}

// take uses up n of the address's share, or says how long it has to wait until there is one. With n 0 it only asks.
func (l *limiter) take(from netip.Addr, n float64, now time.Time) *failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.at(from, now)
	if b.left < 1 {
		wait := math.Ceil((1 - b.left) / l.rate)
		return &failure{code: cimpb.CodeRateLimited, retryAfter: int(wait), counter: "rate_limited_" + l.name}
	}
	if n > 0 {
		b.left -= n
		l.put(from, b)
	}
	return nil
}

// at must run with mu held, as must put.
func (l *limiter) at(from netip.Addr, now time.Time) bucket {
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
// addresses would let a few lock out the rest.
func (l *limiter) put(from netip.Addr, b bucket) {
	if _, ok := l.buckets[from]; !ok && len(l.buckets) >= l.most {
		l.makeRoom(b.at)
	}
	l.buckets[from] = b
}

func (l *limiter) makeRoom(now time.Time) {
	seen := 0
	var victim netip.Addr
	for a := range l.buckets {
		victim = a
		if seen++; seen > limiterSweep || l.at(a, now).left >= l.burst {
			break
		}
	}
	delete(l.buckets, victim)
}

// source is the address that a limit counts for.
func source(rc *fasthttp.RequestCtx) netip.Addr {
	a, _ := netip.AddrFromSlice(rc.RemoteIP())
	return sourceOf(a)
}

func sourceOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(sourceBitsV6); err == nil {
			return p.Addr()
		}
	}
	return a
}
