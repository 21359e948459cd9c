package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Version 2 has one tree for all controllers, version 1 a tree for each, and a machine may have both: then a
// controller is in one of them. A limit of any ancestor binds, so all of them are looked at.
// See Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel.

// tree is a mounted hierarchy.
type tree struct {
	version int
	mount   string // where it is mounted, without the leading slash
	own     string // this process's group, below mount
}

// groups are the folders of this process's group and of its ancestors as far as they are mounted.
func (t tree) groups() []string {
	dirs := []string{t.mount}
	dir := t.mount
	for part := range strings.SplitSeq(t.own, "/") {
		if part != "" {
			dir = path.Join(dir, part)
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// trees are the hierarchies in which a controller may be: its own of version 1, and version 2.
func (r reader) trees(controller string) ([]tree, error) {
	mounts, err := r.text("proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := r.text("proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var all []tree
	for line := range strings.Lines(mounts) {
		if t, root, ok := parseMount(line, controller); ok {
			t.own = below(root, ownGroup(own, t.version, controller))
			all = append(all, t)
		}
	}
	return all, nil
}

// parseMount reads a line of mountinfo: fields 4 and 5 are the root and the mount point; type and options
// of the file system follow a single dash (proc_pid_mountinfo(5)).
func parseMount(line, controller string) (t tree, root string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !found || len(left) < 5 || len(right) < 3 {
		return tree{}, "", false
	}
	t.mount = strings.TrimPrefix(left[4], "/")
	switch {
	case right[0] == "cgroup2":
		t.version = 2
	case right[0] == "cgroup" && slices.Contains(strings.Split(right[2], ","), controller):
		t.version = 1
	}
	return t, left[3], t.version != 0
}

// ownGroup is the process's path in one hierarchy, by lines as "4:memory:/a/b" and "0::/a".
func ownGroup(text string, version int, controller string) string {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if version == 2 && parts[0] == "0" || version == 1 && slices.Contains(strings.Split(parts[1], ","), controller) {
			return parts[2]
		}
	}
	return "/"
}

// below is a group relative to the mounted root. In a container without a namespace of its own, the path is
// the host's and the mount shows a part of it.
func below(root, group string) string {
	group = path.Clean("/" + group)
	if root == "/" {
		return group
	}
	rest, ok := strings.CutPrefix(group, root)
	if !ok {
		return ""
	}
	return rest
}

// memoryFiles are the names in version 1 and 2.
var memoryFiles = map[int]struct{ limit, used, reclaimable string }{
	1: {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
	2: {"memory.max", "memory.current", "inactive_file "},
}

// cgroupMemory is the limit that leaves least, with what is used of it.
func (r reader) cgroupMemory() (limit, used Value) {
	trees, err := r.trees("memory")
	if err != nil {
		return Value{Err: err}, Value{Err: err}
	}
	limit = Value{Unlimited: true}
	for _, t := range trees {
		for _, dir := range t.groups() {
			l, u := r.groupMemory(t.version, dir)
			if tighter(l, u, limit, used) {
				limit, used = l, u
			}
		}
	}
	return limit, used
}

// groupMemory is the limit of one group. The root has no such file, nor has a group without the controller.
func (r reader) groupMemory(version int, dir string) (limit, used Value) {
	f := memoryFiles[version]
	limit = r.number(path.Join(dir, f.limit))
	if errors.Is(limit.Err, fs.ErrNotExist) {
		return Value{Unlimited: true}, Value{}
	}
	used = r.number(path.Join(dir, f.used))
	// Cached files that were not used lately go first when memory is short.
	if line, err := r.line(path.Join(dir, "memory.stat"), f.reclaimable); err == nil {
		if cached := parse(dir, line); cached.Known() {
			used.N -= min(used.N, cached.N)
		}
	}
	return limit, used
}

// tighter reports whether a limit leaves less than the one so far; one that cannot be read is worst.
func tighter(limit, used, soFar, soFarUsed Value) bool {
	switch {
	case !soFar.Known():
		return false
	case !limit.Known():
		return true
	case limit.Unlimited || soFar.Unlimited:
		return !limit.Unlimited
	}
	return left(limit, used) < left(soFar, soFarUsed)
}

func left(limit, used Value) uint64 { return limit.N - min(limit.N, used.N) }

// cpuQuota is the smallest quota in cores; 0 is none.
func (r reader) cpuQuota() (float64, error) {
	trees, err := r.trees("cpu")
	if err != nil {
		return 0, err
	}
	quota := 0.0
	for _, t := range trees {
		for _, dir := range t.groups() {
			q, err := r.groupQuota(t.version, dir)
			if err != nil {
				return 0, err
			}
			if q > 0 && (quota == 0 || q < quota) {
				quota = q
			}
		}
	}
	return quota, nil
}

func (r reader) groupQuota(version int, dir string) (float64, error) {
	text, err := r.quotaText(version, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	quota, period, _ := strings.Cut(text, " ")
	if quota == "max" || quota == "-1" {
		return 0, nil
	}
	q, errQ := strconv.ParseFloat(quota, 64)
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || p <= 0 {
		return 0, fmt.Errorf("%s: %q is no quota of CPU time", dir, text)
	}
	return q / p, nil
}

// quotaText is quota and period in microseconds, as version 2 writes them.
func (r reader) quotaText(version int, dir string) (string, error) {
	if version == 2 {
		return r.text(path.Join(dir, "cpu.max"))
	}
	quota, err := r.text(path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return "", err
	}
	period, err := r.text(path.Join(dir, "cpu.cfs_period_us"))
	return quota + " " + period, err
}
