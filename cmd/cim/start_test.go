package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	cimpb "cim/proto"
)

// runCIM runs a command in this process and returns its exit code and what it wrote to stderr.
func runCIM(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a command that starts after all ends at once
	code = run(ctx, args, streams{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whoever cannot start is told in one line why and what to do.
func TestStartErrors(t *testing.T) {
	n := newTestNode(t, func(c *nodeConfig) { c.data = t.TempDir() + "/data" })
	used := n.server.Addr().String()
	usedHTTP := n.httpAddr.String()
	file := writeFile(t, "file", "not a folder")
	up := []string{"up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", ":memory:"}
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"IM port in use":        {append(up, "--listen", used), exitFailed, []string{used, "in use", "--listen"}},
		"HTTP port in use":      {append(up, "--http", usedHTTP), exitFailed, []string{usedHTTP, "in use", "--http"}},
		"data is a file":        {append(up, "--data", file), exitFailed, []string{file, "--data"}},
		"too many connections":  {append(up, "--max-conns", "100000000"), exitFailed, []string{"--max-conns", "ulimit -n"}},
		"unknown flag":          {append(up, "--lisen", ":1"), exitUsage, []string{"--lisen"}},
		"unknown command":       {[]string{"serve"}, exitUsage, []string{"serve"}},
		"wildcard without name": {append(up, "--listen", ":0"), exitUsage, []string{"--advertise"}},
		"not an address":        {append(up, "--listen", "nowhere"), exitUsage, []string{"host:port"}},
		"applications of CIM":   {append(up, "--auth", "cim", "--register", "applications"), exitUsage, []string{"--auth token"}},
		"keys of no folder":     {[]string{"keys", "rotate", "--data", file + "x"}, exitFailed, []string{file + "x", "--data"}},
		"bad duration":          {append(up, "--idle-timeout", "90"), exitUsage, []string{"idle-timeout"}},
		"no such config":        {append(up, "--config", "/nonexistent.yaml"), exitUsage, []string{"/nonexistent.yaml"}},
		"unknown key": {
			append(up, "--config", writeFile(t, "c.yaml", "up: {lisen: x}")), exitUsage,
			[]string{`"lisen"`, "cim up --help"},
		},
		"unknown section": {append(up, "--config", writeFile(t, "c.yaml", "upp: {}")), exitUsage, []string{`"upp"`, "up"}},
		"corrupt YAML":    {append(up, "--config", writeFile(t, "c.yaml", "up: {a: [")), exitUsage, []string{"YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := runCIM(t, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			line := lastLine(stderr)
			for _, want := range tc.says {
				if !strings.Contains(line, want) {
					t.Errorf("%q does not say %q", line, want)
				}
			}
		})
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func TestLockedFolder(t *testing.T) {
	data := t.TempDir() + "/data"
	newTestNode(t, func(c *nodeConfig) { c.data = data })
	code, _, stderr := runCIM(t, "up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", data)
	if code != exitFailed || !strings.Contains(stderr, data) || !strings.Contains(stderr, "--data") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// Flags win over the environment, that over the file, and the file over the defaults.
func TestWhereValuesComeFrom(t *testing.T) {
	file := writeFile(t, "c.yaml", "up: {http-conns: 7, max-conns: 9, duplicate: kick}")
	for name, tc := range map[string]struct {
		env  string
		args []string
		want int
	}{
		"file":        {"", nil, 9},
		"environment": {"11", nil, 11},
		"flag":        {"11", []string{"--max-conns", "13"}, 13},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.env != "" {
				t.Setenv("CIM_MAX_CONNS", tc.env)
			}
			var c cli
			parser, err := newParser(&c, streams{nil, &bytes.Buffer{}, &bytes.Buffer{}})
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{"up", "--config", file}, tc.args...)
			if err := useConfigFile(parser, args); err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil {
				t.Fatal(err)
			}
			if c.Up.MaxConns != tc.want || c.Up.HTTPConns != 7 || c.Up.Duplicate != "kick" {
				t.Errorf("max-conns %d (want %d), http-conns %d, duplicate %s", c.Up.MaxConns, tc.want, c.Up.HTTPConns, c.Up.Duplicate)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	if code, out, _ := runCIM(t, "version"); code != exitOK || !strings.HasPrefix(out, "cim ") {
		t.Errorf("version: %d, %q", code, out)
	}
	if code, out, _ := runCIM(t, "up", "--help"); code != exitOK || !strings.Contains(out, "--listen") {
		t.Errorf("up --help: %d, %q", code, out)
	}
	if code, out, _ := runCIM(t); code != exitOK || !strings.Contains(out, "Commands") {
		t.Errorf("no arguments: %d, %q", code, out)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	// Root may write anywhere, so a folder that nobody can make stands for one that this user cannot.
	code, _, stderr := runCIM(t, "up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", "/proc/cim-data")
	if code != exitFailed || !strings.Contains(stderr, "--data") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A full table refuses newcomers by name at the route and by closing at the port; who is in stays.
func TestFullTable(t *testing.T) {
	n := newTestNode(t, func(c *nodeConfig) { c.maxConns = 2 })
	a, b, c := newCIMClient(t, n, "a"), newCIMClient(t, n, "b"), newCIMClient(t, n, "c")
	a.connect()
	a.ping()
	b.connect()
	b.ping()
	c.login("7100")
	resp, err := http.Post("http://"+n.httpAddr.String()+"/v1/login", "application/json", strings.NewReader(fmt.Sprintf(`{"user_id":%d}`, c.id)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("/v1/login answers %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	w := dialWire(t, n.server.Addr().String())
	w.ended()
	if got := n.server.Stats().Closed["ceiling"]; got != 1 {
		t.Errorf("%d connections were closed for the ceiling, want 1", got)
	}
	if before := a.ping(); len(before) != 0 {
		t.Errorf("a heard %v", before)
	}
}

// A LOGIN at the port, without /login before it, claims by itself; one of a user without an account does not.
func TestBareLogin(t *testing.T) {
	n := newTestNode(t)
	c := newCIMClient(t, n, "zs")
	c.wire = dialWire(t, n.server.Addr().String())
	c.writeFrame(&cimpb.Frame{Text: c.name, UserId: c.id})
	c.ping()
	c.login("5000")
	stranger := dialWire(t, n.server.Addr().String())
	stranger.writeFrame(&cimpb.Frame{Text: "nobody", UserId: 5})
	stranger.ended()
	if got := n.server.Stats().Closed["refused"]; got != 1 {
		t.Errorf("%d logins were refused, want 1", got)
	}
}

// SIGHUP asks for files to be read again; a process without such files has nothing to do, and goes on.
func TestHangupEndsNothing(t *testing.T) {
	up := startUp(t)
	if err := up.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	cimHTTP{t, up.route()}.register("still-there")
	if code := up.stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
