package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"cim/bench"
)

// runHostile attacks n, briefly; the attacking processes are processes.
func runHostile(t *testing.T, route string, args ...string) (code int, r *bench.HostileReport, stderr string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("many source addresses need Linux")
	}
	t.Setenv(asCIM, "1")
	var out, errs bytes.Buffer
	args = append([]string{
		"bench", "hostile", "--route", route, "--seed", "5", "--json", "--honest", "4", "--beat", "20ms", "--before", "200ms",
		"--for", "200ms", "--after", "200ms", "--insiders", "6", "--connects", "500", "--rate", "2000", "--nice", "0",
	}, args...)
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	if out.Len() == 0 {
		return code, nil, errs.String()
	}
	r = new(bench.HostileReport)
	if err := json.Unmarshal(out.Bytes(), r); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("stdout is not one JSON object (%v): %s", err, out.String())
	}
	return code, r, errs.String()
}

// checkAttack looks at what every attack in these tests has to come to.
func checkAttack(t *testing.T, r *bench.HostileReport, frames int64) {
	t.Helper()
	var written int64
	for _, n := range r.Attack.Frames {
		written += n
	}
	if written != frames || !r.Attack.AllSent {
		t.Errorf("%d frames were written, want %d", written, frames)
	}
	for _, role := range []string{"frames", "dribble", "stall", "silent"} {
		if r.Attack.Opened[role] == 0 {
			t.Errorf("no connection for %s: %v, and failed: %v", role, r.Attack.Opened, r.Attack.Failed)
		}
	}
	if r.Attack.Closed == 0 || r.HeldMost == 0 {
		t.Errorf("%d connections were ended by the server and %d held", r.Attack.Closed, r.HeldMost)
	}
	if r.Missing != 0 || r.Offline != 0 || r.ServerDied != "" {
		t.Errorf("%d messages missing, %d users offline, %s", r.Missing, r.Offline, r.ServerDied)
	}
	for _, p := range r.Honest {
		if p.Ping.Count == 0 || p.Sent.Count == 0 || p.Arrived.Count == 0 || len(p.Ended) != 0 {
			t.Errorf("honest users: %+v", p)
		}
	}
	if r.Counters[`cim_connections_closed_total{reason="malformed"}`] == 0 {
		t.Errorf("the server's counters are not there: %v", r.Counters)
	}
}

func TestBenchHostile(t *testing.T) {
	n, key := tokenNode(t)
	code, r, stderr := runHostile(t, "http://"+n.httpAddr.String(),
		"--key-file", key, "--frames", "800", "--dribble", "6", "--stall", "6", "--silent", "6", "--procs", "2")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	checkAttack(t, r, 800)
	if r.Attack.Logins == 0 {
		t.Error("no attacker logged in")
	}
	if r.Config.Processes != 2 || r.Config.Seed != 5 || r.Config.TLS || r.Config.Target != n.server.Addr().String() {
		t.Errorf("%+v", r.Config)
	}
}

// At a rate that leaves the server the time to end a handshake before the client does.
func TestBenchHostileOverTLS(t *testing.T) {
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	code, r, stderr := runHostile(t, "https://"+n.httpAddr.String(),
		"--tls", "--tls-ca", m.cert, "--frames", "300", "--rate", "150", "--dribble", "6", "--stall", "6", "--silent", "6", "--procs", "1")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	checkAttack(t, r, 300)
	if r.Counters[`cim_connections_closed_total{reason="bad_tls"}`] == 0 {
		t.Errorf("no handshake went wrong: %v", r.Counters)
	}
}

// A server that is gone at the end is a failed run with a full report.
func TestBenchHostileSeesThatTheServerDied(t *testing.T) {
	u := startUp(t)
	killed := killWhenAttacked(t, u)
	code, r, stderr := runHostile(t, u.route(), "--target", killed, "--frames", "1", "--dribble", "0", "--stall", "0",
		"--silent", "1", "--procs", "1", "--server-pid", fmt.Sprint(u.cmd.Process.Pid))
	if code != exitFailed || !strings.Contains(stderr, "the server died") {
		t.Errorf("exit %d and %q", code, stderr)
	}
	if r == nil || r.ServerDied == "" || r.Offline != 4 {
		t.Errorf("the report does not say it: %+v", r)
	}
}

// killWhenAttacked is an address whose first visitor is the end of u.
func killWhenAttacked(t *testing.T, u *upProcess) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = u.cmd.Process.Kill()
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func TestBenchHostileUsage(t *testing.T) {
	closed := freeAddr(t)
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no honest user": {[]string{"--honest", "0"}, exitUsage, "--honest"},
		"no time":        {[]string{"--for", "0s"}, exitUsage, "--for"},
		"CA for nothing": {[]string{"--tls-ca", "ca.pem"}, exitUsage, "--tls-ca"},
		"nobody there":   {[]string{"--route", "http://" + closed}, exitFailed, closed},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := runCIM(t, append([]string{"bench", "hostile"}, tc.args...)...)
			if code != tc.code || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit %d and %q, want %d and %q", code, stderr, tc.code, tc.says)
			}
		})
	}
	if code, _, stderr := runCIM(t, "bench", "attack"); code != exitFailed || !strings.Contains(stderr, "not by hand") {
		t.Errorf("an attack by hand: exit %d and %q", code, stderr)
	}
}
