// Package peer carries calls of route.Peer from one process of a cluster to another, in signed batches over
// HTTP: Client is the asking end, Ingress the answering one. docs/protocol.md, "Between servers", has the format.
// It must not know how a server does what it is asked, nor why it is.
package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"cim/route"
)

// Path is where a server takes batches.
const Path = "/cluster/push"

// Client finds the servers of a cluster. It implements route.Peers, and balance.Loads with what servers last
// said. Safe for concurrent use.
type Client struct {
	// Immutable after New.
	cfg     Config
	started time.Time
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.RWMutex
	targets map[string]*target // by instance
	closed  bool

	counters counters
	queued   atomic.Int64 // bytes that wait or are under way
}

// New makes a Client; Close ends it. Errors: ErrConfig.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, started: time.Now(), targets: make(map[string]*target)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.wg.Go(c.monitorTargets)
	return c, nil
}

// Peer implements route.Peers. It does not connect yet.
func (c *Client) Peer(s route.Server) (route.Peer, bool) {
	if c.isLocal(s.Instance) {
		return c.cfg.Local, true
	}
	c.mu.RLock()
	t, ok := c.targets[s.Instance]
	c.mu.RUnlock()
	if ok && t.address == s.PeerAddr() {
		return t, true
	}
	if t = c.add(s); t == nil {
		return nil, false
	}
	return t, true
}

func (c *Client) isLocal(instance string) bool {
	return c.cfg.Local != nil && instance == c.cfg.Instance
}

// add makes the target of a server, in place of one with another address. It is nil after Close.
func (c *Client) add(s route.Server) *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	t, ok := c.targets[s.Instance]
	if ok && t.address == s.PeerAddr() {
		return t
	}
	if ok {
		t.cancel()
	}
	t = newTarget(c, s)
	c.targets[s.Instance] = t
	for _, l := range t.lanes {
		c.wg.Go(l.run)
	}
	return t
}

// Load implements balance.Loads: what the server said with its last answer.
func (c *Client) Load(instance string) (route.Load, bool) {
	if c.isLocal(instance) {
		l, err := c.cfg.Local.Load(c.ctx)
		return l, err == nil
	}
	c.mu.RLock()
	t, ok := c.targets[instance]
	c.mu.RUnlock()
	if !ok {
		return route.Load{}, false
	}
	h := t.heard.Load()
	if h == nil {
		return route.Load{}, false
	}
	return h.load, true
}

// Close fails what waits, closes all connections and returns when nothing runs any more. Calls after it fail
// with ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	clear(c.targets)
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// monitorTargets forgets servers that have left, greets new ones, and keeps loads fresh if that is wanted.
func (c *Client) monitorTargets() {
	tick := time.NewTicker(c.cfg.Look)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
			c.forget()
			c.refreshLoads()
		}
	}
}

// forget drops targets that were not listed at this look and the one before.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for instance, t := range c.targets {
		_, listed := c.cfg.Servers.Server(instance)
		switch {
		case listed:
			t.unlisted = false
		case !t.unlisted:
			t.unlisted = true
		default:
			t.cancel()
			delete(c.targets, instance)
		}
	}
}

// refreshLoads asks those who have said nothing since the last look, or, where nobody needs loads, who never have: a
// process with a wrong secret shows before somebody needs it. Nobody waits for the answers.
func (c *Client) refreshLoads() {
	for _, s := range c.cfg.Servers.Servers() {
		p, _ := c.Peer(s)
		if t, ok := p.(*target); ok && t.heard.Load() == nil || ok && c.cfg.KeepLoads && !t.heardWithin(c.cfg.Look) {
			_ = t.lanes[0].enqueue(newItem(c.ctx, addNothing, itemBytes, 1)) // what is full or down needs no question
		}
	}
}
