package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// finishWithin bounds the wait for answers to sends before LOGIN at the new server: from then on the old one
	// ends the session, and what is unanswered is sent again.
	finishWithin = time.Second
	// lingerWithin bounds the reading of the old connection after the new one was welcomed. The old server ends it
	// by a KICK, behind everything that it had written.
	lingerWithin = time.Second
	// oursWithin is how long after a LOGIN the end of the old session is taken for its doing.
	oursWithin = 10 * time.Second
)

// mover makes a new connection while the old one, whose server drains, goes on. The client's main goroutine starts
// it and waits for its end.
type mover struct {
	old    *conn
	ctx    context.Context
	cancel context.CancelFunc
	doneCh chan struct{}
	cn     *conn // the new connection; nil: there is none. Set before doneCh closes, as is err
	err    error // of the last attempt
	heard  heard // on the old connection since MOVE. Of the goroutine that reads

	mu        sync.Mutex
	greeting  bool      // LOGIN may have been sent, which ends the old session, and is not answered
	greeted   time.Time // when that was last
	abandoned bool      // it must not be sent any more
}

var errAbandoned = errors.New("the old connection ended first")

// startMove takes the server's wish to be left. A repeated one says nothing new.
func (c *Client) startMove(old *conn, wish *StatusError) {
	if old.mover != nil {
		return
	}
	c.opts.Logger.Info("the server drains; moving", "user", c.me.ID, "server", old.session.Addr)
	m := &mover{old: old, doneCh: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(c.runCtx)
	old.mover = m
	old.extra.Go(func() { c.monitorMove(m, wish) })
}

// monitorMove tries until there is a new connection, or there is no use in it.
func (c *Client) monitorMove(m *mover, wish *StatusError) {
	defer close(m.doneCh)
	wait := upTo(wish.RetryAfter)
	for n := 0; sleep(m.ctx, c.stopCh, wait); n++ {
		m.cn, m.err = c.establish(m.ctx, nil, func() error { return c.beforeLogin(m) })
		if m.err == nil {
			m.old.live.closing(lingerWithin)
			return
		}
		c.opts.Logger.Info("not moved yet", "user", c.me.ID, "err", m.err)
		c.outbox.release()
		if !m.again() || final(m.err) {
			return
		}
		wait = c.opts.Backoff.reconnect(n, m.err)
	}
}

// beforeLogin lets the old server answer what it was sent; sends that come meanwhile wait for the new one.
func (c *Client) beforeLogin(m *mover) error {
	t := time.NewTimer(finishWithin)
	defer t.Stop()
	select {
	case <-c.outbox.hold():
	case <-t.C:
	case <-m.old.doneCh:
	case <-m.ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.abandoned {
		return errAbandoned
	}
	m.greeting, m.greeted = true, time.Now()
	return nil
}

// again reports whether another attempt makes sense: not when the old connection has ended.
func (m *mover) again() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.greeting = false
	return !m.abandoned
}

// end follows the end of the old connection. A move that has not come to its LOGIN is given up: the client is cut
// off, and connects as always. Where LOGIN was sent, it may be what ended the old session, even if it failed.
func (m *mover) end(why error) (*conn, error) {
	m.mu.Lock()
	m.abandoned = true
	greeting, greeted := m.greeting, m.greeted
	m.mu.Unlock()
	if !greeting {
		select {
		case <-m.doneCh: // it has a connection, or gave up
		default:
			m.cancel()
		}
	}
	<-m.doneCh
	m.cancel()
	switch {
	case m.cn != nil:
		return m.cn, nil
	case time.Since(greeted) < oursWithin:
		return nil, fmt.Errorf("the server drains, and the move to another one failed: %w", m.err)
	}
	return nil, why
}
