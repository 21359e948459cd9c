package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// SendReport is what a Send run found. Its JSON form is what --json prints.
type SendReport struct {
	Scenario string           `json:"scenario"`
	Version  string           `json:"version"`
	Config   SendReportConfig `json:"config"`

	Connected int            `json:"connected"`
	Dropped   int            `json:"dropped"`
	Drops     map[string]int `json:"drops,omitempty"`
	Servers   map[string]int `json:"servers"` // connections, by the server's instance
	Across    int            `json:"across"`  // pairs whose users are on two servers

	Seconds         float64    `json:"seconds"`            // in which messages were written
	AcknowledgedSec float64    `json:"acknowledged_a_sec"` // of those seconds
	DeliveredSec    float64    `json:"delivered_a_sec"`
	Counts          SendCounts `json:"counts"` // of the whole run, with what came after those seconds
	Lost            int64      `json:"lost"`   // acknowledged, and never delivered to a receiver who was there
	Unanswered      int64      `json:"unanswered"`

	SentLatency    Latency `json:"sent_latency"`    // to SENT
	ArrivalLatency Latency `json:"arrival_latency"` // to the receiver

	LoadCPUSeconds float64      `json:"load_cpu_seconds"` // of the workers
	Processes      []ProcessUse `json:"processes,omitempty"`
	WorkerFailures []string     `json:"worker_failures,omitempty"`
}

// SendReportConfig is the configuration as it was run.
type SendReportConfig struct {
	Route      string  `json:"route"`
	TLS        bool    `json:"tls"`
	Pairs      int     `json:"pairs"`
	Size       int     `json:"size"`
	QoS        int     `json:"qos"`
	Rate       float64 `json:"rate"` // 0: as fast as credit allows
	ForSeconds float64 `json:"for_seconds"`
	Processes  int     `json:"processes"`
	Seed       uint64  `json:"seed"`
}

// add counts a worker's result in.
func (r *SendReport) add(w *sendResult, sents, arrivals *histogram) error {
	if s := w.Window.Seconds(); s > 0 {
		r.Seconds = max(r.Seconds, s)
		r.AcknowledgedSec += float64(w.InTime.Acknowledged) / s
		r.DeliveredSec += float64(w.InTime.Delivered) / s
	}
	r.LoadCPUSeconds += w.CPU.Seconds()
	r.Across += w.Across
	if err := sents.merge(w.Sent); err != nil {
		return err
	}
	return arrivals.merge(w.Arrived)
}

// WriteText writes the report for a person.
func (r *SendReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	c := &r.Counts
	fmt.Fprintf(t, "\n%s, version %s, seed %d\n", r.Scenario, r.Version, r.Config.Seed)
	row("users", "%s pairs, %s connected, %s dropped, %s pairs across servers",
		group(r.Config.Pairs), group(r.Connected), group(r.Dropped), group(r.Across))
	for _, reason := range byCount(r.Drops) {
		row("  "+reason, "%s", group(r.Drops[reason]))
	}
	serverRow(row, r.Servers)
	row("acknowledged", "%s, %.0f a second for %.1f s (QoS %d, %d bytes)", group(c.Acknowledged), r.AcknowledgedSec, r.Seconds, r.Config.QoS, r.Config.Size)
	row("delivered", "%s, %.0f a second", group(c.Delivered), r.DeliveredSec)
	row("wrong", "%s lost, %s doubled, %s out of order, %s refused and yet delivered",
		group(r.Lost), group(c.Doubled), group(c.Disordered), group(c.Unwanted))
	row("", "%s stranded (the receiver's connection ended), %s unanswered, %s repeated in place, %s of earlier runs",
		group(c.Stranded), group(r.Unanswered), group(c.Repeated), group(c.Foreign))
	row("refused", "%s of %s sends", group(c.refusals()), group(c.Sent))
	for _, code := range byCount(c.Refused) {
		row("  "+code, "%s", group(c.Refused[code]))
	}
	latencyRow(row, "to SENT", r.SentLatency)
	latencyRow(row, "to the receiver", r.ArrivalLatency)
	row("", "%s", r.omission())
	r.costRows(row)
	for _, failure := range r.WorkerFailures {
		row("failed", "%s", failure)
	}
	return t.Flush()
}

func latencyRow(row rowFunc, name string, l Latency) {
	row(name, "p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", micros(l.P50), micros(l.P90), micros(l.P99), micros(l.P999), micros(l.Max))
}

// omission says from when latencies count.
func (r *SendReport) omission() string {
	if r.Config.Rate > 0 {
		return "from when each message was due, so that a stall counts for all messages it held up"
	}
	return "from when each message was written; a stall also keeps others from being written (coordinated omission): use --rate for latencies"
}

func (r *SendReport) costRows(row rowFunc) {
	acknowledged := float64(max(1, r.Counts.Acknowledged))
	row("bytes", "%.1f out, %.1f in at the users, per acknowledged message", float64(r.Counts.BytesOut)/acknowledged, float64(r.Counts.BytesIn)/acknowledged)
	row("load", "%.2f s of CPU, %.1f us per acknowledged message, %d worker(s)", r.LoadCPUSeconds, r.LoadCPUSeconds*1e6/acknowledged, r.Config.Processes)
	processRows(row, r.Processes)
	total := 0.0
	for _, p := range r.Processes {
		row("", "%s %d: %.1f us of CPU per acknowledged message", p.Command, p.PID, p.CPUSeconds*1e6/acknowledged)
		total += p.CPUSeconds
	}
	if len(r.Processes) > 1 {
		row("", "together: %.2f s of CPU, %.1f us per acknowledged message", total, total*1e6/acknowledged)
	}
}
