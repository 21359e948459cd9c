package bench

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// hostileFleet is the attacking processes, as their parent sees them.
type hostileFleet struct {
	wg sync.WaitGroup

	mu    sync.Mutex
	procs []*hostileProcess
}

type hostileProcess struct {
	*child // immutable after start

	// Guarded by the fleet's mu.
	last hostileTally
	gone bool
	err  error
}

// startHostile starts a process per job. stop has to be called in any case.
func startHostile(ctx context.Context, command []string, jobs []hostileJob, stderr io.Writer) (*hostileFleet, error) {
	f := &hostileFleet{}
	for i := range jobs {
		if err := f.start(ctx, command, &jobs[i], stderr); err != nil {
			f.stop()
			return nil, fmt.Errorf("start attacking process %d of %d: %w", i+1, len(jobs), err)
		}
	}
	return f, nil
}

func (f *hostileFleet) start(ctx context.Context, command []string, j *hostileJob, stderr io.Writer) error {
	c, err := startChild(ctx, command, stderr)
	if err != nil {
		return err
	}
	p := &hostileProcess{child: c}
	f.mu.Lock()
	f.procs = append(f.procs, p)
	f.mu.Unlock()
	f.wg.Go(func() { f.monitorProcess(p, j) })
	return nil
}

// monitorProcess gives a process its job and notes what it says until it ends.
func (f *hostileFleet) monitorProcess(p *hostileProcess, j *hostileJob) {
	err := converse(p.child, j, func(t hostileTally) {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.last = t
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	p.gone, p.err = true, err
}

// tally adds up the newest of all processes, and reports whether any of them is still there.
func (f *hostileFleet) tally() (t hostileTally, running bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t = newHostileTally()
	for _, p := range f.procs {
		t.add(p.last)
		running = running || !p.gone
	}
	return t, running
}

// failures says what went wrong with processes, by process id.
func (f *hostileFleet) failures() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, p := range f.procs {
		switch {
		case p.last.Error != "":
			all = append(all, fmt.Sprintf("attacking process %d: %s", p.cmd.Process.Pid, p.last.Error))
		case p.err != nil:
			all = append(all, fmt.Sprintf("attacking process %d: %v", p.cmd.Process.Pid, p.err))
		}
	}
	return all
}

// stop ends the attack and waits for every process.
func (f *hostileFleet) stop() {
	f.mu.Lock()
	for _, p := range f.procs {
		_ = p.in.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}
