package bench

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openFiles is the limit of open files of this process, which its workers inherit. The Go runtime has
// raised it to the hard limit.
func openFiles() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	return r.Cur, nil
}

func localPorts() (portRange, error) {
	const path = "/proc/sys/net/ipv4/ip_local_port_range"
	text, err := os.ReadFile(path)
	if err != nil {
		return portRange{}, fmt.Errorf("read the range of local ports: %w", err)
	}
	var p portRange
	if _, err := fmt.Sscan(string(text), &p.low, &p.high); err != nil {
		return portRange{}, fmt.Errorf("read the range of local ports in %s: %w", path, err)
	}
	return p, nil
}
