package main

import (
	"context"
	"errors"
	"io"
	"time"

	"cim/bench"
	cimpb "cim/proto"
)

// benchSendCmd has users write to each other.
type benchSendCmd struct {
	Route   routeURLs     `help:"Base URL of a route, or of several of one cluster with commas between them: when one gives no answer, the next is asked. Logins are spread over all." default:"http://127.0.0.1:8083"`
	KeyFile string        `name:"key-file" help:"File with the application key, to make the accounts; routes with --auth cim need none." placeholder:"FILE" type:"path"`
	Pairs   int           `help:"Pairs of users who write to each other. Servers take some 500 messages a second from one user." default:"50"`
	Size    int           `help:"Bytes of a message." default:"64"`
	QoS     int           `name:"qos" help:"1: stored, acknowledged when it is in the receiver's inbox; 0: to a receiver who is there, or lost." default:"1"`
	Rate    float64       `help:"Messages a second in all; 0: as fast as the servers' credit allows." default:"0"`
	For     time.Duration `help:"How long to send, from when all are connected." default:"30s"`
	Procs   int           `help:"Processes that hold the connections; 0: as few as the limit of open files allows." default:"0"`
	PID     []int         `name:"pid" help:"Process ids of servers, routes and stores on this machine, whose CPU time and memory are told." placeholder:"PID,..."`
	Seed    uint64        `help:"Chooses the accounts; 0: others each time." default:"0"`
	JSON    bool          `name:"json" help:"Print the report as one JSON object."`
	clientTLSFlags
}

// Validate is called by kong after parsing.
func (c *benchSendCmd) Validate() error {
	if err := c.config(io.Discard).Validate(); err != nil {
		return err
	}
	return c.check(c.Route)
}

func (c *benchSendCmd) config(log io.Writer) bench.SendConfig {
	return bench.SendConfig{
		Route: string(c.Route), Pairs: c.Pairs, Size: c.Size, QoS: cimpb.QoS(c.QoS), Rate: c.Rate, For: c.For, Processes: c.Procs,
		PIDs: c.PID, Seed: c.Seed, Log: log, StatusEvery: statusEvery(log),
		TLS: bench.TLSFiles{CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey, ServerName: c.TLSServerName},
	}
}

// Run prints the report on out and everything else on err. What was acknowledged and lost, doubled or out of order, and
// dropped connections are errors.
func (c *benchSendCmd) Run(ctx context.Context, io streams) error {
	chooseSeed(&c.Seed)
	cfg := c.config(io.err)
	var err error
	if cfg.Key, err = readKeyFile(c.KeyFile); err != nil {
		return err
	}
	if cfg.Command, err = bench.SelfCommand("bench", "worker"); err != nil {
		return err
	}
	send, err := bench.NewSend(cfg)
	if err != nil {
		return err
	}
	report, err := send.Run(ctx)
	if failure := c.explain(ofServer(err)); failure != nil {
		return failure
	}
	if report == nil {
		return err
	}
	return errors.Join(printReport(io.out, c.JSON, report), err)
}
