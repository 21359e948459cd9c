package client

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// liveness finds out that the other side is gone, by deadlines on the reads alone: a reader that waits for
// room in the queue is not reading, and must not be taken for a dead connection.
type liveness struct {
	nc   net.Conn
	idle time.Duration // silence that a read puts up with

	mu     sync.Mutex
	pinged bool      // a PING waits for its answer
	last   time.Time // when reading ends for good; zero: not closing
}

func newLiveness(nc net.Conn, beat time.Duration) *liveness {
	return &liveness{nc: nc, idle: 2*beat + 5*time.Second}
}

// beforeRead sets the deadline of the next read.
func (l *liveness) beforeRead() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nc.SetReadDeadline(l.deadline())
}

func (l *liveness) deadline() time.Time {
	switch {
	case !l.last.IsZero():
		return l.last
	case l.pinged:
		return time.Now().Add(pongWithin)
	}
	return time.Now().Add(l.idle)
}

// frameRead notes a complete frame: any of them proves that the server lives.
func (l *liveness) frameRead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinged = false
}

// pinging shortens the deadline of the read in progress: its answer has to come in time.
func (l *liveness) pinging() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinged = true
	return l.nc.SetReadDeadline(l.deadline())
}

// closing lets reading go on for a last while.
func (l *liveness) closing(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now().Add(d)
	_ = l.nc.SetReadDeadline(l.last) // an error means that it is closed, which is what is wanted
}

// silence is the error of a read that ran into its deadline.
func (l *liveness) silence() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pinged {
		return fmt.Errorf("the server did not answer a PING within %v", pongWithin)
	}
	return fmt.Errorf("nothing was heard from the server for %v", l.idle)
}
