package bench

import "fmt"

// filesKept is what a worker needs besides its connections: pipes, HTTP connections, epoll.
const filesKept = 256

// planWorkers says how many worker processes hold the connections under the limit of open files of a
// process. wanted 0 means as few as possible. Errors: ErrLimits.
func planWorkers(connections, wanted int, limit uint64) (int, error) {
	if limit <= filesKept {
		return 0, fmt.Errorf("%w: %d open files a process; raise it with \"ulimit -n\" above %d", ErrLimits, limit, filesKept)
	}
	room := int(min(limit-filesKept, 1<<31))
	needed := (connections + room - 1) / room
	if wanted == 0 {
		return needed, nil
	}
	if wanted < needed {
		return 0, fmt.Errorf("%w: %d workers need %d open files each and the limit is %d; raise it with \"ulimit -n\", or give --workers %d",
			ErrLimits, wanted, (connections+wanted-1)/wanted+filesKept, limit, needed)
	}
	return min(wanted, connections), nil
}

// portRange is the kernel's range of local ports, both ends included.
type portRange struct{ low, high int }

func (p portRange) size() int { return p.high - p.low + 1 }

// checkPorts says whether the range has a local port for each connection to one server. On loopback each
// thousand has an address of its own, with room to spare for ports of connections just closed.
// Errors: ErrLimits.
func checkPorts(ports portRange, manySources bool, connections int) error {
	needed, why := connections, "one for each connection from this machine"
	if manySources {
		needed, why = min(connections, connsPerSource)*2, "twice those of one source address"
	}
	if ports.size() >= needed {
		return nil
	}
	return fmt.Errorf("%w: %d local ports and %d are needed (%s); widen the range with \"sysctl -w net.ipv4.ip_local_port_range='1024 65535'\", or use fewer --connections",
		ErrLimits, ports.size(), needed, why)
}
