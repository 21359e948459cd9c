package bench

import (
	"context"
	"time"
)

// attack runs the attacking processes until their frames are written and the time is over.
func (h *hostileRun) attack(ctx context.Context) error {
	began := time.Now()
	h.ledger.begin(phaseDuring, began)
	f, err := startHostile(ctx, h.cfg.Command, h.cfg.jobs(h.target, h.insiders), h.screen)
	if err != nil {
		return err
	}
	err = h.follow(ctx, f, began)
	f.stop()
	h.attacked = time.Since(began)
	h.tally, _ = f.tally()
	h.failures = f.failures()
	return err
}

// follow watches the attack until it has done its part, or nobody is left to do it.
func (h *hostileRun) follow(ctx context.Context, f *hostileFleet, began time.Time) error {
	next := began.Add(h.cfg.StatusEvery)
	over := func() bool {
		t, running := f.tally()
		h.heldMost = max(h.heldMost, t.Held)
		now := time.Now()
		if now.After(next) {
			next = now.Add(h.cfg.StatusEvery)
			h.status(t, now.Sub(began))
		}
		return !running || t.AllSent && now.Sub(began) >= h.cfg.For
	}
	return h.waitFor(ctx, h.cfg.AtMost, over)
}

func (h *hostileRun) status(t hostileTally, since time.Duration) {
	online, missing := h.ledger.standing()
	h.screen.line("attacking %s: %s of %s frames, %s connections made, %s ended by the server, %s held; %d of %d honest users online, %d messages under way",
		round(since), group(total(t.Frames)), group(h.cfg.Frames), group(total(t.Opened)), group(t.Closed), group(t.Held),
		online, h.cfg.Honest, missing)
}
