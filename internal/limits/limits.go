// Package limits reads what a Linux kernel allows: the limits of this process, of the machine and of the
// control groups that the process is in. It takes a file tree, so that a test can bring its own. It must not
// know what the limits are compared with, nor change one.
package limits

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// Value is one number, or the reason why it is not known. The zero value is a known 0.
type Value struct {
	N         uint64
	Unlimited bool  // there is a limit in principle, and it is not set; N means nothing then
	Err       error // why it is not known; errors.Is(Err, fs.ErrNotExist): this kernel does not show it here
}

// Known reports whether N or Unlimited may be used.
func (v Value) Known() bool { return v.Err == nil }

// List is a setting of several numbers, or the reason why it is not known.
type List struct {
	N   []uint64
	Err error
}

// Known reports whether N may be used.
func (l List) Known() bool { return l.Err == nil }

// Machine is what was read.
type Machine struct {
	FilesSoft, FilesHard Value // RLIMIT_NOFILE of this process
	NrOpen               Value // fs.nr_open: what RLIMIT_NOFILE may be raised to
	FileMax, FilesOpen   Value // fs.file-max and how many are open now, of the whole machine

	Somaxconn, SynBacklog Value // queues of a listening socket, established and not yet
	SynCookies            Value // net.ipv4.tcp_syncookies
	Ports                 List  // first and last local port
	TCPMem                List  // pages: low, pressure, high
	TCPRmem, TCPWmem      List  // bytes: least, first, most

	ConntrackMax, ConntrackCount Value

	MemTotal, MemAvailable         Value // bytes
	Overcommit                     Value // vm.overcommit_memory
	CommitLimit, Committed         Value // bytes; they bind with Overcommit 2 only
	CgroupMemory, CgroupMemoryUsed Value // bytes; of the ancestor that leaves least. What the kernel can take back at once is not counted as used

	CPUs      int     // that this process may run on; 0 is unknown
	CPUQuota  float64 // cores of the control group; 0 is no quota
	CPUErr    error   // why CPUs or CPUQuota is not known
	Container string  // docker, podman, kubernetes or lxc; empty where nothing hints at one
}

// reader reads files of one tree.
type reader struct{ fsys fs.FS }

// Read reads everything. What cannot be read says so in its own field.
func Read(fsys fs.FS) Machine {
	r := reader{fsys}
	var m Machine
	m.FilesSoft, m.FilesHard = r.openFiles()
	m.NrOpen = r.sysctl("fs/nr_open")
	m.FileMax = r.sysctl("fs/file-max")
	m.FilesOpen = first(r.list("proc/sys/fs/file-nr", 3))
	r.network(&m)
	r.memory(&m)
	m.CgroupMemory, m.CgroupMemoryUsed = r.cgroupMemory()
	m.CPUs, m.CPUErr = r.cpus()
	if m.CPUErr == nil {
		m.CPUQuota, m.CPUErr = r.cpuQuota()
	}
	m.Container = r.container()
	return m
}

func (r reader) network(m *Machine) {
	m.Somaxconn = r.sysctl("net/core/somaxconn")
	m.SynBacklog = r.sysctl("net/ipv4/tcp_max_syn_backlog")
	m.SynCookies = r.sysctl("net/ipv4/tcp_syncookies")
	m.Ports = r.list("proc/sys/net/ipv4/ip_local_port_range", 2)
	m.TCPMem = r.list("proc/sys/net/ipv4/tcp_mem", 3)
	m.TCPRmem = r.list("proc/sys/net/ipv4/tcp_rmem", 3)
	m.TCPWmem = r.list("proc/sys/net/ipv4/tcp_wmem", 3)
	m.ConntrackMax = r.sysctl("net/netfilter/nf_conntrack_max")
	m.ConntrackCount = r.sysctl("net/netfilter/nf_conntrack_count")
}

// sysctl is a setting of one number.
func (r reader) sysctl(name string) Value { return r.number("proc/sys/" + name) }

// number is a file with one number, or "max".
func (r reader) number(path string) Value {
	text, err := r.text(path)
	if err != nil {
		return Value{Err: err}
	}
	return parse(path, text)
}

// list is a file with at least n numbers.
func (r reader) list(path string, n int) List {
	text, err := r.text(path)
	if err != nil {
		return List{Err: err}
	}
	fields := strings.Fields(text)
	if len(fields) < n {
		return List{Err: fmt.Errorf("%s has %d numbers, not %d", path, len(fields), n)}
	}
	var l List
	for _, f := range fields {
		v := parse(path, f)
		if v.Err != nil {
			return List{Err: v.Err}
		}
		l.N = append(l.N, v.N)
	}
	return l
}

func (r reader) text(path string) (string, error) {
	b, err := fs.ReadFile(r.fsys, path)
	return strings.TrimSpace(string(b)), err
}

func (r reader) exists(path string) bool {
	_, err := fs.Stat(r.fsys, path)
	return err == nil
}

// noLimit is where numbers begin that kernels show for "none": 2^63-1, also rounded down to pages.
const noLimit = math.MaxInt64 - 1<<20

func parse(path, text string) Value {
	if text == "max" || text == "unlimited" {
		return Value{Unlimited: true}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return Value{Err: fmt.Errorf("%s has no number: %w", path, err)}
	}
	return Value{N: n, Unlimited: n >= noLimit}
}

func first(l List) Value {
	if l.Err != nil {
		return Value{Err: l.Err}
	}
	return Value{N: l.N[0]}
}
