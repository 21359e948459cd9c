package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"cim/internal/buildinfo"
)

// HostileReport is what a hostile run found. Its JSON form is what --json prints.
type HostileReport struct {
	Scenario string              `json:"scenario"`
	Version  string              `json:"version"`
	Config   HostileReportConfig `json:"config"`

	AttackSeconds float64       `json:"attack_seconds"`
	Attack        hostileTally  `json:"attack"`
	HeldMost      int64         `json:"held_most"` // dribbling, stalling and silent connections at one time
	Honest        []HonestPhase `json:"honest"`    // before, during, after

	PingP99Ratio    float64 `json:"ping_p99_ratio"`    // during, over before
	SentP99Ratio    float64 `json:"sent_p99_ratio"`    //
	ArrivedP99Ratio float64 `json:"arrived_p99_ratio"` //

	Stored     int64          `json:"stored"`  // messages that the server acknowledged to honest users
	Missing    int            `json:"missing"` // of those, not delivered
	Refused    map[string]int `json:"refused"` // honest SENDs, by code
	Offline    int            `json:"offline"` // honest users who were not connected at the end
	ServerDied string         `json:"server_died,omitempty"`

	Counters map[string]int64 `json:"counters"` // of the server's /metrics, what rose; empty: not known
	Memory   []PeakMemory     `json:"memory"`
	Failures []string         `json:"failures,omitempty"`
}

// HostileReportConfig is the configuration as it was run.
type HostileReportConfig struct {
	Route         string  `json:"route"`
	Target        string  `json:"target"`
	TLS           bool    `json:"tls"`
	Frames        int     `json:"frames"`
	Rate          float64 `json:"rate"`
	Dribble       int     `json:"dribble"`
	Stall         int     `json:"stall"`
	Silent        int     `json:"silent"`
	Connects      float64 `json:"connects"`
	Insiders      int     `json:"insiders"`
	Processes     int     `json:"processes"`
	Nice          int     `json:"nice"`
	Background    bool    `json:"background"`
	Honest        int     `json:"honest"`
	BeatMs        int64   `json:"beat_ms"`
	BeforeSeconds float64 `json:"before_seconds"`
	AfterSeconds  float64 `json:"after_seconds"`
	ServerPID     int     `json:"server_pid"`
	Seed          uint64  `json:"seed"`
}

// HonestPhase is what honest users saw in one phase. All times count from when something was due.
type HonestPhase struct {
	Phase   string         `json:"phase"`
	Ping    Latency        `json:"ping"`    // to its PONG
	Sent    Latency        `json:"sent"`    // a stored message, to its SENT
	Arrived Latency        `json:"arrived"` // the same, to its receiver
	Ended   map[string]int `json:"ended"`   // connections and logins that failed, by reason
}

func (c *HostileConfig) report(target string) HostileReportConfig {
	return HostileReportConfig{
		Route: c.Route, Target: target, TLS: c.TLS, Frames: c.Frames, Rate: c.Rate, Dribble: c.Dribble, Stall: c.Stall,
		Silent: c.Silent, Connects: c.Connects, Insiders: c.Insiders, Processes: c.Processes, Nice: c.Nice, Background: c.Background, Honest: c.Honest,
		BeatMs: c.Beat.Milliseconds(), BeforeSeconds: c.Before.Seconds(), AfterSeconds: c.After.Seconds(),
		ServerPID: c.ServerPID, Seed: c.Seed,
	}
}

// report puts together what the run left.
func (h *hostileRun) report() *HostileReport {
	l := h.ledger
	r := &HostileReport{
		Scenario: "hostile", Version: buildinfo.Version(), Config: h.cfg.report(h.target), AttackSeconds: h.attacked.Seconds(),
		Attack: h.tally, HeldMost: h.heldMost, Stored: l.numStored, Missing: l.missing, Refused: l.refused,
		Offline: len(h.crowd.users) - l.online, ServerDied: h.died, Counters: h.after.since(h.before),
		Memory: peaks(h.memoryBefore, h.memoryPeak, h.memoryAfter), Failures: h.failures,
	}
	for p := phaseBefore; p < phases; p++ {
		r.Honest = append(r.Honest, l.report(p))
	}
	before, during := r.Honest[0], r.Honest[1]
	r.PingP99Ratio = ratio(during.Ping.P99, before.Ping.P99)
	r.SentP99Ratio = ratio(during.Sent.P99, before.Sent.P99)
	r.ArrivedP99Ratio = ratio(during.Arrived.P99, before.Arrived.P99)
	return r
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// WriteText writes the report for a person.
func (r *HostileReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	fmt.Fprintf(t, "\n%s, version %s, seed %d\n", r.Scenario, r.Version, r.Config.Seed)
	r.attackRows(row)
	r.honestRows(row)
	r.serverRows(row)
	for _, failure := range r.Failures {
		row("failed", "%s", failure)
	}
	return t.Flush()
}

func (r *HostileReport) attackRows(row rowFunc) {
	a := r.Attack
	wire := "plain"
	if r.Config.TLS {
		wire = "TLS"
	}
	row("attack", "on %s (%s), %.1f s, %d process(es) %s", r.Config.Target, wire, r.AttackSeconds, r.Config.Processes, r.Config.priority())
	row("frames written", "%s of %s, %s KiB", group(total(a.Frames)), group(r.Config.Frames), group(a.Bytes>>10))
	countRows(row, a.Frames)
	row("connections", "%s made, %s ended by the server, %s logged in; at most %s held at a time",
		group(total(a.Opened)), group(a.Closed), group(a.Logins), group(r.HeldMost))
	countRows(row, a.Opened)
	row("did not come about", "%s", group(total(a.Failed)))
	countRows(row, a.Failed)
}

func (c *HostileReportConfig) priority() string {
	if c.Background {
		return "in the background (SCHED_IDLE)"
	}
	return fmt.Sprintf("at nice %d", c.Nice)
}

func (r *HostileReport) honestRows(row rowFunc) {
	row("honest users", "%d, each a PING and a stored message every %s", r.Config.Honest, time.Duration(r.Config.BeatMs)*time.Millisecond)
	for _, p := range r.Honest {
		for _, m := range []struct {
			what string
			Latency
		}{{"PING to PONG", p.Ping}, {"SEND to SENT", p.Sent}, {"SEND to receiver", p.Arrived}} {
			row("  "+p.Phase+", "+m.what, "%s: p50 %s  p99 %s  p99.9 %s  max %s",
				group(m.Count), micros(m.P50), micros(m.P99), micros(m.P999), micros(m.Max))
		}
		for _, reason := range byCount(p.Ended) {
			row("  "+p.Phase+", cut off", "%s %s", group(p.Ended[reason]), reason)
		}
	}
	row("  p99 during / before", "PING %.2f, SENT %.2f, receiver %.2f", r.PingP99Ratio, r.SentP99Ratio, r.ArrivedP99Ratio)
	row("  acknowledged", "%s, of them %s not delivered; %d user(s) offline at the end", group(r.Stored), group(r.Missing), r.Offline)
	countRows(row, r.Refused)
}

func (r *HostileReport) serverRows(row rowFunc) {
	if r.ServerDied != "" {
		row("server", "%s", r.ServerDied)
	}
	if len(r.Counters) > 0 {
		row("server's counters", "what rose from before the attack to the end, honest users' included")
		countRows(row, r.Counters)
	}
	if len(r.Memory) > 0 {
		row("memory", "before -> highest -> at the end")
	}
	for _, m := range r.Memory {
		row("  "+m.Name, "%s", m)
	}
}

func countRows[N int | int64](row rowFunc, counts map[string]N) {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	for _, name := range names {
		row("  "+name, "%s", group(counts[name]))
	}
}
