package client

import (
	"errors"
	"fmt"
	"sync"
	"time"

	cimpb "cim/proto"
)

// run keeps the session alive, beginning with its first connection, and ends the client when that is over.
func (c *Client) run(cn *conn) {
	var why error
	for n := 0; cn != nil; {
		since := time.Now()
		var next *conn
		if next, why = c.serve(cn); next != nil {
			cn = next
			continue
		}
		if time.Since(since) >= stableAfter {
			n = 0
		}
		cn, n, why = c.again(n, why)
	}
	c.finish(why)
}

// serve keeps an attached connection until it ends, and returns why, or the connection that has taken its place.
func (c *Client) serve(cn *conn) (next *conn, why error) {
	var out sync.WaitGroup
	out.Go(cn.monitorOut)
	c.opts.Logger.Info("connected", "user", c.me.ID, "server", cn.session.Addr, "epoch", cn.session.Epoch)
	c.tell(StateChange{State: StateConnected, Session: cn.session})
	err := c.read(cn)
	if cn.mover != nil {
		next, err = c.endMove(cn, err)
	}
	if next == nil {
		c.setCurrent(nil)
		c.outbox.disconnected()
	}
	_, told := errors.AsType[*StatusError](err)
	if told && next == nil {
		cn.drain() // the server may still read: what was handled can be acknowledged
	} else {
		cn.end(err)
	}
	out.Wait()
	cn.end(err)
	if told || next != nil {
		return next, err
	}
	return nil, cn.why()
}

// endMove ends the move that an ended connection had begun, and goes over to the new connection if there is one.
func (c *Client) endMove(cn *conn, why error) (*conn, error) {
	next, err := cn.mover.end(why)
	cn.extra.Wait()
	if next == nil {
		return nil, err
	}
	next.heard = cn.mover.heard
	c.adopt(next)
	c.connects.Add(1)
	c.setCurrent(next)
	c.outbox.moved(next, next.welcome)
	return next, nil
}

// attach makes cn the connection of the moment, on which sends go out.
func (c *Client) attach(cn *conn) {
	c.adopt(cn)
	c.connects.Add(1)
	c.setCurrent(cn)
	c.outbox.connected(cn, cn.welcome)
}

// adopt compares what the server knows of the inbox with what is known here.
func (c *Client) adopt(cn *conn) {
	if cn.welcome.GetInbox() == nil {
		return
	}
	t := c.inbox.welcomed(cn.welcome, cn.follows, cn.shown)
	c.turned(cn, t)
	if t.note == nil {
		c.acks.welcomed(Cursor{LogEpoch: cn.welcome.GetInbox().GetLogEpoch(), Seq: cn.welcome.GetAcked()}, time.Now())
	}
}

// again connects until it works; n counts the attempts since the last connection that lasted. It returns no
// connection when the client is to end, and why then.
func (c *Client) again(n int, why error) (*conn, int, error) {
	for ; !c.stopping() && !final(why); n++ {
		wait := c.opts.Backoff.reconnect(n, why)
		c.opts.Logger.Info("disconnected", "user", c.me.ID, "err", why, "retry_in", wait)
		c.tell(StateChange{State: StateDisconnected, Err: why, RetryIn: wait})
		if !sleep(c.runCtx, c.stopCh, wait) {
			break
		}
		cn, err := c.establish(c.runCtx, nil, nil)
		if err == nil {
			c.attach(cn)
			return cn, n + 1, nil
		}
		why = err
	}
	return nil, n, why
}

// final reports whether the server said not to come back.
func final(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Comeback == cimpb.Comeback_NEVER
}

// finish ends everything that is left, and tells.
func (c *Client) finish(why error) {
	err := ErrClosed
	if final(why) {
		err = fmt.Errorf("%w: %w", ErrClosed, why)
		c.endHandler() // its message belongs to the next session now
	}
	c.stop()
	if final(why) {
		c.leave(err)
	}
	<-c.handlerCh
	c.leave(err)
	c.release()
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	c.opts.Logger.Info("closed", "user", c.me.ID, "err", err)
	c.tell(StateChange{State: StateClosed, Err: err})
	close(c.doneCh)
}
