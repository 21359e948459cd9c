package main

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// duplicateKick is a value of --duplicate.
const duplicateKick = "kick"

// firstOf is the first thing that is wrong: one sentence at a time.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// imFlags are those of every command that holds client connections.
type imFlags struct {
	Advertise   string        `help:"Host that clients are told to connect to, and a name by which the HTTP API may be called; required when --listen is a wildcard." placeholder:"HOST"`
	IdleTimeout time.Duration `help:"Close a connection that sent nothing for so long; a client with hello gets 2.5 times its heartbeat." default:"90s"`
	MaxConns    int           `help:"Connections to hold at most; 0: what the limit of open files allows." default:"0"`
	AdmitRate   int           `name:"admit-rate" help:"Logins a second that routes may send here; who comes in a storm is told to come later." default:"3400"`
	Duplicate   string        `help:"When a user connects from a second device: refuse it, or kick the first." enum:"refuse,kick" default:"refuse"`
	tlsFlags
}

// check is part of the command's Validate; listen is where clients connect.
func (f *imFlags) check(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q is not host:port", listen)
	case isWildcard(host) && f.Advertise == "":
		return errors.New("--listen on all addresses needs --advertise HOST: clients are told to connect there")
	case f.IdleTimeout < time.Second:
		return errors.New("--idle-timeout has to be at least 1s; write durations with their unit, as 45s")
	case f.MaxConns < 0:
		return errors.New("--max-conns must not be negative")
	case f.AdmitRate < 1:
		return errors.New("--admit-rate has to be at least 1")
	}
	return f.tlsFlags.check()
}

func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// processFlags are those of every command that serves.
type processFlags struct {
	Auth      string `help:"How callers prove who they are: token (by secrets and keys) or cim (not at all, as CIM does)." enum:"token,cim" default:"token"`
	HTTPConns int    `name:"http-conns" help:"HTTP connections to hold at most." default:"1024"`
	Metrics   string `help:"Also serve /metrics and /debug/pprof on this address; keep it private." placeholder:"ADDR"`
	LogLevel  string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"text or json." enum:"text,json" default:"text"`
}

// check is part of the command's Validate.
func (f *processFlags) check() error {
	if f.HTTPConns < 1 {
		return errors.New("--http-conns has to be at least 1")
	}
	return nil
}
