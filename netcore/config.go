package netcore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"runtime"
	"time"
)

// Config of a Server. Listen, Instance and Backend are required; the zero value of any other field means
// its default.
type Config struct {
	Listen   string // host:port; port 0 takes a free one
	Instance string // identifies this process
	Backend  Backend
	AllowCIM bool // take LOGIN without hello

	Loops        int           // default: one per P (GOMAXPROCS), which leaves none for anything else in the process: give it one more
	MaxConns     int           // default: DefaultMaxConns(0)
	IdleTimeout  time.Duration // default 90 s; a session with hello gets 2.5 times its heartbeat
	LoginTimeout time.Duration // default 10 s
	FrameTimeout time.Duration // default 30 s
	MinHeartbeat time.Duration // smallest heartbeat granted; default 10 s
	MaxHeartbeat time.Duration // largest heartbeat granted; default 1 h
	Tick         time.Duration // resolution of the three time-outs; default 1 s
	MaxFrame     int           // bytes; default 64 KiB
	SendCredit   int           // default 32
	AdmitRate    int           // logins a second that Expect lets come; default 3,400
	AdmitBurst   int           // and at once, after a quiet time; default AdmitRate
	SweepTurn    time.Duration // in which the Backend looks at each session once; default 15 min
	SoftOutbound int           // bytes; default 256 KiB
	HardOutbound int           // bytes; default 1 MiB
	Logger       *slog.Logger  // default: slog.Default()

	// TLS has all connections speak TLS; nil: none does. To change certificates while the server runs, set
	// GetConfigForClient or GetCertificate; they must not use the Conn that they are given.
	TLS *tls.Config
	// ProxyFrom are the addresses of proxies: connections from there have to begin with a PROXY header, of
	// version 1 or 2, which names the client. Nobody else's is read.
	ProxyFrom []netip.Prefix
}

// withDefaults fills in what is not set and checks that the whole makes sense.
func (c Config) withDefaults() (Config, error) {
	if c.Listen == "" || c.Instance == "" || c.Backend == nil {
		return c, errors.New("netcore: Listen, Instance and Backend are required")
	}
	setDefault(&c.Loops, runtime.GOMAXPROCS(0))
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.LoginTimeout, defaultLoginTimeout)
	setDefault(&c.FrameTimeout, defaultFrameTimeout)
	setDefault(&c.MinHeartbeat, defaultMinHeartbeat)
	setDefault(&c.MaxHeartbeat, defaultMaxHeartbeat)
	setDefault(&c.Tick, defaultTick)
	setDefault(&c.MaxFrame, defaultMaxFrame)
	setDefault(&c.SendCredit, defaultSendCredit)
	setDefault(&c.SweepTurn, defaultSweepTurn)
	setDefault(&c.AdmitRate, defaultAdmitRate)
	setDefault(&c.AdmitBurst, c.AdmitRate)
	setDefault(&c.SoftOutbound, defaultSoftOutbound)
	setDefault(&c.HardOutbound, defaultHardOutbound)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxConns == 0 {
		n, err := DefaultMaxConns(0)
		if err != nil {
			return c, err
		}
		c.MaxConns = n
	}
	return c, c.validate()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	switch {
	case c.MaxConns < 1:
		return fmt.Errorf("netcore: MaxConns is %d, and has to be at least 1", c.MaxConns)
	case c.MinHeartbeat > c.MaxHeartbeat:
		return errors.New("netcore: MinHeartbeat is above MaxHeartbeat")
	case c.SoftOutbound > c.HardOutbound:
		return errors.New("netcore: SoftOutbound is above HardOutbound")
	case c.SendCredit < 1 || c.SendCredit > math.MaxUint16: // session.inFlight counts to there
		return fmt.Errorf("netcore: SendCredit is %d, and has to be from 1 to %d", c.SendCredit, math.MaxUint16)
	case c.SweepTurn < 0:
		return errors.New("netcore: SweepTurn is negative")
	case c.AdmitRate < 1 || c.AdmitBurst < 1:
		return errors.New("netcore: AdmitRate and AdmitBurst have to be at least 1")
	case c.IdleTimeout < c.Tick:
		return errors.New("netcore: IdleTimeout is below one Tick")
	}
	return nil
}

// heartbeat grants what a client wants within the limits; 0 asks for the server's choice.
func (c Config) heartbeat(wanted time.Duration) time.Duration {
	if wanted == 0 {
		wanted = time.Duration(float64(c.IdleTimeout) / heartbeatsPerIdle)
	}
	return min(max(wanted, c.MinHeartbeat), c.MaxHeartbeat)
}

// ticks rounds up, and adds the tick in which the time begins: what is due after d is never early, and at
// most one tick late.
func (c Config) ticks(d time.Duration) int64 {
	return int64((d+c.Tick-1)/c.Tick) + 1
}
