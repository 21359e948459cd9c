package zktest

import (
	"fmt"
	"strings"
	"testing"
)

// Ensemble is several servers that agree.
type Ensemble []*Server

// StartEnsemble runs n servers and returns when each of them serves.
func StartEnsemble(t testing.TB, n int) Ensemble {
	t.Helper()
	ports := freePorts(t, 3*n)
	e := make(Ensemble, n)
	var peers []string
	for i := range e {
		peers = append(peers, fmt.Sprintf("server.%d=127.0.0.1:%d:%d", i+1, ports[3*i+1], ports[3*i+2]))
	}
	for i := range e {
		e[i] = newServer(t, ports[3*i])
		e[i].id, e[i].peers = i+1, peers
		e[i].Start(t)
	}
	for _, s := range e {
		s.Await(t)
	}
	return e
}

// Addrs is where clients connect.
func (e Ensemble) Addrs() []string {
	addrs := make([]string, len(e))
	for i, s := range e {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Leader waits until a server leads and returns it.
func (e Ensemble) Leader(t testing.TB) *Server {
	t.Helper()
	var leader *Server
	Eventually(t, startTimeout, func() bool {
		for _, s := range e {
			if s.cmd != nil && s.mode() == "leader" {
				leader = s
			}
		}
		return leader != nil
	}, "one of %s leads", strings.Join(e.Addrs(), ", "))
	return leader
}
