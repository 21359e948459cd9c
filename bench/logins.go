package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// loginResult is where one connection of the share is to go, or why it has nowhere to go.
type loginResult struct {
	conn   int
	addr   netip.AddrPort
	ticket string
	tls    *tls.Conn // nil: the loop connects
	fd     int       // of tls
	err    error
}

// logins asks the routes for a server for each connection of a job, at the job's rate.
type logins struct {
	// Immutable after newLogins.
	job     *job
	route   *routeClient
	trust   *tls.Config
	deliver func(loginResult) // safe for concurrent use

	mu    sync.Mutex
	known map[string]netip.AddrPort // resolved servers
}

func newLogins(j *job, trust *tls.Config, deliver func(loginResult)) *logins {
	return &logins{
		job: j, trust: trust, deliver: deliver, known: map[string]netip.AddrPort{},
		route: newRouteClient(j.Route, "", j.HTTPConns).trusting(trust),
	}
}

// run returns when each connection has its answer, or ctx ends. Those who ask begin with one route each, so that all
// have their share, and stay with it while it answers.
func (l *logins) run(ctx context.Context) {
	turns := make(chan int)
	var wg sync.WaitGroup
	for n := range l.job.HTTPConns {
		route := l.route.from(l.job.Share.First + n)
		wg.Go(func() {
			for i := range turns {
				l.deliver(l.login(ctx, route, i))
			}
		})
	}
	pace(ctx, l.job.Share.Count, time.Duration(float64(time.Second)/l.job.Rate), turns)
	close(turns)
	wg.Wait()
	l.route.close()
}

// pace sends 0 to n-1 to turns, interval apart at least: after a stall it goes on at the rate and does not
// catch up, because a burst is not what was asked for.
func pace(ctx context.Context, n int, interval time.Duration, turns chan<- int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for i := range n {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case turns <- i:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if due = due.Add(interval); due.Before(now.Add(-stallAllowed)) {
			due = now
		}
		timer.Reset(due.Sub(now))
	}
}

// stallAllowed is less than a timer's delay on a busy machine makes up for: above it a stall is one.
const stallAllowed = 100 * time.Millisecond

func (l *logins) login(ctx context.Context, route *routeClient, i int) loginResult {
	p, err := route.login(ctx, l.job.Users[i])
	if err != nil {
		return loginResult{conn: i, err: err}
	}
	r := loginResult{conn: i, ticket: p.Ticket}
	if r.addr, r.err = l.resolve(ctx, p); r.err == nil && l.job.TLS.usedAt(p) {
		from := source(r.addr.Addr(), l.job.Share.index(i))
		r.tls, r.fd, r.err = secure(ctx, r.addr, from, expecting(l.trust, p), l.job.Timeout)
	}
	return r
}

func (l *logins) resolve(ctx context.Context, p place) (netip.AddrPort, error) {
	key := p.addr()
	l.mu.Lock()
	addr, ok := l.known[key]
	l.mu.Unlock()
	if ok {
		return addr, nil
	}
	addr, err := resolveServer(ctx, p)
	if err != nil {
		return addr, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[key] = addr
	return addr, nil
}

// resolveServer finds the address of a server; IPv4 first, which has many addresses on loopback.
func resolveServer(ctx context.Context, p place) (netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.Server.Host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find the server %s: %w", p.addr(), err)
	}
	chosen := ips[0].Unmap()
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			chosen = ip
			break
		}
	}
	return netip.AddrPortFrom(chosen, uint16(p.Server.Port)), nil
}

// manySources reports whether connections to the server may come from many addresses of this machine.
func manySources(server netip.Addr) bool { return server.Is4() && server.IsLoopback() }
