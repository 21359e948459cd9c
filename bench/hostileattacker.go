package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// What the connections of an attack are for, as the report names them.
const (
	roleFrames  = "frames"
	roleDribble = "dribble"
	roleStall   = "stall"
	roleSilent  = "silent"
)

const (
	fuzzers       = 64               // connections of one process that write mutated frames
	attackTimeout = 10 * time.Second // to connect, to shake hands, to be welcomed
	attackPause   = 50 * time.Millisecond
)

// attacker is one attacking process. Its connections have a goroutine each: what they cost is taken from the
// machine at low priority, and crypto/tls works on nothing but blocking connections.
type attacker struct {
	// Immutable after newAttacker.
	job     hostileJob
	target  netip.AddrPort
	tls     *tls.Config // nil: the target is plain
	hello   []byte      // a ClientHello as it goes over the wire
	route   *routeClient
	fuzzCh  chan account  // insiders who write frames
	holdCh  chan account  // insiders who dribble, stall or stay silent
	allSent chan struct{} // closed when every frame has been written

	wg sync.WaitGroup

	mu    sync.Mutex
	tally hostileTally

	// atomic
	held   atomic.Int64
	opened atomic.Int64 // which source address comes next
}

// newAttacker opens nothing yet. Errors: those of the job's addresses and files.
func newAttacker(ctx context.Context, job hostileJob) (*attacker, error) {
	target, err := resolveTarget(ctx, job.Target)
	if err != nil {
		return nil, err
	}
	trusted, err := TLSFiles{CA: job.TLSCA}.config()
	if err != nil {
		return nil, err
	}
	a := &attacker{
		job: job, target: target, tally: newHostileTally(), route: newRouteClient(job.Route, "", defaultHTTPConns).trusting(trusted),
		allSent: make(chan struct{}),
	}
	half := len(job.Insiders) / 2
	a.holdCh, a.fuzzCh = filled(job.Insiders[:half]), filled(job.Insiders[half:])
	if !job.TLS {
		return a, nil
	}
	a.tls = tlsTo(trusted, job.Target)
	if a.hello, err = clientHello(a.tls); err != nil {
		return nil, fmt.Errorf("make a ClientHello: %w", err)
	}
	return a, nil
}

func filled(users []account) chan account {
	ch := make(chan account, len(users))
	for _, u := range users {
		ch <- u
	}
	return ch
}

// run attacks until ctx ends, and has no connection left when it returns.
func (a *attacker) run(ctx context.Context) {
	defer a.route.close()
	a.wg.Go(func() { a.sendFrames(ctx) })
	connectCh := make(chan int)
	a.wg.Go(func() { pace(ctx, math.MaxInt, perSecond(a.job.Connects), connectCh) })
	index := 0
	for _, r := range []struct {
		name  string
		count int
		hold  func(context.Context, *target)
	}{
		{roleDribble, a.job.Dribble, dribble},
		{roleStall, a.job.Stall, stall},
		{roleSilent, a.job.Silent, staySilent},
	} {
		for range r.count {
			i := index
			index++
			a.wg.Go(func() { a.holdOn(ctx, connectCh, r.name, i, r.hold) })
		}
	}
	a.wg.Wait()
}

func perSecond(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }

// sendFrames has the fuzzers take turns, so that a connection has had time to be closed when its next
// frame is due: of bytes behind a bad frame, nobody would read anything.
func (a *attacker) sendFrames(ctx context.Context) {
	turnCh := make(chan int)
	var fuzzing sync.WaitGroup
	for i := range min(fuzzers, a.job.Frames) {
		fuzzing.Go(func() { a.fuzz(ctx, i, turnCh) })
	}
	pace(ctx, a.job.Frames, perSecond(a.job.Rate), turnCh)
	close(turnCh)
	fuzzing.Wait()
	if ctx.Err() == nil {
		close(a.allSent)
	}
}

// fuzz writes one frame a turn, on a connection that the server has not closed yet.
func (a *attacker) fuzz(ctx context.Context, slot int, turnCh <-chan int) {
	m := newMutator(int64(slot + 1))
	var t *target
	defer func() { t.close() }()
	for turn := range turnCh {
		m.seed(a.job.Seed, uint64(a.job.Process)<<40|uint64(turn))
		kind, b := m.next()
		for ctx.Err() == nil {
			if t.gone() || t.wasEnough() {
				t.close()
				t = a.open(ctx, roleFrames, turn)
			}
			if t.isBelow(a.tls) {
				b = m.breakRecord(a.hello)
			}
			if t.write(b) {
				a.wrote(kind, len(b))
				break
			}
			t.close()
			t = nil
			pause(ctx, attackPause)
		}
	}
}

// holdOn keeps one connection that does no good, and makes it again each time that the server ends it.
func (a *attacker) holdOn(ctx context.Context, connectCh <-chan int, role string, index int, hold func(context.Context, *target)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-connectCh:
		}
		t := a.open(ctx, role, index)
		if t == nil {
			continue
		}
		a.held.Add(1)
		hold(ctx, t)
		a.held.Add(-1)
		t.close()
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (a *attacker) wrote(kind, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.Frames[mutations[kind].name]++
	a.tally.Bytes += int64(bytes)
}

func (a *attacker) failed(ctx context.Context, reason string) {
	if ctx.Err() != nil {
		return // the run is over, and so are its connections
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.Failed[reason]++
}

func (a *attacker) count(change func(*hostileTally)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.tally)
}

// snapshot is what has been done so far.
func (a *attacker) snapshot() hostileTally {
	t := newHostileTally()
	a.mu.Lock()
	t.add(a.tally)
	a.mu.Unlock()
	t.Held = a.held.Load()
	select {
	case <-a.allSent:
	default:
		t.AllSent = false
	}
	return t
}
