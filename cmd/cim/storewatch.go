package main

import (
	"context"
	"sync/atomic"
	"time"
)

// storeLook is how often a server looks whether the store is the one that it was.
const storeLook = time.Second

// incarnate is a store that can say when it may have lost what it had.
type incarnate interface {
	// Incarnation changes when the store was started again or another copy took over.
	Incarnation(ctx context.Context) (string, error)
}

// storeWatch decides when sessions have to be looked at because of what happened to the store. A server whose clients
// are quiet asks the store nothing for minutes, and would not see that it came back empty.
type storeWatch struct {
	last string // the incarnation that sessions were last known to be in; "": none yet
	away bool
}

// look takes the answer of one look and reports whether a sweep is due.
func (w *storeWatch) look(incarnation string, err error) (due bool) {
	if err != nil {
		w.away = true
		return false
	}
	due = w.last != "" && (w.away || incarnation != w.last)
	w.last, w.away = incarnation, false
	return due
}

// monitorStore has the sessions swept when the store has been away or is another one, and says in away whether it is.
func (n *node) monitorStore(ctx context.Context, store incarnate, away *atomic.Bool) {
	tick := time.NewTicker(storeLook)
	defer tick.Stop()
	var w storeWatch
	for {
		before := w.away
		incarnation, err := store.Incarnation(ctx)
		if ctx.Err() != nil {
			return
		}
		due := w.look(incarnation, err)
		away.Store(w.away)
		switch {
		case w.away && !before:
			n.log.Warn("the store does not answer: logins and stored messages are refused until it does", "err", err)
		case due:
			n.log.Info("the store answers, and may have lost something: all sessions are looked at")
			n.sweep()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
