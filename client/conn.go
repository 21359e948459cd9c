package client

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

const (
	readBuffer = 4 << 10  // to begin with
	keepBuffer = 64 << 10 // a larger one, grown for one large frame, is not kept
)

// conn is one connection to a server. One goroutine reads it and owns in; one runs monitorOut.
type conn struct {
	nc       net.Conn
	welcome  *cimpb.Welcome // set before the second goroutine starts
	session  Session        // likewise
	live     *liveness      // likewise
	acks     *acks
	timeout  time.Duration // of one write
	wakeCh   chan struct{} // something is to be written
	drainCh  chan struct{} // closed: write what is left, and end
	doneCh   chan struct{} // closed: the connection is of no use any more
	in       inbuf
	mover    *mover         // looks for the next connection; nil: it is not asked to. Of the reading goroutine, as is in
	extra    sync.WaitGroup // mover's
	heard    heard          // what may come again on this connection, after a move. Of the reading goroutine
	follows  Cursor         // of WELCOME: the log before, and how far it is the same
	shown    Cursor         // how far the inbox had been received at LOGIN; set before the second goroutine starts
	drainOne sync.Once

	mu    sync.Mutex
	out   []byte // frames to be written
	cause error  // why it ended; the first reason counts
	ended bool
}

func newConn(nc net.Conn, a *acks, writeTimeout time.Duration) *conn {
	return &conn{
		nc: nc, acks: a, timeout: writeTimeout, wakeCh: make(chan struct{}, 1),
		drainCh: make(chan struct{}), doneCh: make(chan struct{}),
	}
}

// write queues whole frames. What bounds the queue is the send credit: nothing else is written in quantity.
func (cn *conn) write(frames []byte) {
	cn.mu.Lock()
	if !cn.ended {
		cn.out = append(cn.out, frames...)
	}
	cn.mu.Unlock()
	signal(cn.wakeCh)
}

// takeOut moves what is queued onto dst.
func (cn *conn) takeOut(dst []byte) []byte {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	dst = append(dst, cn.out...)
	cn.out = cn.out[:0]
	if cap(cn.out) > keepBuffer {
		cn.out = nil
	}
	return dst
}

// end closes the socket at once. The first cause is kept.
func (cn *conn) end(cause error) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.ended {
		return
	}
	cn.ended, cn.cause = true, cause
	close(cn.doneCh)
	_ = cn.nc.Close() // nothing is to be done about a socket that does not close
}

// drain makes the writer write what is left and then end the connection.
func (cn *conn) drain() { cn.drainOne.Do(func() { close(cn.drainCh) }) }

func (cn *conn) why() error {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.cause
}

// inbuf holds what was read and not yet taken as a frame.
type inbuf struct {
	buf        []byte
	start, end int
}

// next returns the next frame that is complete in the buffer, valid until fill; nil: read more.
func (b *inbuf) next() ([]byte, error) {
	payload, n, err := frame.Next(b.buf[b.start:b.end], maxFrame)
	b.start += n
	return payload, err
}

// fill reads once from r, and makes room first.
func (b *inbuf) fill(r io.Reader) error {
	b.makeRoom()
	n, err := r.Read(b.buf[b.end:])
	b.end += n
	if n > 0 {
		return nil
	}
	return err
}

func (b *inbuf) makeRoom() {
	waiting := b.end - b.start
	switch {
	case waiting == 0 && (b.buf == nil || cap(b.buf) > keepBuffer):
		b.buf = make([]byte, readBuffer)
	case waiting == len(b.buf):
		b.buf = append(b.buf, make([]byte, len(b.buf))...)
	default:
		copy(b.buf, b.buf[b.start:b.end])
	}
	b.start, b.end = 0, waiting
}

// nextFrame waits for a frame. live is nil until WELCOME.
func (cn *conn) nextFrame() ([]byte, error) {
	for {
		payload, err := cn.in.next()
		if err != nil {
			return nil, err
		}
		if payload != nil {
			if cn.live != nil {
				cn.live.frameRead()
			}
			return payload, nil
		}
		if err := cn.fill(); err != nil {
			return nil, err
		}
	}
}

func (cn *conn) fill() error {
	if cn.live == nil {
		return cn.in.fill(cn.nc)
	}
	if err := cn.live.beforeRead(); err != nil {
		return err
	}
	err := cn.in.fill(cn.nc)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return cn.live.silence()
	case errors.Is(err, io.EOF):
		return errCut
	}
	return err
}

var errCut = errors.New("the server closed the connection")
