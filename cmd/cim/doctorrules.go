package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"cim/internal/limits"
	"cim/netcore"
)

// What a connection takes, by docs/benchmarks.md.
const (
	userBytes   = 1000 // idle, in the process: 949 measured
	kernelBytes = 5000 // idle, in the kernel: 5,176 measured for both ends, so a server has room for a storm of logins
	heapGrowth  = 2    // the heap may grow to so many times what is live before it is collected

	comeBackSeconds   = 60    // in which all connections of a lost server come back at the soonest
	heartbeatsPerCore = 30000 // a second: 1,500 took 5 % of a core
	heartbeatSeconds  = 36    // what a client is granted that asks for none, with the default idle time-out
)

// doctorPlan is what the limits are compared with.
type doctorPlan struct {
	target    uint64 // connections
	httpConns uint64
	loops     uint64 // listening sockets: one per core
	pageSize  uint64 // bytes
}

// filesBesides is how many files cim up keeps for everything but connections, as netcore.DefaultMaxConns.
func (p doctorPlan) filesBesides() uint64 { return netcore.FilesKept + p.httpConns }

// filesNeeded is the limit of open files for the target, in round thousands of 1,024.
func (p doctorPlan) filesNeeded() uint64 { return roundUp(p.target+p.filesBesides(), 1024) }

// queueNeeded is the length of one listening socket's queue for the target to come back: a second's worth.
func (p doctorPlan) queueNeeded() uint64 {
	return roundUp((p.target+comeBackSeconds*p.loops-1)/(comeBackSeconds*p.loops), 1024)
}

func roundUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

func minus(a, b uint64) uint64 { return a - min(a, b) }

// examineMachine applies all rules. What bounds the connections held comes first.
func examineMachine(m limits.Machine, p doctorPlan) []finding {
	return []finding{
		openFilesRule(m, p),
		nrOpenRule(m, p),
		fileMaxRule(m, p),
		memoryRule(m, p),
		cgroupMemoryRule(m, p),
		overcommitRule(m),
		tcpMemRule(m, p),
		conntrackRule(m, p),
		queueRule("net.core.somaxconn", m.Somaxconn, m, p),
		synBacklogRule(m, p),
		coresRule(m, p),
		portsRule(m, p),
		bufferRule("net.ipv4.tcp_rmem", m.TCPRmem),
		bufferRule("net.ipv4.tcp_wmem", m.TCPWmem),
	}
}

func openFilesRule(m limits.Machine, p doctorPlan) finding { return openFilesFinding(m.FilesSoft, p) }

// openFilesFinding looks at the soft limit: the Go runtime raised it to the hard one, here as in cim up.
func openFilesFinding(limit limits.Value, p doctorPlan) finding {
	f := finding{
		Name: "open files (ulimit -n)", Value: shown(limit), unknown: limit.Err,
		Note: fmt.Sprintf("one for each connection, besides %d for HTTP and %d for the process", p.httpConns, netcore.FilesKept),
	}
	files := uint64(math.MaxInt32) // where netcore stops counting
	if !limit.Unlimited {
		files = min(files, limit.N)
	}
	f.allows = minus(files, p.filesBesides())
	f.fixes = func() []fix { return openFilesFixes(p.filesNeeded()) }
	return f
}

func nrOpenRule(m limits.Machine, p doctorPlan) finding {
	return finding{
		Name: "fs.nr_open", Value: shown(m.NrOpen), unknown: m.NrOpen.Err, Unlimited: m.NrOpen.Unlimited,
		Note:   "what the limit of open files may be raised to; set this first",
		allows: minus(m.NrOpen.N, p.filesBesides()),
		fixes:  func() []fix { return sysctlFixes("fs.nr_open", m.Container, p.filesNeeded()) },
	}
}

func fileMaxRule(m limits.Machine, p doctorPlan) finding {
	besides := m.FilesOpen.N + p.filesBesides()
	return finding{
		Name: "fs.file-max", Value: shown(m.FileMax) + ", open " + shown(m.FilesOpen), Unlimited: m.FileMax.Unlimited,
		unknown: firstUnknown(m.FileMax, m.FilesOpen),
		Note:    "of the whole machine",
		allows:  minus(m.FileMax.N, besides),
		fixes: func() []fix {
			return sysctlFixes("fs.file-max", m.Container, roundUp(p.target+besides, 1024))
		},
	}
}

func memoryRule(m limits.Machine, p doctorPlan) finding {
	return finding{
		Name: "memory", Value: shownBytes(m.MemAvailable) + " available of " + shownBytes(m.MemTotal),
		unknown: firstUnknown(m.MemAvailable, m.MemTotal),
		Note:    fmt.Sprintf("%d bytes in the process and %d in the kernel for each connection (docs/benchmarks.md)", userBytes, kernelBytes),
		allows:  m.MemAvailable.N / (userBytes + kernelBytes),
		fixes:   func() []fix { return []fix{{How: "memory", Line: "make " + bytesText(p.memory()) + " available"}} },
	}
}

// memory is what the target takes, in bytes.
func (p doctorPlan) memory() uint64 { return p.target * (userBytes + kernelBytes) }

func cgroupMemoryRule(m limits.Machine, p doctorPlan) finding {
	limit, used := m.CgroupMemory, m.CgroupMemoryUsed
	f := finding{
		Name: "memory of the control group", Value: "no limit", Unlimited: limit.Unlimited,
		unknown: firstUnknown(limit, used),
		allows:  minus(limit.N, used.N) / (userBytes + kernelBytes),
		fixes:   func() []fix { return memoryFixes(m.Container, used.N+p.memory()) },
	}
	if !limit.Unlimited {
		f.Value = shownBytes(used) + " used of " + shownBytes(limit)
	}
	return f
}

// overcommitRule matters where the kernel grants no more memory than it has: then the heap's growth counts.
func overcommitRule(m limits.Machine) finding {
	const strict = 2 // Documentation/mm/overcommit-accounting.rst
	f := finding{Name: "vm.overcommit_memory", Value: shown(m.Overcommit), unknown: m.Overcommit.Err}
	if f.unknown != nil {
		return f
	}
	if m.Overcommit.N != strict {
		f.Unlimited = true
		return f
	}
	free := minus(m.CommitLimit.N, m.Committed.N)
	f.unknown = firstUnknown(m.CommitLimit, m.Committed)
	f.Value = fmt.Sprintf("2, %s of %s committed", bytesText(m.Committed.N), bytesText(m.CommitLimit.N))
	f.allows = free / (userBytes * heapGrowth)
	f.fixes = func() []fix { return sysctlFixes("vm.overcommit_memory", m.Container, 0) }
	return f
}

// tcpMemRule counts a page for each connection: the kernel charges whole pages to a socket that has anything
// in flight (__sk_mem_schedule in net/core/sock.c), and a message to everyone is in flight to all.
func tcpMemRule(m limits.Machine, p doctorPlan) finding {
	f := finding{Name: "net.ipv4.tcp_mem", unknown: m.TCPMem.Err}
	if f.unknown != nil {
		return f
	}
	high := m.TCPMem.N[2]
	f.Value = fmt.Sprintf("%s pages, %s", count(high), bytesText(high*p.pageSize))
	f.allows = high
	f.Note = "a page for each connection with data in flight: all of them, during a message to everyone"
	f.fixes = func() []fix {
		need := roundUp(p.target, 1024)
		return sysctlFixes("net.ipv4.tcp_mem", m.Container, need/2, need/4*3, need)
	}
	return f
}

// conntrackRule binds only while the table is in use: the module may be there without a rule that needs it.
func conntrackRule(m limits.Machine, p doctorPlan) finding {
	f := finding{Name: "net.netfilter.nf_conntrack_max", unknown: firstUnknown(m.ConntrackMax, m.ConntrackCount)}
	if errors.Is(m.ConntrackMax.Err, fs.ErrNotExist) {
		f.Value, f.Unlimited, f.unknown = "not loaded", true, nil
		return f
	}
	f.Value = fmt.Sprintf("%s, tracked %s", shown(m.ConntrackMax), shown(m.ConntrackCount))
	f.allows = minus(m.ConntrackMax.N, m.ConntrackCount.N)
	f.fixes = func() []fix {
		return sysctlFixes(f.Name, m.Container, roundUp(p.target+m.ConntrackCount.N, 1024))
	}
	f.advisory = f.unknown == nil && m.ConntrackCount.N == 0
	f.Note = "better than a larger table is none for the client port: deploy/sysctl.conf says how"
	if f.advisory {
		f.Note = "tracks nothing now; it binds once a firewall or NAT of this machine uses it"
	}
	return f
}

// queueRule is about a queue of a listening socket, of which there is one per event loop.
func queueRule(name string, length limits.Value, m limits.Machine, p doctorPlan) finding {
	unknown := length.Err
	if unknown == nil && m.CPUs == 0 {
		unknown = m.CPUErr
	}
	return finding{
		Name: name, Value: shown(length), unknown: unknown, advisory: true,
		Note:   fmt.Sprintf("%d queues hold one second of all connections coming back within %d", p.loops, comeBackSeconds),
		allows: length.N * p.loops * comeBackSeconds,
		fixes:  func() []fix { return sysctlFixes(name, m.Container, p.queueNeeded()) },
	}
}

// synBacklogRule: with SYN cookies a full queue refuses nobody.
func synBacklogRule(m limits.Machine, p doctorPlan) finding {
	f := queueRule("net.ipv4.tcp_max_syn_backlog", m.SynBacklog, m, p)
	if m.SynCookies.Known() && m.SynCookies.N > 0 {
		f.Unlimited = true
		f.Value += ", then SYN cookies"
	}
	return f
}

func coresRule(m limits.Machine, p doctorPlan) finding {
	f := finding{Name: "cores", unknown: m.CPUErr, advisory: true}
	cores := float64(m.CPUs)
	f.Value = fmt.Sprint(m.CPUs)
	if m.CPUQuota > 0 {
		cores = min(cores, m.CPUQuota)
		f.Value += fmt.Sprintf(", quota %.4g", m.CPUQuota)
	}
	const perCore = heartbeatsPerCore * heartbeatSeconds
	f.allows = uint64(cores * perCore)
	f.Note = fmt.Sprintf("for heartbeats each %d s alone (docs/benchmarks.md); messages come on top", heartbeatSeconds)
	f.fixes = func() []fix {
		return []fix{{How: "cores", Line: fmt.Sprintf("give it %d, or longer heartbeats", (p.target+perCore-1)/perCore)}}
	}
	return f
}

// portsRule is about a load generator or a proxy on this machine; a server needs no port for each connection.
func portsRule(m limits.Machine, p doctorPlan) finding {
	f := finding{Name: "net.ipv4.ip_local_port_range", unknown: m.Ports.Err, advisory: true}
	if f.unknown != nil {
		return f
	}
	f.Value = fmt.Sprintf("%d %d", m.Ports.N[0], m.Ports.N[1])
	f.allows = minus(m.Ports.N[1]+1, m.Ports.N[0])
	f.Note = "for cim bench and proxies alone, for each source address and server port"
	f.fixes = func() []fix { return portsFixes(m.Container, p.target) }
	return f
}

func bufferRule(name string, sizes limits.List) finding {
	f := finding{Name: name, unknown: sizes.Err, info: true, advisory: true}
	if f.unknown == nil {
		f.Value = fmt.Sprintf("%d %d %d", sizes.N[0], sizes.N[1], sizes.N[2])
		f.Note = fmt.Sprintf("one slow connection may take %s of net.ipv4.tcp_mem", bytesText(sizes.N[2]))
	}
	return f
}
