package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"cim/bench"
	"cim/client"
)

// benchCmd is the load harness: a command per scenario.
type benchCmd struct {
	Idle    benchIdleCmd    `cmd:"" help:"Hold connections that only heartbeat; see who is dropped and what the server pays."`
	Send    benchSendCmd    `cmd:"" help:"Have users write to each other; see what is lost or doubled, how long it takes and what it costs."`
	Hostile benchHostileCmd `cmd:"" help:"Attack a server with mutated frames and useless connections; see what honest users notice."`
	Worker  benchWorkerCmd  `cmd:"" hidden:"" help:"Hold connections for another bench command, which starts this one."`
	Attack  benchAttackCmd  `cmd:"" hidden:"" help:"Attack for another bench command, which starts this one."`
}

// statusRarely is how often a run says how it goes when nobody watches.
const statusRarely = 10 * time.Second

// benchIdleCmd holds idle device connections.
type benchIdleCmd struct {
	Route       routeURLs     `help:"Base URL of a route, or of several of one cluster with commas between them: when one gives no answer, the next is asked. Logins are spread over all." default:"http://127.0.0.1:8083"`
	KeyFile     string        `name:"key-file" help:"File with the application key, to make the accounts; routes with --auth cim need none." placeholder:"FILE" type:"path"`
	Connections int           `short:"n" help:"Connections to hold." default:"1000"`
	Heartbeat   time.Duration `help:"Distance of PINGs to ask for; servers grant no less than 10s." default:"30s"`
	For         time.Duration `help:"How long to hold them, from when all are connected." default:"1m"`
	Workers     int           `help:"Processes that hold the connections; 0: as few as the limit of open files allows." default:"0"`
	Rate        float64       `help:"Connects a second at most, over all workers." default:"2000"`
	Silent      int           `help:"Connections that stop their heartbeats when the hold begins." default:"0"`
	ServerPID   int           `name:"server-pid" help:"Process id of the server on this machine, to read its memory in /proc; 0: its /metrics alone." default:"0"`
	PID         []int         `name:"pid" help:"Process ids of several servers, routes and stores on this machine, whose CPU time and memory are told." placeholder:"PID,..."`
	Seed        uint64        `help:"Chooses accounts and silent ones; 0: another one each time." default:"0"`
	JSON        bool          `name:"json" help:"Print the report as one JSON object."`
	clientTLSFlags
}

// Validate is called by kong after parsing.
func (c *benchIdleCmd) Validate() error {
	if err := c.idle(io.Discard, 0).Validate(); err != nil {
		return err
	}
	return c.check(c.Route)
}

func (c *benchIdleCmd) idle(log io.Writer, statusEvery time.Duration) bench.IdleConfig {
	cfg := bench.DefaultIdle()
	cfg.Route, cfg.Connections, cfg.Heartbeat, cfg.For = string(c.Route), c.Connections, c.Heartbeat, c.For
	cfg.Workers, cfg.Rate, cfg.Silent, cfg.ServerPID, cfg.Seed = c.Workers, c.Rate, c.Silent, c.ServerPID, c.Seed
	cfg.Log, cfg.PIDs = log, c.PID
	cfg.TLS = bench.TLSFiles{CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey, ServerName: c.TLSServerName}
	if statusEvery > 0 {
		cfg.StatusEvery = statusEvery
	}
	return cfg
}

// Run prints the report on out and everything else on err. Dropped connections are an error.
func (c *benchIdleCmd) Run(ctx context.Context, io streams) error {
	chooseSeed(&c.Seed)
	cfg := c.idle(io.err, statusEvery(io.err))
	var err error
	if cfg.Key, err = readKeyFile(c.KeyFile); err != nil {
		return err
	}
	if cfg.Command, err = bench.SelfCommand("bench", "worker"); err != nil {
		return err
	}
	idle, err := bench.NewIdle(cfg)
	if err != nil {
		return err
	}
	report, err := idle.Run(ctx)
	if failure := c.explain(ofServer(err)); failure != nil {
		return failure
	}
	if report == nil {
		return err
	}
	return errors.Join(printReport(io.out, c.JSON, report), err)
}

// ofServer names the server where it is the server that TLS failed with. One that hangs up on a ClientHello that the
// route did not ask for speaks no TLS.
func ofServer(err error) error {
	e, ok := errors.AsType[*bench.ServerTLSError](err)
	switch {
	case !ok:
		return err
	case !e.Promised && errors.Is(err, io.EOF):
		return &client.TLSError{Peer: e.Server, Fault: client.TLSNotSpoken, Cause: err}
	}
	return client.ExplainTLS(e.Server, err)
}

// statusEvery is each second for a person, and rare in a file.
func statusEvery(w io.Writer) time.Duration {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return time.Second
	}
	return statusRarely
}

// benchWorkerCmd is one process of a swarm. It speaks JSON lines with the command that started it.
type benchWorkerCmd struct{}

// Run ends when its input does.
func (benchWorkerCmd) Run(ctx context.Context, io streams) error {
	return bench.Work(ctx, io.in, io.out)
}
