package httpapi

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	burstMinutes    = 2  // of its rate that an address, or a user who logs in, may use at once
	burstSends      = 2  // seconds of its rate that a user may use at once, as on the client wire
	burstEveryone   = 5  // the same of messages to everyone
	sourceBitsV6    = 64 // one subscriber has at least so much of IPv6
	secondsInMinute = 60
)

// limiters are the shares of callers. Safe for concurrent use.
type limiters struct {
	registers *limiter[netip.Addr]
	badLogins *limiter[netip.Addr]
	logins    *limiter[int64] // by user
	sends     *limiter[int64] // by user
	everyone  *limiter[int64] // by user
}

func newLimiters(l Limits) *limiters {
	byAddress := func(name string, perMinute int) *limiter[netip.Addr] {
		return newLimiter[netip.Addr](name, float64(perMinute)/secondsInMinute, float64(perMinute*burstMinutes), limiterKeys)
	}
	return &limiters{
		registers: byAddress(reasonRateRegister, l.Registers),
		badLogins: byAddress(reasonRateBadLogins, l.BadLogins),
		logins:    newLimiter[int64](reasonRateLogins, float64(l.Logins)/secondsInMinute, float64(l.Logins*burstMinutes), limiterKeys),
		sends:     newLimiter[int64](reasonRateSends, float64(l.Sends), float64(l.Sends*burstSends), limiterKeys),
		everyone:  newLimiter[int64](reasonRateEveryone, float64(l.Everyone), float64(l.Everyone*burstEveryone), limiterKeys),
	}
}

// send takes what a user's message costs: one for each receiver, and of a message to everyone one of its own as well.
func (l *limiters) send(user int64, receivers int, everyone bool, now time.Time) *failure {
	if everyone {
		if f := l.everyone.take(user, 1, now); f != nil {
			return f
		}
	}
	return l.sends.take(user, float64(receivers), now)
}

// source is the address that a limit counts for: the client's, or what a proxy of ours says it is.
func (a *API) source(rc *fasthttp.RequestCtx) netip.Addr {
	from, _ := netip.AddrFromSlice(rc.RemoteIP())
	if from = from.Unmap(); a.isProxy(from) {
		from = a.forwardedFor(from, rc)
	}
	return sourceOf(from)
}

func (a *API) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(a.cfg.ProxyFrom, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// forwardedFor reads X-Forwarded-For from its end, which the proxy next to us has written: a client can put
// anything before it. The first address that is no proxy's is the client's.
func (a *API) forwardedFor(proxy netip.Addr, rc *fasthttp.RequestCtx) netip.Addr {
	var hops []string
	for _, header := range rc.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(header), ",")...)
	}
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return proxy
		}
		if addr = addr.Unmap(); !a.isProxy(addr) {
			return addr
		}
	}
	return proxy
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
