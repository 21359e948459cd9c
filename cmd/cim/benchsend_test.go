package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"cim/bench"
)

// runSend has users of a route write to each other; the processes that hold their connections are processes.
func runSend(t *testing.T, route string, args ...string) (code int, r *bench.SendReport, stderr string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the client swarm needs Linux")
	}
	t.Setenv(asCIM, "1")
	var out, errs bytes.Buffer
	args = append([]string{"bench", "send", "--route", route, "--seed", "5", "--json", "--pairs", "4", "--for", "300ms"}, args...)
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	if out.Len() == 0 {
		return code, nil, errs.String()
	}
	r = new(bench.SendReport)
	if err := json.Unmarshal(out.Bytes(), r); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("stdout is not one JSON object (%v): %s", err, out.String())
	}
	return code, r, errs.String()
}

// The harness and the server agree on everything from the account to the ACK.
func TestBenchSend(t *testing.T) {
	n, key := tokenNode(t)
	for name, args := range map[string][]string{
		"as fast as credit allows": {"--procs", "2", "--pid", fmt.Sprint(os.Getpid())},
		"at a rate":                {"--rate", "200", "--size", "4000"},
		"not stored":               {"--qos", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			code, r, stderr := runSend(t, "http://"+n.httpAddr.String(), append(args, "--key-file", key)...)
			if code != exitOK {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			c := r.Counts
			if c.Acknowledged == 0 || c.Delivered != c.Acknowledged || r.Unanswered != 0 || r.Connected != 8 {
				t.Errorf("%+v", r)
			}
			if want := strings.Contains(name, "credit"); want != (len(r.Processes) == 1 && r.Config.Processes == 2) {
				t.Errorf("%d workers, %+v", r.Config.Processes, r.Processes)
			}
		})
	}
}

func TestBenchSendOverTLS(t *testing.T) {
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	code, r, stderr := runSend(t, "https://"+n.httpAddr.String(), "--tls-ca", m.cert)
	if code != exitOK || r.Counts.Delivered == 0 || !r.Config.TLS {
		t.Errorf("exit %d: %s, %+v", code, stderr, r)
	}
}

func TestBenchSendUsage(t *testing.T) {
	for name, tc := range map[string]struct{ arg, says string }{
		"nobody":    {"--pairs=0", "--pairs"},
		"too small": {"--size=3", "--size"},
		"QoS 2":     {"--qos=2", "--qos"},
		"no URL":    {"--route=localhost:8083", "--route"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := runCIM(t, "bench", "send", tc.arg)
			if code != exitUsage || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit %d and %q, want %d and %q", code, stderr, exitUsage, tc.says)
			}
		})
	}
}

// Each scenario says which flag is missing, in the words of push.
func TestBenchWithoutTheKey(t *testing.T) {
	n := newTestNode(t, func(c *nodeConfig) { c.auth, c.data, c.register = "token", t.TempDir(), registerApplications })
	for _, scenario := range []string{"idle", "send", "hostile"} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"bench", scenario, "--route", "http://" + n.httpAddr.String()}, streams{strings.NewReader(""), &out, &errs})
		if stderr := errs.String(); code != exitFailed || !strings.Contains(stderr, "give the file that holds it with --key-file") || strings.Contains(stderr, "Bearer") {
			t.Errorf("bench %s: exit %d, %q", scenario, code, stderr)
		}
	}
}
