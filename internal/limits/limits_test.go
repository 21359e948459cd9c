package limits

import (
	"errors"
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"
)

// files makes a tree of text files.
func files(kv ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
	}
	return m
}

const processLimits = `Limit                     Soft Limit           Hard Limit           Units     
Max processes             96365                96365                processes 
Max open files            1024                 524288               files     
`

func TestReadWholeMachine(t *testing.T) {
	m := Read(files(
		"proc/self/limits", processLimits,
		"proc/self/status", "Name:\tcim\nCpus_allowed_list:\t0-3,8,10-11\n",
		"proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
		"proc/self/cgroup", "0::/system.slice/cim.service\n",
		"proc/meminfo", "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:   600 kB\nCommitLimit:  500 kB\nCommitted_AS:  100 kB\n",
		"proc/sys/fs/nr_open", "1048576\n",
		"proc/sys/fs/file-max", "9223372036854775807\n",
		"proc/sys/fs/file-nr", "871\t0\t9223372036854775807\n",
		"proc/sys/net/core/somaxconn", "4096\n",
		"proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n",
		"proc/sys/net/ipv4/tcp_syncookies", "1\n",
		"proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n",
		"proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n",
		"proc/sys/net/ipv4/tcp_rmem", "4\t5\t6\n",
		"proc/sys/net/ipv4/tcp_wmem", "7\t8\t9\n",
		"proc/sys/net/netfilter/nf_conntrack_max", "262144\n",
		"proc/sys/net/netfilter/nf_conntrack_count", "17\n",
		"proc/sys/vm/overcommit_memory", "2\n",
		"sys/fs/cgroup/system.slice/cim.service/memory.max", "4096\n",
		"sys/fs/cgroup/system.slice/cim.service/memory.current", "1024\n",
		"sys/fs/cgroup/system.slice/cim.service/memory.stat", "anon 10\ninactive_file 24\n",
		"sys/fs/cgroup/system.slice/cim.service/cpu.max", "50000 100000\n",
	))
	want := Machine{
		FilesSoft: Value{N: 1024}, FilesHard: Value{N: 524288}, NrOpen: Value{N: 1048576},
		FileMax: Value{N: 9223372036854775807, Unlimited: true}, FilesOpen: Value{N: 871},
		Somaxconn: Value{N: 4096}, SynBacklog: Value{N: 2048}, SynCookies: Value{N: 1},
		Ports: List{N: []uint64{32768, 60999}}, TCPMem: List{N: []uint64{1, 2, 3}},
		TCPRmem: List{N: []uint64{4, 5, 6}}, TCPWmem: List{N: []uint64{7, 8, 9}},
		ConntrackMax: Value{N: 262144}, ConntrackCount: Value{N: 17},
		MemTotal: Value{N: 1024000}, MemAvailable: Value{N: 614400}, Overcommit: Value{N: 2},
		CommitLimit: Value{N: 512000}, Committed: Value{N: 102400},
		CgroupMemory: Value{N: 4096}, CgroupMemoryUsed: Value{N: 1000},
		CPUs: 7, CPUQuota: 0.5,
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("read\n%+v, want\n%+v", m, want)
	}
}

func TestAnEmptyTreeIsUnknown(t *testing.T) {
	m := Read(files())
	for name, v := range map[string]Value{
		"FilesSoft": m.FilesSoft, "FilesHard": m.FilesHard, "NrOpen": m.NrOpen, "FileMax": m.FileMax, "FilesOpen": m.FilesOpen,
		"MemTotal": m.MemTotal, "CgroupMemory": m.CgroupMemory, "ConntrackMax": m.ConntrackMax, "Overcommit": m.Overcommit,
	} {
		if v.Known() || !errors.Is(v.Err, fs.ErrNotExist) {
			t.Errorf("%s is %+v, want that it does not exist", name, v)
		}
	}
	if m.TCPMem.Known() || m.CPUErr == nil || m.Container != "" {
		t.Errorf("tcp_mem %v, cores %v, container %q", m.TCPMem, m.CPUErr, m.Container)
	}
}

func TestNonsenseIsUnknown(t *testing.T) {
	m := Read(files(
		"proc/self/limits", "Max open files   many\n",
		"proc/self/status", "Cpus_allowed_list:\t3-1\n",
		"proc/sys/fs/nr_open", "-5\n",
		"proc/sys/fs/file-nr", "1 2\n",
		"proc/sys/net/ipv4/tcp_mem", "1 2 x\n",
		"proc/meminfo", "MemTotal: lots kB\n",
	))
	for name, err := range map[string]error{
		"limits": m.FilesSoft.Err, "nr_open": m.NrOpen.Err, "file-nr": m.FilesOpen.Err, "tcp_mem": m.TCPMem.Err,
		"MemTotal": m.MemTotal.Err, "MemAvailable": m.MemAvailable.Err, "cores": m.CPUErr,
	} {
		if err == nil {
			t.Errorf("%s was taken for a number", name)
		}
	}
}

func TestUnlimitedFiles(t *testing.T) {
	m := Read(files("proc/self/limits", "Max open files            unlimited            unlimited            files\n"))
	if !m.FilesSoft.Unlimited || !m.FilesHard.Unlimited {
		t.Errorf("soft %+v, hard %+v", m.FilesSoft, m.FilesHard)
	}
}

func TestContainerHints(t *testing.T) {
	for want, tree := range map[string]fstest.MapFS{
		"docker":     files(".dockerenv", ""),
		"podman":     files("run/.containerenv", ""),
		"kubernetes": files("var/run/secrets/kubernetes.io/serviceaccount/namespace", "x", ".dockerenv", ""),
		"lxc":        files("proc/self/cgroup", "0::/lxc/one\n"),
		"":           files("proc/self/cgroup", "0::/user.slice\n"),
	} {
		if got := Read(tree).Container; got != want {
			t.Errorf("container is %q, want %q", got, want)
		}
	}
	if got := Read(files("proc/self/cgroup", "0::/kubepods/besteffort/podx\n")).Container; got != "kubernetes" {
		t.Errorf("by its group: %q", got)
	}
}
