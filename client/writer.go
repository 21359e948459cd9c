package client

import (
	"time"

	"cim/netcore/frame"
)

// writer belongs to the goroutine that writes one connection.
type writer struct {
	cn    *conn
	beat  time.Duration
	buf   []byte
	wrote time.Time // when anything was written last
}

// monitorOut writes frames, ACKs and PINGs until the connection ends.
func (cn *conn) monitorOut() {
	w := &writer{cn: cn, beat: cn.session.Heartbeat, wrote: time.Now()}
	timer := time.NewTimer(w.beat)
	defer timer.Stop()
	for {
		wake, err := w.round(time.Now())
		if err != nil {
			cn.end(err)
			return
		}
		timer.Reset(time.Until(wake))
		select {
		case <-cn.wakeCh:
		case <-timer.C:
		case <-cn.drainCh:
			w.finish()
			return
		case <-cn.doneCh:
			return
		}
	}
}

// round writes whatever is there in one write, and returns when the next round is due if nothing wakes it.
func (w *writer) round(now time.Time) (wake time.Time, err error) {
	buf, ackDue := w.cn.acks.appendDue(w.cn.takeOut(w.buf[:0]), now, false)
	w.keep(buf)
	switch {
	case len(buf) > 0:
		err = w.write(buf, now)
	case now.Sub(w.wrote) >= w.beat:
		err = w.ping(now)
	}
	wake = w.wrote.Add(w.beat)
	if !ackDue.IsZero() {
		wake = earlier(wake, ackDue)
	}
	return wake, err
}

// keep holds on to the buffer for the next round, unless one large message made it large.
func (w *writer) keep(buf []byte) {
	w.buf = buf
	if cap(buf) > keepBuffer {
		w.buf = nil
	}
}

func (w *writer) ping(now time.Time) error {
	if err := w.cn.live.pinging(); err != nil {
		return err
	}
	return w.write(frame.Ping, now)
}

func (w *writer) write(buf []byte, now time.Time) error {
	if err := w.cn.nc.SetWriteDeadline(now.Add(w.cn.timeout)); err != nil {
		return err
	}
	_, err := w.cn.nc.Write(buf)
	w.wrote = now
	return err
}

// finish writes what is left with the last ACK. A TCP connection is then closed in one direction, and the
// reader waits a moment for the server's end: a socket closed with unread data in it sends a reset, which
// may overtake the ACK.
func (w *writer) finish() {
	now := time.Now()
	buf, _ := w.cn.acks.appendDue(w.cn.takeOut(w.buf[:0]), now, true)
	if len(buf) > 0 {
		if err := w.write(buf, now); err != nil {
			w.cn.end(err)
			return
		}
	}
	half, ok := w.cn.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		w.cn.end(ErrClosed)
		return
	}
	w.cn.live.closing(drainWithin)
}
