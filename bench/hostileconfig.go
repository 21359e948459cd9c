package bench

import (
	"io"
	"strconv"
	"time"

	"cim/client/routes"
)

// HostileConfig is what a Hostile run needs to know. DefaultHostile is complete but for Route and Seed.
type HostileConfig struct {
	Route  string // base URL of a route, or of several of one cluster with commas, where honest users and insiders log in
	Key    string // of an application, to make accounts; empty: the route asks for none
	Target string // host:port that is attacked; empty: where the route sends a user
	TLS    bool   // the target speaks TLS
	TLSCA  string // file of authorities to trust, in PEM; empty: the system's

	Frames    int     // random and mutated frames to write, of all processes together
	Rate      float64 // of those, a second
	Dribble   int     // connections that send a byte a second
	Stall     int     // connections that begin a frame and stop
	Silent    int     // connections that say nothing
	Connects  float64 // a second, of the dribbling, stalling and silent ones
	Insiders  int     // accounts of attackers, whose connections log in before they attack
	Processes int
	Nice      int // of the attacking processes; on one machine they take what the server leaves
	// Background has them take only what nobody else wants at all (SCHED_IDLE of Linux), so that they do not
	// disturb honest users by being on the same machine.
	Background bool

	Honest int           // users who ping and write to each other
	Beat   time.Duration // distance of the PINGs of one of them, and of the messages

	Before    time.Duration // measured before the attack
	For       time.Duration // the attack lasts at least so long, and until the frames are written,
	AtMost    time.Duration // but no longer than this
	After     time.Duration // measured after the attack, before memory is looked at for the last time
	ServerPID int           // to read the server's memory in /proc; 0: only its /metrics
	Seed      uint64        // chooses the accounts, and every byte that is mutated

	// Command starts a process that calls WorkHostile, and nothing else on its stdin and stdout.
	Command []string
	// Log gets a line per phase and, each StatusEvery, one on how it goes. nil: none.
	Log         io.Writer
	StatusEvery time.Duration
}

// DefaultHostile is what is not said otherwise.
func DefaultHostile() HostileConfig {
	return HostileConfig{
		Frames: 100_000, Rate: 2000, Dribble: 500, Stall: 500, Silent: 500, Connects: 500, Insiders: 200, Processes: 2,
		Nice: 10, Honest: 50, Beat: time.Second, Before: 20 * time.Second, For: 30 * time.Second, AtMost: 20 * time.Minute,
		After: 45 * time.Second, StatusEvery: time.Second,
	}
}

// Limits of a run, so that a slip of the finger is not an attack on the machine.
const (
	maxHostileConns     = 1_000_000
	maxHostileProcesses = 256
	maxHostileTime      = 24 * time.Hour
	maxHonest           = 10_000
	maxNice             = 19
)

// Validate names the first flag that cannot be. Errors: ErrConfig.
func (c HostileConfig) Validate() error {
	all, err := routes.Parse(c.Route)
	if err != nil {
		return configError("--route %v", err)
	}
	for _, n := range []struct {
		flag           string
		value, min, to int
	}{
		{"--frames", c.Frames, 0, 1 << 40},
		{"--dribble", c.Dribble, 0, maxHostileConns},
		{"--stall", c.Stall, 0, maxHostileConns},
		{"--silent", c.Silent, 0, maxHostileConns},
		{"--insiders", c.Insiders, 0, maxHostileConns},
		{"--procs", c.Processes, 1, maxHostileProcesses},
		{"--nice", c.Nice, 0, maxNice},
		{"--honest", c.Honest, 2, maxHonest},
		{"--server-pid", c.ServerPID, 0, 1 << 30},
	} {
		if n.value < n.min || n.value > n.to {
			return configError("%s has to be from %d to %d", n.flag, n.min, n.to)
		}
	}
	if c.TLSCA != "" && !c.TLS && all.Plain() {
		return configError("--tls-ca needs --tls or a route whose URL is https")
	}
	return c.validateTimes()
}

func (c HostileConfig) validateTimes() error {
	switch {
	case !(c.Rate >= 1 && c.Rate <= 1e6):
		return configError("--rate has to be from 1 to 1000000 frames a second")
	case !(c.Connects >= 1 && c.Connects <= 1e6):
		return configError("--connects has to be from 1 to 1000000 a second")
	case c.Beat < time.Millisecond || c.Beat > time.Minute:
		return configError("--beat has to be from 1ms to 1m")
	case c.Before <= 0 || c.For <= 0 || c.After <= 0:
		return configError("--before, --for and --after have to be above 0")
	case c.AtMost < c.For || c.AtMost > maxHostileTime:
		return configError("--at-most has to be from --for to %s", maxHostileTime)
	case c.StatusEvery <= 0:
		return configError("StatusEvery has to be above 0")
	}
	return nil
}

// prefix of the run's account names. A seed used again finds its accounts again.
func (c HostileConfig) prefix() string { return "hostile-" + strconv.FormatUint(c.Seed, 36) }
