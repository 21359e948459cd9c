package main

import "github.com/prometheus/client_golang/prometheus"

// clusterCollector reads what a process of a cluster knows of the others when it is asked.
type clusterCollector struct{ n *node }

var (
	descListed       = describe("servers_listed", "IM servers in the list that this process goes by.")
	descPeersDown    = describe("peer_servers_down", "Servers that are not asked because they have failed.")
	descPeerQueued   = describe("peer_queued_bytes", "Bytes that wait for other servers or are on their way there.")
	descPeerRequests = describe("peer_requests_total", "Requests to other servers.")
	descPeerFailed   = describe("peer_failed_total", "Requests to other servers that were not answered as they should have been.")
	descPeerPushes   = describe("peer_pushes_total", "Messages to one receiver that went to another server.")
	descPeerEveryone = describe("peer_broadcasts_total", "Messages to everyone, once per server.")
	descPeerFull     = describe("peer_overloaded_total", "Messages and questions refused because too much waited.")
	descKicksLeft    = describe("peer_kicks_left_total", "Sessions to end that were left to their server's sweep, because it does not answer and too many are to be repeated.")
	descPeerBytes    = describe("peer_sent_bytes_total", "Bytes of requests to other servers.")
	descAway         = describe("directory_away", "1 while the store does not say where users are, and servers are asked instead; 0 else.")
	descOutages      = describe("directory_outages_total", "Times that the store ceased to say where users are.")
	descAsked        = describe("asked_total", "Messages of QoS 0 whose receiver's server was not known, by what came of them.", "outcome")
	descAskedPushes  = describe("asked_pushes_total", "Pushes of those messages to servers that may not have had the receiver.")
	descTaken        = describe("cluster_requests_total", "Requests of other processes of the cluster.")
	descTakenRefused = describe("cluster_refused_total", "Requests to the cluster's port that were refused.", "reason")
)

// Describe implements prometheus.Collector.
func (c clusterCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c clusterCollector) Collect(ch chan<- prometheus.Metric) {
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	s := c.n.peers.Stats()
	value(descListed, prometheus.GaugeValue, float64(len(c.n.registry.Servers())))
	value(descPeersDown, prometheus.GaugeValue, float64(s.Down))
	value(descPeerQueued, prometheus.GaugeValue, float64(s.Queued))
	value(descPeerRequests, prometheus.CounterValue, float64(s.Requests))
	value(descPeerFailed, prometheus.CounterValue, float64(s.Failed))
	value(descPeerPushes, prometheus.CounterValue, float64(s.Pushes))
	value(descPeerEveryone, prometheus.CounterValue, float64(s.Broadcasts))
	value(descPeerFull, prometheus.CounterValue, float64(s.Overloaded))
	value(descKicksLeft, prometheus.CounterValue, float64(s.KicksLeft))
	value(descPeerBytes, prometheus.CounterValue, float64(s.Bytes))
	c.collectAsked(value)
	if c.n.ingress == nil {
		return
	}
	in := c.n.ingress.Stats()
	value(descTaken, prometheus.CounterValue, float64(in.Requests))
	for reason, n := range in.Refused {
		value(descTakenRefused, prometheus.CounterValue, float64(n), reason)
	}
}

// collectAsked shows what was delivered without the store.
func (c clusterCollector) collectAsked(value func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string)) {
	asked := c.n.router.AskStats()
	away := 0.0
	if asked.Away {
		away = 1
	}
	value(descAway, prometheus.GaugeValue, away)
	value(descOutages, prometheus.CounterValue, float64(asked.Outages))
	value(descAskedPushes, prometheus.CounterValue, float64(asked.Pushes))
	for outcome, n := range asked.Outcomes {
		value(descAsked, prometheus.CounterValue, float64(n), outcome)
	}
}
