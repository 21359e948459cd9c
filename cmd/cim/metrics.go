package main

import (
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cim/netcore"
)

// newMetrics shows the server, if there is one, the process and the Go runtime.
func newMetrics(server *netcore.Server) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if server != nil {
		r.MustRegister(serverCollector{server})
	}
	return r
}

// serverCollector reads a server's counters when it is asked.
type serverCollector struct{ server *netcore.Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cim_"+name, help, labels, nil)
}

var (
	descConns     = describe("connections", "Open client connections.")
	descSessions  = describe("sessions", "Logged-in sessions.")
	descCapacity  = describe("connections_max", "Ceiling of client connections.")
	descShakes    = describe("tls_handshakes", "TLS handshakes under way on the client port.")
	descQueued    = describe("loop_queued_tasks", "Tasks that wait for an event loop.", "loop")
	descLoopConns = describe("loop_connections", "Open client connections of an event loop.", "loop")
	descClosed    = describe("connections_closed_total", "Closed client connections.", "reason")
	descRefused   = describe("sends_refused_total", "SENDs refused, by the code that was answered.", "reason")
	descRenewed   = describe("sessions_renewed_total", "Sessions that the sweep looked at, by what the store said.", "state")
	descAdmitted  = describe("admissions_total", "Places asked for before a login, by the answer.", "outcome")
	descExpected  = describe("expected", "Users who were given a place and have not connected yet.")
	descDropped   = describe("dropped_total", "Messages and frames that were dropped.", "reason")
)

// totals are the counters without labels.
var totals = []struct {
	desc *prometheus.Desc
	of   func(s netcore.Stats) uint64
}{
	{describe("connections_accepted_total", "Accepted client connections."), func(s netcore.Stats) uint64 { return s.Accepted }},
	{describe("frames_received_total", "Complete frames received."), func(s netcore.Stats) uint64 { return s.FramesIn }},
	{describe("messages_sent_total", "Messages written to clients."), func(s netcore.Stats) uint64 { return s.MessagesOut }},
	{describe("pings_total", "Heartbeats answered."), func(s netcore.Stats) uint64 { return s.Pings }},
	{describe("writes_total", "Writes to client connections."), func(s netcore.Stats) uint64 { return s.Writes }},
	{describe("sent_bytes_total", "Bytes written to clients."), func(s netcore.Stats) uint64 { return s.BytesOut }},
	{describe("sends_total", "SENDs received."), func(s netcore.Stats) uint64 { return s.Sends }},
	{describe("acks_total", "ACKs received, and those given for CIM clients."), func(s netcore.Stats) uint64 { return s.Acks }},
	{describe("broadcasts_total", "Messages to everyone, once per event loop."), func(s netcore.Stats) uint64 { return s.Broadcasts }},
	{describe("backlog_reads_total", "Reads of an inbox for a session that was behind."), func(s netcore.Stats) uint64 { return s.BacklogReads }},
	{describe("sweep_turns_total", "Times that all sessions of an event loop were looked at."), func(s netcore.Stats) uint64 { return s.SweepTurns }},
	{describe("sessions_moved_total", "Sessions that were sent to another server."), func(s netcore.Stats) uint64 { return s.Moved }},
	{describe("loop_rounds_total", "Rounds of event loops that other goroutines asked for."), func(s netcore.Stats) uint64 { return s.Rounds }},
}

// Describe implements prometheus.Collector.
func (c serverCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c serverCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.server.Stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descConns, float64(s.Conns))
	gauge(descSessions, float64(s.Sessions))
	gauge(descCapacity, float64(s.Capacity))
	gauge(descShakes, float64(s.Handshakes))
	for i, l := range s.Loops {
		gauge(descLoopConns, float64(l.Conns), strconv.Itoa(i))
		gauge(descQueued, float64(l.Queued), strconv.Itoa(i))
	}
	for _, t := range totals {
		counter(t.desc, t.of(s))
	}
	for reason, n := range s.Closed {
		counter(descClosed, n, reason)
	}
	for reason, n := range s.RefusedSends {
		counter(descRefused, n, reason)
	}
	gauge(descExpected, float64(s.Expected))
	for state, n := range s.Renewed {
		counter(descRenewed, n, state)
	}
	for outcome, n := range s.Admissions {
		counter(descAdmitted, n, outcome)
	}
	for reason, n := range s.Dropped {
		counter(descDropped, n, reason)
	}
}

// startSide serves metrics and profiles on an address of their own, if one was given.
func (n *node) startSide(addr string, metrics *prometheus.Registry) error {
	if addr == "" {
		return nil
	}
	ln, err := listen(addr, "--metrics")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	n.side = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	n.sideAddr = ln.Addr().(*net.TCPAddr)
	n.wg.Go(func() { n.fail("metrics", n.side.Serve(ln)) })
	return nil
}
