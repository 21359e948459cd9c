//go:build !linux

package bench

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"
)

func openFiles() (uint64, error) { return 0, ErrUnsupported }

func localPorts() (portRange, error) { return portRange{}, ErrUnsupported }

// swarm exists on Linux only.
type swarm struct{}

func newSwarm(job, func(notice) error) (*swarm, error) { return nil, ErrUnsupported }

func (*swarm) post(mail) {}

func (*swarm) run(context.Context) error { return ErrUnsupported }

func secure(context.Context, netip.AddrPort, netip.Addr, *tls.Config, time.Duration) (*tls.Conn, int, error) {
	return nil, -1, ErrUnsupported
}

func source(netip.Addr, int) netip.Addr { return netip.Addr{} }
