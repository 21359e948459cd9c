package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Names of what a memory sample holds, in bytes except the counts at the end.
const (
	memRSS         = "server_rss"           // resident set, shared pages of the binary included
	memAnonymous   = "server_anonymous"     // of it, pages that no file backs: heap, stacks, runtime
	memDirty       = "server_private_dirty" // pages that only the server has written
	memHeap        = "server_heap_in_use"   // spans of Go's heap, garbage not yet collected included
	memStacks      = "server_stacks_in_use" // of goroutines
	memTCP         = "kernel_tcp_buffers"   // of all sockets of this machine
	memSlab        = "kernel_slab"          // kernel objects of this machine, sockets among them
	memConnections = "server_connections"   // a count: those of others show
)

// memoryNames is the order of the report.
var memoryNames = []string{memRSS, memAnonymous, memDirty, memHeap, memStacks, memTCP, memSlab, memConnections}

// metricNames says which metric of /metrics gives which value. The process_ and go_ metrics are those of
// every Prometheus client library for Go.
var metricNames = map[string]string{
	memRSS:         "process_resident_memory_bytes",
	memHeap:        "go_memstats_heap_inuse_bytes",
	memStacks:      "go_memstats_stack_inuse_bytes",
	memConnections: "cim_connections",
}

// sample is memory at one moment, by name; what could not be read is absent.
type sample map[string]int64

// probe samples the memory of the server and of this machine's kernel.
type probe struct {
	route *routeClient
	proc  fs.FS // /proc, or nil where there is none
	pid   int   // of the server; 0: only what /metrics says
	local bool  // the server is on this machine, and so are both ends of its connections

	others processes
}

// sample reads what there is to read. Errors: only for what was asked for by process id.
func (p *probe) sample(ctx context.Context) (sample, error) {
	s := sample{}
	// A server of another make may have no metrics: the report leaves out what is not known.
	if text, err := p.route.metrics(ctx); err == nil {
		values := parseMetrics(text)
		for name, metric := range metricNames {
			if v, ok := values[metric]; ok {
				s[name] = int64(v)
			}
		}
	}
	if p.local && p.proc != nil {
		p.sampleKernel(s)
	}
	if p.pid == 0 {
		return s, nil
	}
	return s, p.sampleProcess(s)
}

func (p *probe) sampleProcess(s sample) error {
	status, err := p.values(fmt.Sprintf("%d/status", p.pid))
	if err != nil {
		return fmt.Errorf("read the memory of the server (--server-pid): %w", err)
	}
	s[memRSS] = status["VmRSS"]
	// Another user's process hides its smaps.
	if rollup, err := p.values(fmt.Sprintf("%d/smaps_rollup", p.pid)); err == nil {
		s[memAnonymous], s[memDirty] = rollup["Anonymous"], rollup["Private_Dirty"]
	}
	return nil
}

func (p *probe) sampleKernel(s sample) {
	if info, err := p.values("meminfo"); err == nil {
		s[memSlab] = info["SUnreclaim"]
	}
	if text, err := fs.ReadFile(p.proc, "net/sockstat"); err == nil {
		if pages, ok := tcpPages(text); ok {
			s[memTCP] = pages * int64(os.Getpagesize())
		}
	}
}

// tcpPages finds "TCP: ... mem N" in /proc/net/sockstat.
func tcpPages(sockstat []byte) (pages int64, ok bool) {
	for line := range strings.Lines(string(sockstat)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == "mem" {
				n, err := strconv.ParseInt(fields[i+1], 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// values reads lines of "Name:  123 kB" in /proc, in bytes.
func (p *probe) values(path string) (map[string]int64, error) {
	text, err := fs.ReadFile(p.proc, path)
	if err != nil {
		return nil, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			values[strings.TrimSuffix(fields[0], ":")] = n << 10
		}
	}
	return values, nil
}

// parseMetrics reads the metrics without labels of the Prometheus text format.
func parseMetrics(text []byte) map[string]float64 {
	values := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") || strings.Contains(name, "{") {
			continue
		}
		value, _, _ = strings.Cut(value, " ") // a timestamp may follow
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = v
		}
	}
	return values
}

// Memory is one kind of memory around a run.
type Memory struct {
	Name          string `json:"name"`
	Before        int64  `json:"before"`
	After         int64  `json:"after"`
	PerConnection int64  `json:"per_connection"`
}

// compare lists what both samples have, spread over the connections that were open at the second.
func compare(before, after sample, connections int) []Memory {
	var all []Memory
	for _, name := range memoryNames {
		b, okBefore := before[name]
		a, okAfter := after[name]
		if !okBefore || !okAfter {
			continue
		}
		m := Memory{Name: name, Before: b, After: a}
		if connections > 0 && name != memConnections {
			m.PerConnection = (a - b) / int64(connections)
		}
		all = append(all, m)
	}
	return all
}
