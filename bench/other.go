//go:build !linux

package bench

import "context"

func openFiles() (uint64, error) { return 0, ErrUnsupported }

func localPorts() (portRange, error) { return portRange{}, ErrUnsupported }

// swarm exists on Linux only.
type swarm struct{}

func newSwarm(job, func(notice) error) (*swarm, error) { return nil, ErrUnsupported }

func (*swarm) post(mail) {}

func (*swarm) run(context.Context) error { return ErrUnsupported }
