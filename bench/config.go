package bench

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"cim/client/routes"
)

// Defaults of a run.
const (
	defaultConnections = 1000
	defaultHeartbeat   = 30 * time.Second
	defaultFor         = time.Minute
	defaultRate        = 2000
	defaultTimeout     = 15 * time.Second // above the servers' own time for a LOGIN
	defaultHTTPConns   = 8
	progressEvery      = time.Second // distance of a worker's notices
	maxHeartbeat       = time.Hour   // what servers grant at most
)

// IdleConfig is what an Idle run needs to know. DefaultIdle is complete but for Route.
type IdleConfig struct {
	Route       string        // base URL of a route, or of several of one cluster with commas
	Key         string        // of an application, to make accounts; empty: the route asks for none
	TLS         TLSFiles      // of the route and of the servers, where they speak it
	Connections int           // to hold
	Heartbeat   time.Duration // to ask for
	For         time.Duration // from when all are connected
	Workers     int           // processes; 0: as few as the limit of open files allows
	Rate        float64       // connects a second, of all workers together
	Silent      int           // connections that stop their heartbeats when the hold begins
	ServerPID   int           // to read the server's memory in /proc; 0: only its /metrics
	PIDs        []int         // of processes whose memory, files and CPU time are read in /proc
	Seed        uint64        // chooses the accounts and the silent ones
	Timeout     time.Duration // from connect to WELCOME
	HTTPConns   int           // for logins, per worker

	// Command starts a process that calls Work, and nothing else on its stdin and stdout.
	Command []string
	// Log gets a line per phase and, each StatusEvery, one on how it goes. nil: none.
	Log         io.Writer
	StatusEvery time.Duration
}

// DefaultIdle is what is not said otherwise. The seed has to be chosen by the caller.
func DefaultIdle() IdleConfig {
	return IdleConfig{
		Connections: defaultConnections, Heartbeat: defaultHeartbeat, For: defaultFor, Rate: defaultRate,
		Timeout: defaultTimeout, HTTPConns: defaultHTTPConns, StatusEvery: time.Second,
	}
}

// Validate names the first flag that cannot be. Errors: ErrConfig.
func (c IdleConfig) Validate() error {
	_, err := routes.Parse(c.Route)
	switch {
	case err != nil:
		return configError("--route %v", err)
	case c.Connections < 1:
		return configError("--connections has to be at least 1")
	case c.Heartbeat < time.Millisecond || c.Heartbeat > maxHeartbeat:
		return configError("--heartbeat has to be from 1ms to %s", maxHeartbeat)
	case c.For <= 0:
		return configError("--for has to be above 0")
	case c.Workers < 0:
		return configError("--workers must not be negative")
	case !(c.Rate >= 1 && c.Rate <= 1e6):
		return configError("--rate has to be from 1 to 1000000 connections a second")
	case c.Silent < 0 || c.Silent > c.Connections:
		return configError("--silent has to be from 0 to --connections")
	case c.ServerPID < 0:
		return configError("--server-pid must not be negative")
	case c.Timeout <= 0 || c.HTTPConns < 1 || c.StatusEvery <= 0:
		return configError("Timeout, HTTPConns and StatusEvery have to be above 0")
	}
	return nil
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

// prefix of the run's account names. A seed used again finds its accounts again.
func (c IdleConfig) prefix() string { return "bench-" + strconv.FormatUint(c.Seed, 36) }

// SelfCommand runs this binary again with the given arguments.
func SelfCommand(args ...string) ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start workers: %w", err)
	}
	return append([]string{exe}, args...), nil
}
