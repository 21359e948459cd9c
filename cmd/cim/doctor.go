package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"

	"cim/internal/limits"
	"cim/netcore"
)

// doctorCmd says how many connections this machine holds, and what to set for more. It changes nothing.
type doctorCmd struct {
	Connections *int   `short:"n" help:"Connections that the machine shall hold; without it, what the limit of open files allows now." placeholder:"N"`
	HTTPConns   int    `name:"http-conns" help:"HTTP connections to hold besides, as of cim up." default:"1024"`
	JSON        bool   `name:"json" help:"Print the report as one JSON object."`
	Root        string `hidden:"" help:"Where /proc and /sys are." default:"/"`
}

// Validate is called by kong after parsing.
func (c *doctorCmd) Validate() error {
	if n := c.Connections; n != nil && (*n < 1 || *n > math.MaxInt32) {
		return fmt.Errorf("--connections is %d, and has to be from 1 to %d", *n, math.MaxInt32)
	}
	if c.HTTPConns < 1 || c.HTTPConns > math.MaxInt32 {
		return fmt.Errorf("--http-conns is %d, and has to be from 1 to %d", c.HTTPConns, math.MaxInt32)
	}
	return nil
}

// Run prints the report. It fails without another word when the connections do not fit: the report says so.
func (c *doctorCmd) Run(io streams) error {
	report, err := c.examine(runtime.GOOS)
	if err != nil {
		return err
	}
	if err := c.print(io, report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.Fits {
		return exitedError(exitFailed)
	}
	return nil
}

func (c *doctorCmd) examine(goos string) (doctorReport, error) {
	if goos != "linux" {
		return c.examineFilesOnly(goos)
	}
	m := limits.Read(os.DirFS(c.Root))
	p := doctorPlan{httpConns: uint64(c.HTTPConns), loops: uint64(max(m.CPUs, 1)), pageSize: uint64(os.Getpagesize())}
	if c.Connections != nil {
		p.target = uint64(*c.Connections)
		return newDoctorReport(goos, m.Container, p, examineMachine(m, p)), nil
	}
	files := openFilesRule(m, p)
	if files.unknown != nil {
		return doctorReport{}, fmt.Errorf("the limit of open files is unknown (%w); say how many connections are wanted with --connections", files.unknown)
	}
	p.target = max(files.allows, 1)
	return newDoctorReport(goos, m.Container, p, examineMachine(m, p)), nil
}

// examineFilesOnly is for systems whose other limits this program cannot read.
func (c *doctorCmd) examineFilesOnly(goos string) (doctorReport, error) {
	n, err := netcore.DefaultMaxConns(c.HTTPConns)
	if err != nil {
		return doctorReport{}, err
	}
	p := doctorPlan{target: uint64(n), httpConns: uint64(c.HTTPConns)}
	if c.Connections != nil {
		p.target = uint64(*c.Connections)
	}
	files := uint64(n) + p.filesBesides()
	return newDoctorReport(goos, "", p, []finding{openFilesFinding(limits.Value{N: files}, p)}), nil
}

func (c *doctorCmd) print(io streams, r doctorReport) error {
	if c.JSON {
		e := json.NewEncoder(io.out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(io.out)
}
