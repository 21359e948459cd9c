package bench

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Keys of the poller's own descriptors; connections have keys from 0.
const (
	keyWake  = -1
	keyTimer = -2
)

const notArmed time.Duration = -1

// poller waits for sockets, for a moment and for wake, all by one epoll descriptor. A timer descriptor
// stands in for epoll's own time-out, whose milliseconds would be added to every latency.
type poller struct {
	// Immutable after newPoller.
	epoll, timer, event int

	// loop
	events [512]unix.EpollEvent
	armed  time.Duration // what the timer is set to; notArmed when it has fired
}

func newPoller() (*poller, error) {
	p := &poller{epoll: -1, timer: -1, event: -1, armed: notArmed}
	if err := p.open(); err != nil {
		p.close()
		return nil, fmt.Errorf("open an epoll descriptor: %w", err)
	}
	return p, nil
}

func (p *poller) open() (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	return errors.Join(p.add(p.timer, keyTimer, unix.EPOLLIN), p.add(p.event, keyWake, unix.EPOLLIN))
}

func (p *poller) close() {
	for _, fd := range []int{p.epoll, p.timer, p.event} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

func (p *poller) add(fd, key int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(key)})
}

func (p *poller) change(fd, key int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(key)})
}

// wake makes wait return. Safe for concurrent use until close.
func (p *poller) wake() {
	one := [8]byte{1}
	_, _ = unix.Write(p.event, one[:]) // full means that it is readable already
}

// wait returns when a descriptor is ready, or at due, or when wake was called; both as times of the same
// clock. The events are good until the next call.
func (p *poller) wait(now, due time.Duration) ([]unix.EpollEvent, error) {
	if err := p.arm(now, due); err != nil {
		return nil, fmt.Errorf("set a timer: %w", err)
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], -1)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wait for events: %w", err)
	}
	return p.own(p.events[:n]), nil
}

// arm sets the timer; setting it anew also ends that it is readable.
func (p *poller) arm(now, due time.Duration) error {
	if due == p.armed {
		return nil
	}
	p.armed = due
	in := max(due-now, 1)
	return unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(in.Nanoseconds())}, nil)
}

// own takes the poller's own events out of the list.
func (p *poller) own(events []unix.EpollEvent) []unix.EpollEvent {
	kept := events[:0]
	for _, e := range events {
		var b [8]byte
		switch e.Fd {
		case keyWake:
			_, _ = unix.Read(p.event, b[:])
		case keyTimer:
			p.armed = notArmed
		default:
			kept = append(kept, e)
		}
	}
	return kept
}
