package limits

import (
	"errors"
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
)

const (
	mountV2       = "30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
	mountV1Memory = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	mountV1CPU    = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)

func TestCgroupMemory(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, own string
		tree        fstest.MapFS
		limit, used uint64 // limit 0: none
	}{
		"no limit at the root of version 2": {mountV2, "0::/\n", files(), 0, 0},
		"max":                               {mountV2, "0::/a\n", files("sys/fs/cgroup/a/memory.max", "max\n", "sys/fs/cgroup/a/memory.current", "5\n"), 0, 0},
		"a container's own root": {
			mountV2, "0::/\n",
			files("sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "300\n"), 1000, 300,
		},
		"the ancestor leaves less": {
			mountV2, "0::/a/b\n",
			files(
				"sys/fs/cgroup/a/memory.max", "1000\n", "sys/fs/cgroup/a/memory.current", "900\n",
				"sys/fs/cgroup/a/b/memory.max", "500\n", "sys/fs/cgroup/a/b/memory.current", "100\n",
			), 1000, 900,
		},
		"version 1": {
			mountV1Memory + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "4:memory:/a\n0::/\n",
			files(
				"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes", "7\n",
				"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes", "600\n",
				"sys/fs/cgroup/memory/a/memory.stat", "cache 9\ntotal_inactive_file 500\n",
			), 2000, 100,
		},
		"the host's path, a part of it mounted": {
			"30 23 0:26 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/docker/x/y\n",
			files("sys/fs/cgroup/memory/y/memory.limit_in_bytes", "50\n", "sys/fs/cgroup/memory/y/memory.usage_in_bytes", "20\n"), 50, 20,
		},
		"the controller of another tree": {mountV1CPU, "4:cpu,cpuacct:/a\n", files("sys/fs/cgroup/cpu,cpuacct/a/memory.limit_in_bytes", "5\n"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tree := files("proc/self/mountinfo", c.mounts, "proc/self/cgroup", c.own)
			maps.Copy(tree, c.tree)
			m := Read(tree)
			limit, used := m.CgroupMemory, m.CgroupMemoryUsed
			if !limit.Known() || !used.Known() {
				t.Fatalf("unknown: %v, %v", limit.Err, used.Err)
			}
			if c.limit == 0 {
				if !limit.Unlimited {
					t.Errorf("limit %+v, want none", limit)
				}
				return
			}
			if limit.Unlimited || limit.N != c.limit || used.N != c.used {
				t.Errorf("%d used of %+v, want %d of %d", used.N, limit, c.used, c.limit)
			}
		})
	}
}

// denied is a tree in which one file may not be read.
type denied struct {
	fs.FS
	path string
}

func (d denied) Open(name string) (fs.File, error) {
	if name == d.path {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}

func TestAGroupThatMayNotBeReadIsUnknown(t *testing.T) {
	tree := files(
		"proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a/b\n", "proc/self/status", "Cpus_allowed_list:\t0\n",
		"sys/fs/cgroup/a/memory.max", "1\n", "sys/fs/cgroup/a/memory.current", "1\n",
	)
	if m := Read(denied{tree, "sys/fs/cgroup/a/b/memory.max"}); !errors.Is(m.CgroupMemory.Err, fs.ErrPermission) {
		t.Errorf("memory is %+v", m.CgroupMemory)
	}
	if m := Read(denied{tree, "sys/fs/cgroup/a/cpu.max"}); !errors.Is(m.CPUErr, fs.ErrPermission) {
		t.Errorf("quota is %v, %v", m.CPUQuota, m.CPUErr)
	}
}

func TestCPUQuota(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, own string
		tree        fstest.MapFS
		want        float64 // -1: unknown
	}{
		"none":      {mountV2, "0::/a\n", files("sys/fs/cgroup/a/cpu.max", "max 100000\n"), 0},
		"version 2": {mountV2, "0::/a\n", files("sys/fs/cgroup/a/cpu.max", "150000 100000\n"), 1.5},
		"ancestor":  {mountV2, "0::/a/b\n", files("sys/fs/cgroup/a/cpu.max", "50000 100000\n", "sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"), 0.5},
		"version 1": {mountV1CPU, "2:cpu,cpuacct:/a\n", files("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "200000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"), 2},
		"no quota":  {mountV1CPU, "2:cpu,cpuacct:/\n", files("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"), 0},
		"nonsense":  {mountV2, "0::/a\n", files("sys/fs/cgroup/a/cpu.max", "1 0\n"), -1},
	} {
		t.Run(name, func(t *testing.T) {
			tree := files("proc/self/mountinfo", c.mounts, "proc/self/cgroup", c.own, "proc/self/status", "Cpus_allowed_list:\t0-7\n")
			maps.Copy(tree, c.tree)
			m := Read(tree)
			if c.want < 0 {
				if m.CPUErr == nil {
					t.Errorf("quota %v", m.CPUQuota)
				}
				return
			}
			if m.CPUErr != nil || m.CPUQuota != c.want {
				t.Errorf("quota %v, %v; want %v", m.CPUQuota, m.CPUErr, c.want)
			}
		})
	}
}
