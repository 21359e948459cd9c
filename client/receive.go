package client

import (
	"fmt"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// read takes frames until the connection ends, and returns why. It runs on the client's main goroutine.
func (c *Client) read(cn *conn) error {
	var v frame.View
	for {
		payload, err := cn.nextFrame()
		if err != nil {
			return err
		}
		if err := v.Parse(payload); err != nil {
			return fmt.Errorf("the server sent a frame that cannot be read: %w", err)
		}
		if err := c.dispatch(cn, &v, payload); err != nil {
			return err
		}
	}
}

// dispatch handles one frame. Commands of later versions are skipped, as unknown fields are.
func (c *Client) dispatch(cn *conn, v *frame.View, payload []byte) error {
	switch v.Cmd {
	case cimpb.Command_MESSAGE:
		if m := readMessage(v, payload); m.stored() || !cn.heardBefore(payload) {
			c.arrived(cn, m)
		}
	case cimpb.Command_SENT:
		c.outbox.answered(v.ClientMsgID, readSent(v))
	case cimpb.Command_SYNC:
		if v.Group == 0 {
			c.turned(cn, c.inbox.gone(Cursor{LogEpoch: v.LogEpoch, Seq: v.Seq}, readCursor(v.Follows)))
		}
	case cimpb.Command_KICK:
		if v.Seq == cn.session.Epoch { // a KICK of an earlier session of ours may come late
			return endingStatus(v)
		}
	case cimpb.Command_MOVE:
		c.startMove(cn, endingStatus(v))
	case cimpb.Command_ERROR:
		return endingStatus(v)
	}
	return nil
}

// arrived passes a message on to the Handler's queue if it is its turn.
func (c *Client) arrived(cn *conn, m Message) {
	if !m.stored() {
		if !c.enqueue(cn, item{msg: m}) {
			c.dropped.Add(1)
		}
		return
	}
	switch c.inbox.offer(m.cursor()) {
	case duplicate:
		c.repeated(cn)
	case ahead:
		c.missing(cn)
	case newEpoch:
		c.turned(cn, c.inbox.gone(Cursor{LogEpoch: m.LogEpoch, Seq: m.Seq - 1}, Cursor{}))
		c.inTurn(cn, m)
	case inTurn:
		c.inTurn(cn, m)
	}
}

func (c *Client) inTurn(cn *conn, m Message) {
	if c.enqueue(cn, item{msg: m, at: m.cursor()}) {
		c.inbox.accept(m.cursor())
		return
	}
	c.inbox.leaveOut()
	c.askForRest(cn) // the queue may have drained since
}

// askForRest asks for what was left out, once the queue is half empty.
func (c *Client) askForRest(cn *conn) {
	if !c.queue.roomy() {
		return
	}
	if from, ok := c.inbox.caughtUp(time.Now()); ok {
		cn.sync(from)
	}
}

// repeated acknowledges once more: the server would not repeat a message whose ACK it knows.
func (c *Client) repeated(cn *conn) {
	c.duplicates.Add(1)
	if c.acks.again(time.Now()) {
		signal(cn.wakeCh)
	}
}

// missing asks for what lies before a message that came too early. The message itself is dropped: it will
// be sent again behind the others.
func (c *Client) missing(cn *conn) {
	c.gaps.Add(1)
	if from, ok := c.inbox.askNow(time.Now()); ok {
		cn.sync(from)
	}
}

// turned passes on what has become of the log.
func (c *Client) turned(cn *conn, t turn) {
	if t.after != 0 {
		c.acks.rename(t.before, t.after, time.Now())
		signal(cn.wakeCh)
	}
	if t.note != nil {
		c.queue.putNote(*t.note, t.at)
	}
}

// enqueue waits for room in the Handler's queue: not reading is how the server learns to slow down. But it
// does not wait while a send is unanswered. The Handler may be the one that waits for the answer, which
// lies behind this message in the connection, and would wait for ever. False: there was no room.
func (c *Client) enqueue(cn *conn, it item) bool {
	for !c.queue.put(it) {
		if c.outbox.busy() {
			return false
		}
		select {
		case <-c.queue.roomCh:
		case <-c.outbox.busyCh:
		case <-cn.doneCh:
			return false
		case <-c.stopCh:
			return false
		}
	}
	return true
}

// sync asks the server to send the inbox again from above c.
func (cn *conn) sync(c Cursor) {
	cn.write(frame.AppendSync(nil, frame.Cursor{LogEpoch: c.LogEpoch, Seq: c.Seq}))
}
