package main

import (
	"context"
	"errors"
	"io"
	"time"

	"cim/bench"
)

// benchHostileCmd attacks a server and sees what honest users notice.
type benchHostileCmd struct {
	Route   routeURLs `help:"Base URL of a route, or of several of one cluster with commas between them, where honest users and insiders log in." default:"http://127.0.0.1:8083"`
	KeyFile string    `name:"key-file" help:"File with the application key, to make the accounts and to read the counters; routes with --auth cim need none." placeholder:"FILE" type:"path"`
	Target  string    `help:"host:port to attack; the server that the route names, if not given." placeholder:"HOST:PORT"`
	TLS     bool      `name:"tls" help:"The target speaks TLS: attack the handshake too."`
	TLSCA   string    `name:"tls-ca" help:"Authorities to trust (PEM); the system's, if not given." placeholder:"FILE" type:"path"`

	Frames   int     `help:"Random and mutated frames to write." default:"100000"`
	Rate     float64 `help:"Of those, a second." default:"2000"`
	Dribble  int     `help:"Connections that send one byte a second." default:"500"`
	Stall    int     `help:"Connections that begin a frame and stop." default:"500"`
	Silent   int     `help:"Connections that never say a word." default:"500"`
	Connects float64 `help:"Connects a second of those three; each one that the server closes comes again." default:"500"`
	Insiders int     `help:"Accounts of attackers: some of their connections log in before they attack." default:"200"`
	Procs    int     `help:"Attacking processes." default:"2"`
	Nice     int     `help:"Priority of those processes (nice): on one machine, they take what the server leaves." default:"10"`

	Background bool `help:"Attack only with processor time that nobody else wants (SCHED_IDLE): on one machine, what honest users notice is then the server's doing."`

	Honest int           `help:"Users who ping and write to each other meanwhile." default:"50"`
	Beat   time.Duration `help:"Distance of the PINGs, and of the messages, of one of them." default:"1s"`
	Before time.Duration `help:"Measure so long before the attack." default:"20s"`
	For    time.Duration `help:"The attack lasts at least so long, and until the frames are written." default:"30s"`
	AtMost time.Duration `name:"at-most" help:"The attack ends after so long, whatever is left of it." default:"20m"`
	After  time.Duration `help:"Measure so long after the attack; then memory is looked at for the last time." default:"45s"`

	ServerPID int    `name:"server-pid" help:"Process id of the server on this machine, to read its memory in /proc; 0: its /metrics alone." default:"0"`
	Seed      uint64 `help:"Chooses the accounts, and every byte that is mutated; 0: another one each time." default:"0"`
	JSON      bool   `name:"json" help:"Print the report as one JSON object."`
}

// Validate is called by kong after parsing.
func (c *benchHostileCmd) Validate() error { return c.config(io.Discard).Validate() }

func (c *benchHostileCmd) config(log io.Writer) bench.HostileConfig {
	return bench.HostileConfig{
		Route: string(c.Route), Target: c.Target, TLS: c.TLS, TLSCA: c.TLSCA, Frames: c.Frames, Rate: c.Rate, Dribble: c.Dribble,
		Stall: c.Stall, Silent: c.Silent, Connects: c.Connects, Insiders: c.Insiders, Processes: c.Procs, Nice: c.Nice, Background: c.Background,
		Honest: c.Honest, Beat: c.Beat, Before: c.Before, For: c.For, AtMost: c.AtMost, After: c.After,
		ServerPID: c.ServerPID, Seed: c.Seed, Log: log, StatusEvery: statusEvery(log),
	}
}

// Run prints the report on out and everything else on err. A server that died, and acknowledged messages that
// were lost, are errors.
func (c *benchHostileCmd) Run(ctx context.Context, io streams) error {
	chooseSeed(&c.Seed)
	cfg := c.config(io.err)
	var err error
	if cfg.Key, err = readKeyFile(c.KeyFile); err != nil {
		return err
	}
	if cfg.Command, err = bench.SelfCommand("bench", "attack"); err != nil {
		return err
	}
	hostile, err := bench.NewHostile(cfg)
	if err != nil {
		return err
	}
	report, err := hostile.Run(ctx)
	if report == nil {
		return err
	}
	return errors.Join(printReport(io.out, c.JSON, report), err)
}

// benchAttackCmd is one process of an attack. It speaks JSON lines with the command that started it.
type benchAttackCmd struct{}

// Run ends when its input does.
func (benchAttackCmd) Run(ctx context.Context, io streams) error {
	return bench.WorkHostile(ctx, io.in, io.out)
}
