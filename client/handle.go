package client

import (
	"context"
	"time"
)

// monitorQueue calls the Handler, one message after the other, until stopCh closes. ctx is what the Handler
// gets.
func (c *Client) monitorQueue(ctx context.Context) {
	defer close(c.handlerCh)
	for !c.stopping() {
		it, left, ok := c.queue.take()
		switch {
		case !ok:
			select {
			case <-c.queue.moreCh:
			case <-c.stopCh:
			}
		case it.note != nil:
			c.noted(it)
		case !c.handOver(ctx, it.msg):
			return
		default:
			c.handled(it, left == 0)
		}
	}
}

// handOver repeats until the Handler takes the message; false when the client stops before.
func (c *Client) handOver(ctx context.Context, m Message) bool {
	for attempt := 0; ; attempt++ {
		err := c.opts.Handler.Message(ctx, m)
		if err == nil {
			return true
		}
		if attempt == 0 {
			c.opts.Logger.Warn("the handler refused a message; it is handed over again",
				"user", c.me.ID, "seq", m.Seq, "err", err)
		}
		if !sleep(ctx, c.stopCh, c.opts.Backoff.wait(attempt)) {
			return false
		}
	}
}

// noted goes on behind the place of a note, and tells the application.
func (c *Client) noted(it item) {
	c.acks.reset(it.at, time.Now())
	c.save(c.acks.place())
	if cn := c.current(); cn != nil {
		signal(cn.wakeCh)
	}
	c.tell(*it.note)
}

// handled saves the cursor before the ACK: when the process dies in between, the message is not new.
func (c *Client) handled(it item, idle bool) {
	cn := c.current()
	if it.at != (Cursor{}) {
		c.save(c.acks.current(it.at))
		if c.acks.handled(it.at, idle, time.Now()) && cn != nil {
			signal(cn.wakeCh)
		}
	}
	if cn != nil {
		c.askForRest(cn)
	}
}

// save keeps the cursor. A failure costs at most a message that comes twice after a restart, so it is told
// and not made an error of the message.
func (c *Client) save(at Cursor) {
	err := c.opts.Cursors.Save(c.me.ID, at)
	if err != nil && !c.saveFailed {
		c.opts.Logger.Warn("the cursor was not saved; after a restart messages may come twice",
			"user", c.me.ID, "err", err)
	}
	c.saveFailed = err != nil
}
