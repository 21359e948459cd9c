package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"cim/bench"
)

// runBench runs a bench command against n in this process; its workers are processes.
func runBench(t *testing.T, n *node, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the client swarm needs Linux")
	}
	t.Setenv(asCIM, "1")
	var out, errs bytes.Buffer
	args = append([]string{"bench", "idle", "--route", "http://" + n.httpAddr.String()}, args...)
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

// The harness and the server agree on the whole way of a device: account, login, LOGIN, WELCOME, hold.
func TestBenchIdle(t *testing.T) {
	n := newTestNode(t)
	code, stdout, stderr := runBench(t, n, "-n", "200", "--for", "1ms", "--workers", "2", "--seed", "5", "--json")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var r bench.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("stdout is not one JSON object (%v): %s", err, stdout)
	}
	if r.Open != 200 || r.Dropped != 0 || r.Config.Seed != 5 || r.Config.Workers != 2 {
		t.Errorf("%d open, %d dropped, %+v; want 200, 0, seed 5, 2 workers", r.Open, r.Dropped, r.Config)
	}
	if want := (bench.Granted{HeartbeatMin: 30_000, HeartbeatMax: 30_000, IdleTimeoutMin: 75_000, IdleTimeoutMax: 75_000}); r.Granted != want {
		t.Errorf("granted %+v, want %+v", r.Granted, want)
	}
	if !strings.Contains(stderr, "connected 200 of 200") {
		t.Errorf("stderr does not tell the phases: %s", stderr)
	}
}

// A server that takes fewer connections than asked for is a failed run with a full report.
func TestBenchIdleFailsWhenConnectionsAreDropped(t *testing.T) {
	n := newTestNode(t, func(c *nodeConfig) { c.maxConns = 10 })
	code, stdout, stderr := runBench(t, n, "-n", "30", "--for", "1ms")
	if code != exitFailed || !strings.Contains(stderr, "dropped") {
		t.Errorf("exit %d and %q, want %d and that connections were dropped", code, stderr, exitFailed)
	}
	// One place is kept for the login by which the bench found the server.
	if !strings.Contains(stdout, "9 open of 30") || !strings.Contains(stdout, "21 dropped") {
		t.Errorf("the report is not there:\n%s", stdout)
	}
}

func TestBenchUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no scenario":      {[]string{"bench"}, exitUsage, "idle"},
		"unknown scenario": {[]string{"bench", "busy"}, exitUsage, "busy"},
		"no connections":   {[]string{"bench", "idle", "-n", "0"}, exitUsage, "--connections"},
		"silent majority":  {[]string{"bench", "idle", "-n", "5", "--silent", "6"}, exitUsage, "--silent"},
		"no URL":           {[]string{"bench", "idle", "--route", "localhost:8083"}, exitUsage, "--route"},
		"worker by hand":   {[]string{"bench", "worker"}, exitFailed, "not by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := runCIM(t, tc.args...)
			if code != tc.code || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit %d and %q, want %d and %q", code, stderr, tc.code, tc.says)
			}
		})
	}
}

func TestStatusIsRareInAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := statusEvery(f); got != statusRarely {
		t.Errorf("every %s in a file, want %s", got, statusRarely)
	}
	if got := statusEvery(&bytes.Buffer{}); got != statusRarely {
		t.Errorf("every %s in a buffer, want %s", got, statusRarely)
	}
}
