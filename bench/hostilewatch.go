package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// counts are counters of /metrics by name or, those with labels, by name{label="value"}.
type counts map[string]float64

// watched are the counters that a hostile run reports, by the beginning of their names.
var watched = []string{
	"cim_connections_closed_total{", "cim_connections_accepted_total", "cim_frames_received_total", "cim_dropped_total{",
	"cim_sends_refused_total{", "cim_http_refused_total{", "cim_logins_refused_total{",
}

// watchedCounts reads the watched counters; it returns nil where there is none to read.
func watchedCounts(ctx context.Context, route *routeClient) counts {
	text, err := route.metrics(ctx)
	if err != nil {
		return nil
	}
	return parseCounts(text)
}

func parseCounts(text []byte) counts {
	all := counts{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if !isWatched(line) {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		if v, err := strconv.ParseFloat(line[end+1:], 64); err == nil {
			all[line[:end]] = v
		}
	}
	return all
}

func isWatched(line string) bool {
	for _, name := range watched {
		if strings.HasPrefix(line, name) && strings.Contains(line, " ") {
			return true
		}
	}
	return false
}

// since lists what has risen.
func (c counts) since(before counts) map[string]int64 {
	risen := map[string]int64{}
	for name, v := range maps.All(c) {
		if d := int64(v - before[name]); d > 0 {
			risen[name] = d
		}
	}
	return risen
}

// memoryPeak is the highest of each memory that a run saw. Safe for concurrent use.
type memoryPeak struct {
	mu   sync.Mutex
	peak sample
}

// look takes what it can get: a server that is gone shows at the end.
func (m *memoryPeak) look(ctx context.Context, p *probe) {
	s, _ := p.sample(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, v := range s {
		m.peak[name] = max(m.peak[name], v)
	}
}

// monitor looks each second until ctx ends.
func (m *memoryPeak) monitor(ctx context.Context, p *probe) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.look(ctx, p)
		}
	}
}

func (m *memoryPeak) read() sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.peak)
}

// PeakMemory is one kind of memory before the attack, at its highest, and at the end.
type PeakMemory struct {
	Name   string `json:"name"`
	Before int64  `json:"before"`
	Peak   int64  `json:"peak"`
	After  int64  `json:"after"`
}

func peaks(before, peak, after sample) []PeakMemory {
	var all []PeakMemory
	for _, name := range memoryNames {
		b, ok := before[name]
		a, okAfter := after[name]
		if ok && okAfter {
			all = append(all, PeakMemory{Name: name, Before: b, Peak: max(b, peak[name], a), After: a})
		}
	}
	return all
}

func (m PeakMemory) String() string {
	if m.Name == memConnections {
		return fmt.Sprintf("%s -> %s -> %s", group(m.Before), group(m.Peak), group(m.After))
	}
	return fmt.Sprintf("%s -> %s -> %s KiB", group(m.Before>>10), group(m.Peak>>10), group(m.After>>10))
}
