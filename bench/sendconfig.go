package bench

import (
	"fmt"
	"io"
	"time"

	cimpb "cim/proto"
)

// Limits of a Send run.
const (
	maxSendFor   = time.Hour // servers wait for 2.5 heartbeats of an hour: no PING is needed
	maxSendSize  = 60 << 10  // bytes: a frame holds 64 KiB
	storedDrain  = 15 * time.Second
	atMostDrain  = 2 * time.Second // what is dropped never comes
	connectsRate = 2000
)

// SendConfig is what a Send run needs to know.
type SendConfig struct {
	Route     string   // base URL of a route, or of several of one cluster with commas
	Key       string   // of an application, to make accounts; empty: the route asks for none
	TLS       TLSFiles // of the route and of the servers, where they speak it
	Pairs     int      // of users who write to each other
	Size      int      // bytes of a message
	QoS       cimpb.QoS
	Rate      float64       // messages a second of all users; 0: as fast as credit allows
	For       time.Duration // from when all are connected
	Processes int           // workers; 0: as few as the limit of open files allows
	PIDs      []int         // of servers, routes, a store: their CPU time and memory
	Seed      uint64        // chooses the accounts

	// Command starts a process that calls Work, and nothing else on its stdin and stdout.
	Command []string
	// Log gets a line per phase and, each StatusEvery, one on how it goes. nil: none.
	Log         io.Writer
	StatusEvery time.Duration
}

// Validate names the first flag that cannot be. Errors: ErrConfig.
func (c SendConfig) Validate() error {
	switch {
	case c.Pairs < 1 || c.Pairs > 1e6:
		return configError("--pairs has to be from 1 to 1000000")
	case c.Size < payloadHead || c.Size > maxSendSize:
		return configError("--size has to be from %d to %d bytes", payloadHead, maxSendSize)
	case c.QoS != cimpb.QoS_AT_MOST_ONCE && c.QoS != cimpb.QoS_AT_LEAST_ONCE:
		return configError("--qos has to be 0 or 1")
	case c.Rate != 0 && !(c.Rate >= 0.01 && c.Rate <= 1e7):
		return configError("--rate has to be 0, or from 0.01 to 10000000 messages a second")
	case c.For <= 0 || c.For > maxSendFor:
		return configError("--for has to be above 0, and %s at most", maxSendFor)
	case c.Processes < 0:
		return configError("--procs must not be negative")
	}
	return c.idle().Validate()
}

// idle is the part of the run that is the same as holding connections: accounts, logins, worker processes.
func (c SendConfig) idle() IdleConfig {
	cfg := DefaultIdle()
	cfg.Route, cfg.Key, cfg.TLS, cfg.Seed, cfg.PIDs = c.Route, c.Key, c.TLS, c.Seed, c.PIDs
	cfg.Connections, cfg.Workers, cfg.For, cfg.Heartbeat, cfg.Rate = 2*c.Pairs, c.Processes, c.For, maxHeartbeat, connectsRate
	cfg.Command, cfg.Log = c.Command, c.Log
	if c.StatusEvery > 0 {
		cfg.StatusEvery = c.StatusEvery
	}
	return cfg
}

func (c SendConfig) drain() time.Duration {
	if c.QoS == cimpb.QoS_AT_MOST_ONCE {
		return atMostDrain
	}
	return storedDrain
}

func (c SendConfig) describeRate() string {
	if c.Rate == 0 {
		return "as fast as credit allows"
	}
	return fmt.Sprintf("%g a second in all", c.Rate)
}

// sendShares keeps the two users of a pair in one worker.
func sendShares(pairs, workers int) []share {
	shares := make([]share, 0, workers)
	first := 0
	for _, s := range split(pairs, workers) {
		shares = append(shares, share{First: first, Step: 1, Count: 2 * s.Count})
		first += 2 * s.Count
	}
	return shares
}
