package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// WorkHostile is an attacking process: it reads its job from in, attacks until in ends, and writes what it has
// done to out, once a second and at the end. So it outlives no parent.
// Errors: ErrWorker when in does not begin with a job; what kept it from beginning, which out is told too.
func WorkHostile(ctx context.Context, in io.Reader, out io.Writer) error {
	var job *hostileJob
	commands := json.NewDecoder(in)
	if err := commands.Decode(&job); err != nil || job == nil || job.Target == "" {
		return fmt.Errorf("%w: no job on its input; it is started by other commands, not by hand", ErrWorker)
	}
	notices := json.NewEncoder(out)
	a, err := prepareAttack(ctx, *job)
	if err != nil {
		_ = notices.Encode(hostileTally{Error: err.Error()})
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(io.Discard, commands.Buffered())
		_, _ = io.Copy(io.Discard, in)
		cancel()
	})
	wg.Go(func() { a.monitorTally(ctx, notices) })
	a.run(ctx)
	wg.Wait()
	return notices.Encode(a.snapshot())
}

func prepareAttack(ctx context.Context, job hostileJob) (*attacker, error) {
	if err := lowerPriority(job.Nice, job.Background); err != nil {
		return nil, err
	}
	return newAttacker(ctx, job)
}

// monitorTally tells the parent each second how it goes, and at once when every frame has been written.
func (a *attacker) monitorTally(ctx context.Context, notices *json.Encoder) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	allSent := a.allSent
	for {
		select {
		case <-ctx.Done():
			return
		case <-allSent:
			allSent = nil
		case <-tick.C:
		}
		_ = notices.Encode(a.snapshot()) // that the parent is gone shows at the end of the input
	}
}
