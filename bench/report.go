package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"cim/internal/buildinfo"
)

// Report is what a run found. Its JSON form is what --json prints.
type Report struct {
	Scenario string       `json:"scenario"`
	Version  string       `json:"version"`
	Config   ReportConfig `json:"config"`

	RampSeconds float64 `json:"ramp_seconds"`
	HeldSeconds float64 `json:"held_seconds"`

	Connected int            `json:"connected"` // got a WELCOME
	Open      int            `json:"open"`      // at the end
	Dropped   int            `json:"dropped"`   // lost or never came about; the silent ones that were closed not included
	Drops     map[string]int `json:"drops"`     // by reason
	Granted   Granted        `json:"granted"`

	Pings      int64   `json:"pings"`
	Pongs      int64   `json:"pongs"`
	Late       int64   `json:"late"`       // no PONG when the next PING was due
	Unanswered int64   `json:"unanswered"` // no PONG within a second of the end, or until the connection ended
	Messages   int64   `json:"messages"`   // frames that nobody asked for
	RTT        Latency `json:"rtt"`        // from when the PING was due to its PONG

	Silent *SilentReport `json:"silent,omitempty"`

	Servers           map[string]int `json:"servers"` // connections that got a WELCOME, by the server's instance
	Memory            []Memory       `json:"memory"`
	MemoryConnections int            `json:"memory_connections"` // that were open when the second sample was taken
	Processes         []ProcessUse   `json:"processes,omitempty"`
	WorkerFailures    []string       `json:"worker_failures,omitempty"`
}

// ReportConfig is the configuration as it was run.
type ReportConfig struct {
	Route            string  `json:"route"`
	TLS              bool    `json:"tls"` // of the connections to the server
	Connections      int     `json:"connections"`
	HeartbeatMs      int64   `json:"heartbeat_ms"`
	ForSeconds       float64 `json:"for_seconds"`
	Workers          int     `json:"workers"`
	Rate             float64 `json:"rate"`
	Silent           int     `json:"silent"`
	ServerPID        int     `json:"server_pid"`
	Seed             uint64  `json:"seed"`
	HTTPConnsAWorker int     `json:"http_conns_a_worker"`
}

// SilentReport tells when the connections that fell silent were closed, counted from the last byte that they
// wrote. A server may take from the idle timeout to one tick more.
type SilentReport struct {
	Asked    int            `json:"asked"`
	Closed   int            `json:"closed"`
	Reasons  map[string]int `json:"reasons"`
	MinMs    float64        `json:"min_ms"`
	MedianMs float64        `json:"median_ms"`
	MaxMs    float64        `json:"max_ms"`
}

// report puts together what the workers left.
func (r *Idle) report(f *fleet, ramp, held time.Duration) *Report {
	t := f.tally()
	rep := &Report{
		Scenario: "idle", Version: buildinfo.Version(), Config: r.reportConfig(),
		RampSeconds: ramp.Seconds(), HeldSeconds: held.Seconds(),
		Connected: t.Connected, Open: t.Open, Dropped: t.dropped(), Drops: t.Drops, Granted: t.Granted,
		Pings: t.Pings, Pongs: t.Pongs, Late: t.Late, Unanswered: t.Unanswered, Messages: t.Messages,
		Servers: t.Servers, WorkerFailures: f.failures(),
	}
	rtt, silent, err := f.measured()
	if err != nil {
		rep.WorkerFailures = append(rep.WorkerFailures, err.Error())
	}
	rep.RTT = rtt.latency()
	if r.cfg.Silent > 0 {
		rep.Silent = newSilentReport(r.cfg.Silent, t.Silenced, silent)
	}
	return rep
}

func (r *Idle) reportConfig() ReportConfig {
	c := r.cfg
	return ReportConfig{
		Route: c.Route, TLS: r.tls, Connections: c.Connections, HeartbeatMs: c.Heartbeat.Milliseconds(), ForSeconds: c.For.Seconds(),
		Workers: r.workers, Rate: c.Rate, Silent: c.Silent, ServerPID: c.ServerPID, Seed: c.Seed,
		HTTPConnsAWorker: c.HTTPConns,
	}
}

func newSilentReport(asked int, reasons map[string]int, times []time.Duration) *SilentReport {
	s := &SilentReport{Asked: asked, Closed: sum(reasons), Reasons: reasons}
	if len(times) == 0 {
		return s
	}
	slices.Sort(times)
	ms := func(i int) float64 { return float64(times[i].Microseconds()) / 1000 }
	s.MinMs, s.MedianMs, s.MaxMs = ms(0), ms((len(times)-1)/2), ms(len(times)-1)
	return s
}

// WriteText writes the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	fmt.Fprintf(t, "\n%s, version %s, seed %d\n", r.Scenario, r.Version, r.Config.Seed)
	row("connections", "%s open of %s at the end, %s connected, %s dropped",
		group(r.Open), group(r.Config.Connections), group(r.Connected), group(r.Dropped))
	for _, reason := range byCount(r.Drops) {
		row("  "+reason, "%s", group(r.Drops[reason]))
	}
	row("time", "%.1f s to connect, %.1f s held, %d worker(s)", r.RampSeconds, r.HeldSeconds, r.Config.Workers)
	if r.Config.TLS {
		row("transport", "TLS, as crypto/tls does it by default")
	}
	row("granted", "%s", r.Granted.describe(time.Duration(r.Config.HeartbeatMs)*time.Millisecond))
	row("heartbeats", "%s sent, %s answered, %s late, %s unanswered",
		group(r.Pings), group(r.Pongs), group(r.Late), group(r.Unanswered))
	row("round trip", "p50 %s  p90 %s  p99 %s  p99.9 %s  max %s",
		micros(r.RTT.P50), micros(r.RTT.P90), micros(r.RTT.P99), micros(r.RTT.P999), micros(r.RTT.Max))
	row("", "from when each PING was due, so that a stall counts for all heartbeats it held up")
	r.silentRows(row)
	serverRow(row, r.Servers)
	r.memoryRows(row)
	processRows(row, r.Processes)
	for _, failure := range r.WorkerFailures {
		row("failed", "%s", failure)
	}
	return t.Flush()
}

// serverRow tells how connections are spread, where there is more than one server.
func serverRow(row rowFunc, servers map[string]int) {
	if len(servers) < 2 {
		return
	}
	parts := make([]string, 0, len(servers))
	for _, instance := range byCount(servers) {
		parts = append(parts, fmt.Sprintf("%s %s", group(servers[instance]), instance))
	}
	row("servers", "%d: %s", len(servers), strings.Join(parts, ", "))
}

type rowFunc func(name, format string, args ...any)

func (r *Report) silentRows(row rowFunc) {
	s := r.Silent
	if s == nil {
		return
	}
	row("silent ones", "%s of %s closed", group(s.Closed), group(s.Asked))
	if s.Closed > 0 {
		row("", "why: %s", strings.Join(byCount(s.Reasons), ", "))
		row("", "min %.3f s  median %.3f s  max %.3f s after their last byte; idle timeout %s, and a tick at most",
			s.MinMs/1000, s.MedianMs/1000, s.MaxMs/1000, span(r.Granted.IdleTimeoutMin, r.Granted.IdleTimeoutMax))
	}
}

// enoughToTell is how many connections it takes before a figure per connection means something: 1 KB each is
// then ten times what a garbage collection more or less makes.
const enoughToTell = 5000

func (r *Report) memoryRows(row rowFunc) {
	if len(r.Memory) == 0 {
		row("memory", "not known: the route has no /metrics, and --server-pid was not given")
		return
	}
	row("memory", "before -> after, growth per open connection (%s)", group(r.MemoryConnections))
	if r.MemoryConnections < enoughToTell {
		row("", "too few connections to tell: what the process does besides weighs more than they do")
	}
	for _, m := range r.Memory {
		name := "  " + strings.ReplaceAll(m.Name, "_", " ")
		if m.Name == memConnections {
			row(name, "%s -> %s", group(m.Before), group(m.After))
			continue
		}
		row(name, "%s -> %s KiB, %s B", group(m.Before>>10), group(m.After>>10), group(m.PerConnection))
	}
	row("", "server: user space at one moment, with garbage that Go has not collected; it collects every 2 minutes at the latest")
	row("", "kernel: the whole machine, both ends of each connection and every other process")
}

// byCount orders reasons, the most frequent first.
func byCount[N int | int64](counts map[string]N) []string {
	reasons := slices.Sorted(maps.Keys(counts))
	sort.SliceStable(reasons, func(i, j int) bool { return counts[reasons[i]] > counts[reasons[j]] })
	return reasons
}

func micros(us int64) string { return (time.Duration(us) * time.Microsecond).String() }
