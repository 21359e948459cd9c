package main

import (
	"io/fs"
	"strings"
	"testing"

	"cim/deploy"
)

func TestDeployFilesHaveTheLines(t *testing.T) {
	_, r := doctorJSON(t, "-n", "1000000", "--root", machineRoot(t, map[string]string{
		"proc/self/limits": "Max open files 10 10 files\n", "proc/sys/fs/nr_open": "1\n", "proc/sys/fs/file-max": "1\n",
		"proc/sys/net/core/somaxconn": "1\n", "proc/sys/net/ipv4/tcp_max_syn_backlog": "1\n", "proc/sys/net/ipv4/tcp_mem": "1 1 1\n",
		"proc/sys/net/ipv4/ip_local_port_range": "5 6\n", "proc/sys/net/netfilter/nf_conntrack_max": "1\n",
	}))
	files := 0
	for _, f := range r.Findings {
		if f.Verdict == verdictOK || f.Verdict == verdictInfo {
			continue
		}
		files++
		if x := f.Fixes[0]; x.File == "" || strings.Contains(x.File, "too little") {
			t.Errorf("%s: for a million, %q is in %q", f.Name, x.Line, x.File)
		}
	}
	if files != 8 {
		t.Errorf("%d limits were low, want 8", files)
	}
}

func TestInDeployFile(t *testing.T) {
	line := func(file, text string) string {
		b, err := fs.ReadFile(deploy.Files, file)
		if err != nil || !strings.Contains(string(b), text) {
			t.Fatalf("no %q in %s: %v", text, file, err)
		}
		before, _, _ := strings.Cut(string(b), "\n"+text)
		return joinNumbers([]uint64{uint64(strings.Count(before, "\n") + 2)})
	}
	for name, c := range map[string]struct {
		file, key string
		values    []uint64
		want      string
	}{
		"enough":     {"sysctl.conf", "fs.nr_open", []uint64{4194304}, "deploy/sysctl.conf:" + line("sysctl.conf", "fs.nr_open") + " sets 4194304"},
		"too little": {"sysctl.conf", "fs.nr_open", []uint64{4194305}, "deploy/sysctl.conf:" + line("sysctl.conf", "fs.nr_open") + " sets 4194304: too little, change it there"},
		"the last of several counts": {"sysctl.conf", "net.ipv4.tcp_mem", []uint64{9e9, 9e9, 5}, "deploy/sysctl.conf:" +
			line("sysctl.conf", "net.ipv4.tcp_mem") + " sets 1048576 1572864 2097152"},
		"a comment": {"sysctl.conf", "net.netfilter.nf_conntrack_max", []uint64{1}, "deploy/sysctl.conf:" +
			line("sysctl.conf", "#   net.netfilter.nf_conntrack_max") + " has it in a comment, as 4194304"},
		"not there": {"sysctl.conf", "vm.overcommit_memory", []uint64{0}, ""},
		"no file":   {"other", "fs.nr_open", []uint64{0}, ""},
		"the unit":  {"cim.service", "LimitNOFILE", []uint64{1048576}, "deploy/cim.service:" + line("cim.service", "LimitNOFILE") + " sets 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := inDeployFile(c.file, c.key, c.values...); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
