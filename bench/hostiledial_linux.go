package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepPortsFree leaves the local port of a bound address to connect, which finds one sooner (ip(7)).
func keepPortsFree(_ context.Context, network, _ string, c syscall.RawConn) error {
	if !strings.HasSuffix(network, "4") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// lowerPriority is nice(2), or SCHED_IDLE of sched(7), of every thread of this process: those that come later
// inherit it.
func lowerPriority(by int, background bool) error {
	threads, err := ownThreads()
	if err != nil {
		return fmt.Errorf("list the threads of this process: %w", err)
	}
	for _, id := range threads {
		if background {
			err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
		} else if by > 0 {
			err = unix.Setpriority(unix.PRIO_PROCESS, id, by)
		}
		if err != nil {
			return fmt.Errorf("lower the priority of an attacking process: %w", err)
		}
	}
	return nil
}

// ownThreads lists the threads of this process. Linux has a priority for each of them.
func ownThreads() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
