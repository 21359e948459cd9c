package zkregistry

import (
	"context"
	"sync"
	"time"

	"cim/route"
)

// probesAtOnce bounds a round: a whole cluster may have vanished.
const probesAtOnce = 32

// probe starts a round when there are suspects and the last one is long enough ago. It returns when to look again.
func (r *Registry) probe(ctx context.Context, now time.Time) time.Duration {
	suspects := r.loop.roster.suspects()
	if len(suspects) == 0 {
		return r.cfg.RefreshEvery
	}
	fresh := now.Sub(r.loop.probed) >= r.cfg.ProbeEvery || r.loop.roster.unprobed
	if wait := r.cfg.ProbeEvery - now.Sub(r.loop.probed); !fresh {
		return wait
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.probing {
		return r.cfg.ProbeEvery // its end wakes the loop
	}
	if r.loop.roster.unprobed {
		r.cfg.Logger.Warn("servers vanished from ZooKeeper; each stays listed while it answers",
			"vanished", len(suspects), "present", len(r.loop.roster.present))
	}
	r.probing, r.loop.probed, r.loop.roster.unprobed = true, now, false
	r.wg.Go(func() { r.probeAll(ctx, suspects) })
	return r.cfg.ProbeEvery
}

func (r *Registry) probeAll(ctx context.Context, suspects []route.Server) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, probesAtOnce)
	for _, s := range suspects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.probeOne(ctx, s)
		})
	}
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.probing = false
	r.events.wake()
}

func (r *Registry) probeOne(ctx context.Context, s route.Server) {
	probeCtx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	if r.cfg.Probe(probeCtx, s) || ctx.Err() != nil {
		return
	}
	r.cfg.Logger.Warn("a server vanished from ZooKeeper and does not answer", "instance", s.Instance, "host", s.Host, "port", s.Port)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = append(r.dead, s.Instance)
	r.events.wake()
}

// dropDead takes what probes found out of the list.
func (r *Registry) dropDead() {
	r.mu.Lock()
	dead := r.dead
	r.dead = nil
	r.mu.Unlock()
	if len(dead) == 0 {
		return
	}
	for _, instance := range dead {
		r.loop.roster.dead(instance)
	}
	r.publishRoster()
}
