package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// fleet is the worker processes of one run. Its methods are called from one goroutine.
type fleet struct {
	workers []*worker
	news    chan workerNews
	wg      sync.WaitGroup
}

// worker is one process, as its parent sees it.
type worker struct {
	// Immutable after start.
	*child
	share share

	// The fleet's goroutine only.
	last   tally   // of its newest notice
	ready  bool    // each of its connections has been tried
	result *notice // nil until it came
	gone   bool    // the process has ended
	err    error   // why it ended, when it ended badly
}

// workerNews is a notice of a worker, or its end.
type workerNews struct {
	worker *worker
	notice *notice // nil: the process has ended
	err    error
}

// startFleet starts one process per job. Cancelling ctx ends them all; close has to be called in any case.
func startFleet(ctx context.Context, command []string, jobs []job, stderr io.Writer) (*fleet, error) {
	f := &fleet{news: make(chan workerNews)}
	for i := range jobs {
		if err := f.start(ctx, command, &jobs[i], stderr); err != nil {
			f.close()
			return nil, fmt.Errorf("start worker %d of %d: %w", i+1, len(jobs), err)
		}
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context, command []string, j *job, stderr io.Writer) error {
	c, err := startChild(ctx, command, stderr)
	if err != nil {
		return err
	}
	w := &worker{child: c, share: j.Share}
	f.workers = append(f.workers, w)
	f.wg.Go(func() { f.monitorWorker(w, j) })
	return nil
}

// monitorWorker gives a worker its job and passes on its notices until it ends, which is its last news.
func (f *fleet) monitorWorker(w *worker, j *job) {
	err := converse(w.child, command{Job: j}, func(n *notice) { f.news <- workerNews{worker: w, notice: n} })
	f.news <- workerNews{worker: w, err: err}
}

// take books a piece of news.
func (f *fleet) take(n workerNews) {
	w := n.worker
	if n.notice == nil {
		w.gone, w.err = true, n.err
		return
	}
	w.ready = w.ready || n.notice.Kind != noticeProgress
	if n.notice.Error == "" {
		w.last = n.notice.Tally
	}
	if n.notice.Kind == noticeResult {
		w.result = n.notice
		_ = w.in.Close()
	}
}

// send tells every worker that is still there. One that is not is news already, or soon.
func (f *fleet) send(c command) {
	for _, w := range f.workers {
		if !w.gone && w.result == nil {
			_ = json.NewEncoder(w.in).Encode(c)
		}
	}
}

// tally adds up the newest of all workers. A process that ended without a result has lost what it held.
func (f *fleet) tally() tally {
	total := newTally()
	for _, w := range f.workers {
		total.add(w.tally())
	}
	return total
}

func (w *worker) tally() tally {
	if !w.lost() {
		return w.last
	}
	t := newTally()
	t.add(w.last)
	t.Unanswered = t.Pings - t.Pongs
	if died := w.share.Count - t.dropped() - t.silentClosed(); died > 0 {
		t.Drops[reasonWorkerDied] += died
	}
	t.Open = 0
	return t
}

// lost reports whether the worker can no longer give a result.
func (w *worker) lost() bool {
	return w.gone && w.result == nil || w.result != nil && w.result.Error != ""
}

// ready reports whether all connections have been tried; those of lost workers count.
func (f *fleet) ready() bool { return f.all(func(w *worker) bool { return w.ready || w.gone }) }

// done reports whether there is nothing more to come.
func (f *fleet) done() bool { return f.all(func(w *worker) bool { return w.gone }) }

func (f *fleet) all(is func(*worker) bool) bool {
	for _, w := range f.workers {
		if !is(w) {
			return false
		}
	}
	return true
}

// measured merges what the workers measured. Errors: a histogram that cannot be read is left out.
func (f *fleet) measured() (*histogram, []time.Duration, error) {
	rtt := newHistogram()
	var silent []time.Duration
	var errs []error
	for _, w := range f.workers {
		if w.result == nil || w.result.Error != "" {
			continue
		}
		errs = append(errs, rtt.merge(w.result.Histogram))
		silent = append(silent, w.result.SilentTimes...)
	}
	return rtt, silent, errors.Join(errs...)
}

func (f *fleet) pids() []int {
	pids := make([]int, len(f.workers))
	for i, w := range f.workers {
		pids[i] = w.cmd.Process.Pid
	}
	return pids
}

// failures says what went wrong with workers, by process id.
func (f *fleet) failures() []string {
	var all []string
	for _, w := range f.workers {
		switch {
		case w.result != nil && w.result.Error != "":
			all = append(all, fmt.Sprintf("worker %d: %s", w.cmd.Process.Pid, w.result.Error))
		case w.gone && w.result == nil && w.err != nil:
			all = append(all, fmt.Sprintf("worker %d: %v", w.cmd.Process.Pid, w.err))
		case w.gone && w.result == nil:
			all = append(all, fmt.Sprintf("worker %d ended without a result", w.cmd.Process.Pid))
		}
	}
	return all
}

// close ends all workers and waits for them; take has the news that nobody read.
func (f *fleet) close() {
	for _, w := range f.workers {
		_ = w.in.Close()
	}
	for !f.done() {
		f.take(<-f.news)
	}
	f.wg.Wait()
}
