package peer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

// target is one server and what is known about it. It implements route.Peer (see calls.go).
type target struct {
	// Immutable after newTarget.
	client   *Client
	server   route.Server
	instance string          // the server's
	address  string          // the server's
	ctx      context.Context // ends when the server is forgotten
	cancel   context.CancelFunc
	lanes    []*lane

	unlisted bool // guarded by Client.mu: the last look did not find it listed

	missed missed

	down  atomic.Bool // it failed, and no answer has come since
	heard atomic.Pointer[heardLoad]
	// doubts is why it does not believe who asks; nil: it does, or it is not known.
	doubts atomic.Pointer[unauthorizedError]
}

// heardLoad is what a server said about itself, and when.
type heardLoad struct {
	load route.Load
	at   time.Time
}

func newTarget(c *Client, s route.Server) *target {
	t := &target{client: c, server: s, instance: s.Instance, address: s.PeerAddr()}
	t.ctx, t.cancel = context.WithCancel(c.ctx)
	for range c.cfg.Shards {
		t.lanes = append(t.lanes, newLane(t))
	}
	t.lanes[0].probes = true
	return t
}

// lane is the one of a user: whatever concerns a user keeps its order.
func (t *target) lane(user int64) *lane {
	mixed := uint64(user) * 0x9e3779b97f4a7c15 // Fibonacci hashing: ids may have a common step
	return t.lanes[mixed>>32%uint64(len(t.lanes))]
}

// answered notes a good answer.
func (t *target) answered(l *cimpb.Load) {
	if l != nil {
		t.heard.Store(&heardLoad{at: time.Now(), load: route.Load{
			Sessions: int(l.Sessions), Conns: int(l.Conns), Capacity: int(l.Capacity), Draining: l.Draining,
		}})
	}
	t.doubts.Store(nil)
	if t.down.Swap(false) {
		t.client.cfg.Logger.Info("a server answers again", "instance", t.instance, "address", t.address)
	}
	if t.missed.any() {
		t.lanes[0].wake()
	}
}

// miss notes sessions to end, and users who have to be told to read their inbox. A server that is down is told when it
// answers again.
func (t *target) miss(kicks []kick, users []int64) {
	if left := t.missed.add(kicks, users); left > 0 {
		t.client.counters.kicksLeft.Add(uint64(left))
	}
	if len(kicks)+len(users) > 0 && !t.down.Load() {
		t.lanes[0].wake()
	}
}

// failed has calls fail at once from now on, until a probe of the first lane gets an answer.
func (t *target) failed(err error) {
	t.client.counters.failed.Add(1)
	e, _ := errors.AsType[*unauthorizedError](err)
	t.doubts.Store(e)
	if t.ctx.Err() != nil || t.down.Swap(true) {
		return
	}
	t.client.cfg.Logger.Warn("a server failed", "instance", t.instance, "address", t.address, "err", err)
	t.lanes[0].wake()
}

func (t *target) heardWithin(d time.Duration) bool {
	h := t.heard.Load()
	return h != nil && time.Since(h.at) < d
}
