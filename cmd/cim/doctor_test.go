package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cim/internal/limits"
	"cim/netcore"
)

// bigMachine holds a million connections and more.
var bigMachine = map[string]string{
	"proc/self/limits":                          "Max open files            2097152              2097152              files\n",
	"proc/self/status":                          "Cpus_allowed_list:\t0-15\n",
	"proc/self/mountinfo":                       "30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n",
	"proc/self/cgroup":                          "0::/a\n",
	"proc/meminfo":                              "MemTotal: 33554432 kB\nMemAvailable: 29296875 kB\nCommitLimit: 1953125 kB\nCommitted_AS: 0 kB\n",
	"proc/sys/fs/nr_open":                       "4194304\n",
	"proc/sys/fs/file-max":                      "8388608\n",
	"proc/sys/fs/file-nr":                       "1000\t0\t8388608\n",
	"proc/sys/net/core/somaxconn":               "32768\n",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":     "32768\n",
	"proc/sys/net/ipv4/tcp_syncookies":          "0\n",
	"proc/sys/net/ipv4/ip_local_port_range":     "1024\t65535\n",
	"proc/sys/net/ipv4/tcp_mem":                 "1048576\t1572864\t2097152\n",
	"proc/sys/net/ipv4/tcp_rmem":                "4096\t16384\t262144\n",
	"proc/sys/net/ipv4/tcp_wmem":                "4096\t16384\t262144\n",
	"proc/sys/net/netfilter/nf_conntrack_max":   "4194304\n",
	"proc/sys/net/netfilter/nf_conntrack_count": "10\n",
	"proc/sys/vm/overcommit_memory":             "0\n",
	"sys/fs/cgroup/a/memory.max":                "max\n",
	"sys/fs/cgroup/a/cpu.max":                   "max 100000\n",
}

// machineRoot writes bigMachine with changes; an empty text removes the file.
func machineRoot(t *testing.T, change map[string]string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has these files")
	}
	tree := maps.Clone(bigMachine)
	maps.Copy(tree, change)
	root := t.TempDir()
	for name, text := range tree {
		if text == "" {
			continue
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// doctorJSON runs the command as a script does.
func doctorJSON(t *testing.T, args ...string) (int, doctorReport) {
	t.Helper()
	code, out, errs := runCIM(t, append([]string{"doctor", "--json"}, args...)...)
	var r doctorReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("exit %d, %v in %q, stderr %q", code, err, out, errs)
	}
	return code, r
}

func (r doctorReport) find(t *testing.T, name string) finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f finding) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("nothing about %q in %+v", name, r.Findings)
	}
	return r.Findings[i]
}

func TestDoctorJudges(t *testing.T) {
	const million = "1000000"
	for name, c := range map[string]struct {
		change  map[string]string
		find    string
		allows  uint64 // 0: null
		verdict string
		fix     string // of the first line
		code    int
	}{
		"files fit":       {nil, "open files (ulimit -n)", 2097152 - 2048, "ok", "", 0},
		"files too few":   {map[string]string{"proc/self/limits": "Max open files 20000 20000 files\n"}, "open files (ulimit -n)", 17952, "raise", "LimitNOFILE=1002496", 1},
		"files below all": {map[string]string{"proc/self/limits": "Max open files 2000 2000 files\n"}, "open files (ulimit -n)", 0, "raise", "LimitNOFILE=1002496", 1},
		"files unknown":   {map[string]string{"proc/self/limits": ""}, "open files (ulimit -n)", 0, "unknown", "", 1},
		"nr_open":         {map[string]string{"proc/sys/fs/nr_open": "1000000\n"}, "fs.nr_open", 997952, "raise", "sysctl -w fs.nr_open=1002496", 1},
		"nr_open unknown": {map[string]string{"proc/sys/fs/nr_open": ""}, "fs.nr_open", 0, "unknown", "", 0},
		"file-max":        {map[string]string{"proc/sys/fs/file-max": "1003047\n"}, "fs.file-max", 999999, "raise", "sysctl -w fs.file-max=1003520", 1},
		"file-max exact":  {map[string]string{"proc/sys/fs/file-max": "1003048\n"}, "fs.file-max", 1000000, "ok", "", 0},
		"memory":          {map[string]string{"proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 2929687 kB\n"}, "memory", 499999, "raise", "make 5.6 GiB available", 1},
		"memory fits":     {nil, "memory", 5000000, "ok", "", 0},
		"control group": {
			map[string]string{"sys/fs/cgroup/a/memory.max": "4000000000\n", "sys/fs/cgroup/a/memory.current": "1000000000\n"},
			"memory of the control group", 500000, "raise", "MemoryMax=6676M", 1,
		},
		"strict overcommit": {map[string]string{"proc/sys/vm/overcommit_memory": "2\n"}, "vm.overcommit_memory", 1000000, "ok", "", 0},
		"strict and little": {
			map[string]string{"proc/sys/vm/overcommit_memory": "2\n", "proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 29296875 kB\nCommitLimit: 1953125 kB\nCommitted_AS: 976562 kB\n"},
			"vm.overcommit_memory", 500000, "raise", "sysctl -w vm.overcommit_memory=0", 1,
		},
		"tcp_mem":             {map[string]string{"proc/sys/net/ipv4/tcp_mem": "1 2 500000\n"}, "net.ipv4.tcp_mem", 500000, "raise", `sysctl -w net.ipv4.tcp_mem="500224 750336 1000448"`, 1},
		"tcp_mem not shown":   {map[string]string{"proc/sys/net/ipv4/tcp_mem": ""}, "net.ipv4.tcp_mem", 0, "unknown", "", 0},
		"conntrack in use":    {map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "262144\n"}, "net.netfilter.nf_conntrack_max", 262134, "raise", "sysctl -w net.netfilter.nf_conntrack_max=1000448", 1},
		"conntrack idle":      {map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "262144\n", "proc/sys/net/netfilter/nf_conntrack_count": "0\n"}, "net.netfilter.nf_conntrack_max", 262144, "low", "sysctl -w net.netfilter.nf_conntrack_max=1000448", 0},
		"conntrack no module": {map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "", "proc/sys/net/netfilter/nf_conntrack_count": ""}, "net.netfilter.nf_conntrack_max", 0, "ok", "", 0},
		"accept queue":        {map[string]string{"proc/sys/net/core/somaxconn": "128\n"}, "net.core.somaxconn", 128 * 16 * 60, "low", "sysctl -w net.core.somaxconn=2048", 0},
		"no SYN cookies":      {map[string]string{"proc/sys/net/ipv4/tcp_max_syn_backlog": "128\n"}, "net.ipv4.tcp_max_syn_backlog", 128 * 16 * 60, "low", "sysctl -w net.ipv4.tcp_max_syn_backlog=2048", 0},
		"SYN cookies":         {map[string]string{"proc/sys/net/ipv4/tcp_max_syn_backlog": "128\n", "proc/sys/net/ipv4/tcp_syncookies": "1\n"}, "net.ipv4.tcp_max_syn_backlog", 0, "ok", "", 0},
		"quota":               {map[string]string{"sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, "cores", 540000, "low", "give it 1, or longer heartbeats", 0},
		"cores unknown":       {map[string]string{"proc/self/status": ""}, "cores", 0, "unknown", "", 0},
		"ports":               {nil, "net.ipv4.ip_local_port_range", 64512, "low", `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`, 0},
		"buffers":             {nil, "net.ipv4.tcp_wmem", 0, "-", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, r := doctorJSON(t, "--root", machineRoot(t, c.change), "--connections", million)
			f := r.find(t, c.find)
			if code != c.code || r.Fits != (c.code == 0) || f.Verdict != c.verdict {
				t.Errorf("exit %d, fits %v, verdict %q; want %d, %q (%+v)", code, r.Fits, f.Verdict, c.code, c.verdict, r)
			}
			if got := deref(f.Allows); got != c.allows {
				t.Errorf("allows %d, want %d", got, c.allows)
			}
			if c.fix == "" && len(f.Fixes) > 0 || c.fix != "" && (len(f.Fixes) == 0 || f.Fixes[0].Line != c.fix) {
				t.Errorf("fixes %+v, want first %q", f.Fixes, c.fix)
			}
		})
	}
}

func deref(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}

func TestDoctorNamesTheLowestLimit(t *testing.T) {
	root := machineRoot(t, map[string]string{
		"proc/sys/net/ipv4/tcp_mem":   "1 2 300000\n", // binds
		"proc/sys/net/core/somaxconn": "16\n",         // lower, but bounds only how fast they come
		"proc/sys/fs/nr_open":         "",
	})
	code, r := doctorJSON(t, "--root", root, "-n", "300000")
	if code != exitOK || deref(r.Holds) != 300000 || r.LimitedBy != "net.ipv4.tcp_mem" || !slices.Equal(r.Unknown, []string{"fs.nr_open"}) {
		t.Errorf("exit %d, holds %d by %q, unknown %q", code, deref(r.Holds), r.LimitedBy, r.Unknown)
	}
	if code, r := doctorJSON(t, "--root", root, "-n", "300001"); code != exitFailed || r.Fits {
		t.Errorf("one more: exit %d, fits %v", code, r.Fits)
	}
}

func TestDoctorTargetIsWhatFilesAllow(t *testing.T) {
	root := machineRoot(t, map[string]string{"proc/self/limits": "Max open files 10000 10000 files\n"})
	if code, r := doctorJSON(t, "--root", root, "--http-conns", "976"); code != exitOK || r.Target != 8000 {
		t.Errorf("exit %d, target %d", code, r.Target)
	}
	root = machineRoot(t, map[string]string{"proc/self/limits": "Max open files 1024 1024 files\n"})
	if code, r := doctorJSON(t, "--root", root); code != exitFailed || deref(r.Holds) != 0 {
		t.Errorf("no room: exit %d, holds %d", code, deref(r.Holds))
	}
	root = machineRoot(t, map[string]string{"proc/self/limits": ""})
	if code, _, errs := runCIM(t, "doctor", "--root", root); code != exitFailed || !strings.Contains(errs, "--connections") {
		t.Errorf("unknown: exit %d, %q", code, errs)
	}
}

func TestDoctorInContainers(t *testing.T) {
	change := map[string]string{
		"proc/sys/net/core/somaxconn": "16\n", "proc/sys/fs/nr_open": "1000\n",
		"sys/fs/cgroup/a/memory.max": "1000\n", "sys/fs/cgroup/a/memory.current": "0\n",
	}
	for name, c := range map[string]struct{ hint, queue, memory string }{
		"docker": {".dockerenv", "--sysctl net.core.somaxconn=2048", "MemoryMax=5723M"},
		"kubernetes": {
			"var/run/secrets/kubernetes.io/x", `securityContext: {sysctls: [{name: net.core.somaxconn, value: "2048"}]}`,
			"resources: {limits: {memory: 5723Mi}}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := maps.Clone(change)
			tree[c.hint] = "x"
			_, r := doctorJSON(t, "--root", machineRoot(t, tree), "-n", "1000000")
			queue, nrOpen := r.find(t, "net.core.somaxconn").Fixes[0], r.find(t, "fs.nr_open").Fixes[0]
			if r.Container != name || queue.Line != c.queue || nrOpen.How != "sysctl, on the host" {
				t.Errorf("in %q: %+v, %+v", r.Container, queue, nrOpen)
			}
			if m := r.find(t, "memory of the control group").Fixes[0]; m.Line != c.memory {
				t.Errorf("memory: %+v", m)
			}
		})
	}
}

func TestDoctorTable(t *testing.T) {
	root := machineRoot(t, map[string]string{"proc/self/limits": "Max open files 20000 20000 files\n", "proc/sys/net/ipv4/tcp_mem": ""})
	code, out, errs := runCIM(t, "doctor", "--root", root, "--connections", "1000000")
	if code != exitFailed || errs != "" {
		t.Errorf("exit %d, stderr %q", code, errs)
	}
	for _, want := range []string{
		"1,000,000 connections with cim up? (linux)",
		"This machine holds about 17,952 connections with cim up; open files (ulimit -n) is the lowest limit.",
		"Not counted, because unknown: net.ipv4.tcp_mem.",
		"LimitNOFILE=1002496\n", "sets 1048576)\n", "--ulimit nofile=1002496:1002496\n", "ulimit -n 1002496\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	i := strings.Index(out, "net.ipv4.tcp_mem ")
	if i < 0 {
		t.Fatalf("no line of tcp_mem in\n%s", out)
	}
	line, _, _ := strings.Cut(out[i:], "\n")
	if got := strings.Join(strings.Fields(line), " "); got != "net.ipv4.tcp_mem unknown: not shown here unknown unknown" {
		t.Errorf("line %q", got)
	}
}

func TestDoctorUsage(t *testing.T) {
	for _, args := range [][]string{{"-n", "0"}, {"-n", "-1"}, {"-n", "many"}, {"-n", "99999999999"}, {"--http-conns", "0"}, {"surplus"}} {
		if code, out, errs := runCIM(t, append([]string{"doctor"}, args...)...); code != exitUsage || errs == "" {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestDoctorElsewhere(t *testing.T) {
	n := 1
	r, err := (&doctorCmd{Connections: &n, HTTPConns: 1}).examine("darwin")
	if err != nil {
		t.Skip("no room for a connection here: ", err)
	}
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || !r.Fits || !strings.Contains(b.String(), "On darwin only the limit of open files is read") {
		t.Errorf("%+v\n%s", r, b.String())
	}
}

// The machine that runs this test: whatever it has, the sum has to agree with its parts.
func TestDoctorOnThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the other test is for other systems")
	}
	code, r := doctorJSON(t, "-n", "1")
	if n, err := netcore.DefaultMaxConns(1024); err == nil && deref(r.Findings[0].Allows) != uint64(n) {
		t.Errorf("files allow %d, and cim up holds %d", deref(r.Findings[0].Allows), n)
	}
	lowest := r.find(t, r.LimitedBy)
	if r.Holds == nil || lowest.Allows == nil || *lowest.Allows != *r.Holds || (code == exitOK) != r.Fits {
		t.Errorf("exit %d, %+v", code, r)
	}
}

func TestDoctorNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"0": count(0), "999": count(999), "1,000": count(1000), "12,345,678": count(12345678),
		"5 B": bytesText(5), "1.5 KiB": bytesText(1536), "2.0 MiB": bytesText(2 << 20), "3.5 GiB": bytesText(7 << 29),
		"no limit": shown(limits.Value{Unlimited: true}),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
