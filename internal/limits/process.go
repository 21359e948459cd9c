package limits

import (
	"fmt"
	"strconv"
	"strings"
)

// openFiles is the soft and the hard limit, by the table in /proc/self/limits.
func (r reader) openFiles() (soft, hard Value) {
	const path, label = "proc/self/limits", "Max open files"
	line, err := r.line(path, label)
	if err != nil {
		return Value{Err: err}, Value{Err: err}
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		err := fmt.Errorf("%s: %q is cut off", path, label)
		return Value{Err: err}, Value{Err: err}
	}
	return parse(path, fields[0]), parse(path, fields[1])
}

// line is what follows label in the line of a file that begins with it.
func (r reader) line(path, label string) (string, error) {
	text, err := r.text(path)
	if err != nil {
		return "", err
	}
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, label); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", fmt.Errorf("%s has no line %q", path, label)
}

func (r reader) memory(m *Machine) {
	m.MemTotal = r.meminfo("MemTotal:")
	m.MemAvailable = r.meminfo("MemAvailable:")
	m.CommitLimit = r.meminfo("CommitLimit:")
	m.Committed = r.meminfo("Committed_AS:")
	m.Overcommit = r.sysctl("vm/overcommit_memory")
}

// meminfo is a line of /proc/meminfo, in bytes.
func (r reader) meminfo(label string) Value {
	const path = "proc/meminfo"
	line, err := r.line(path, label)
	if err != nil {
		return Value{Err: err}
	}
	v := parse(path, strings.TrimSuffix(line, " kB"))
	v.N *= 1024
	return v
}

// cpus is how many cores this process may run on, cpusets included.
func (r reader) cpus() (int, error) {
	line, err := r.line("proc/self/status", "Cpus_allowed_list:")
	if err != nil {
		return 0, err
	}
	n := 0
	for part := range strings.SplitSeq(line, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || b < a {
			return 0, fmt.Errorf("proc/self/status: %q is no list of cores", line)
		}
		n += b - a + 1
	}
	return n, nil
}

// container names what hints at a container. Nothing there proves that there is none.
func (r reader) container() string {
	switch {
	case r.exists("var/run/secrets/kubernetes.io"):
		return "kubernetes"
	case r.exists("run/.containerenv"):
		return "podman"
	case r.exists(".dockerenv"):
		return "docker"
	}
	groups, _ := r.text("proc/self/cgroup") // unreadable is no hint
	for _, hint := range []struct{ part, name string }{{"kubepods", "kubernetes"}, {"libpod", "podman"}, {"/docker", "docker"}, {"/lxc", "lxc"}} {
		if strings.Contains(groups, hint.part) {
			return hint.name
		}
	}
	return ""
}
