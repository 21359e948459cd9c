package zkregistry

import (
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// changes is what has happened since the last look.
type changes struct {
	session bool      // there is a session now
	resumed bool      // there was a new connection
	expired bool      // the session ended, and with it its nodes and watches
	list    bool      // the watch on the list fired
	nodes   []string  // whose watches fired
	since   time.Time // without session: since when
}

// events collects what the library tells by its callback. Its channels would do the same with a goroutine for each
// watch, and drop what nobody takes in time.
type events struct {
	root   string        // immutable
	wakeCh chan struct{} // holds one: there is something new

	mu      sync.Mutex
	pending changes // guarded by mu
	source  int     // guarded by mu; the connection that counts
}

func newEvents(root string) *events {
	return &events{root: root, wakeCh: make(chan struct{}, 1), pending: changes{since: time.Now()}}
}

// renew returns the callback of a new connection, which takes the place of what was before.
func (e *events) renew() zk.EventCallback {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.source > 0 {
		e.state(zk.StateExpired)
	}
	e.source++
	source := e.source
	return func(ev zk.Event) { e.handle(source, ev) }
}

// handle runs on the library's goroutines and must not block.
func (e *events) handle(source int, ev zk.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if source != e.source {
		return
	}
	switch ev.Type {
	case zk.EventSession:
		e.state(ev.State)
	case zk.EventNodeCreated, zk.EventNodeDeleted, zk.EventNodeDataChanged, zk.EventNodeChildrenChanged:
		e.fired(ev.Path)
	}
	e.wake()
}

// state must run with mu held.
func (e *events) state(s zk.State) {
	switch s {
	case zk.StateHasSession:
		e.pending.session, e.pending.resumed = true, true
	case zk.StateExpired:
		e.pending.expired = true
		e.lost()
	case zk.StateDisconnected:
		e.lost()
	}
}

// lost must run with mu held.
func (e *events) lost() {
	if e.pending.session {
		e.pending.session, e.pending.since = false, time.Now()
	}
}

// fired must run with mu held.
func (e *events) fired(path string) {
	if path == e.root {
		e.pending.list = true
		return
	}
	if name, ok := strings.CutPrefix(path, e.root+"/"); ok {
		e.pending.nodes = append(e.pending.nodes, name)
	}
}

// take returns what happened and forgets it, but for the session's state.
func (e *events) take() changes {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.pending
	e.pending = changes{session: c.session, since: c.since}
	return c
}

// connected reports whether there is a session, and since when there is none.
func (e *events) connected() (ok bool, since time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pending.session, e.pending.since
}

// wake makes the loop look.
func (e *events) wake() {
	select {
	case e.wakeCh <- struct{}{}:
	default:
	}
}
