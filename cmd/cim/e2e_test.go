package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// terminals are panes of a tmux server of their own, so that nothing of the user's tmux is touched.
type terminals struct {
	t      *testing.T
	socket string
	env    []string
}

// newTerminals fails where there is no tmux: make deps installs it.
func newTerminals(t *testing.T) *terminals {
	t.Helper()
	dir := t.TempDir()
	tm := &terminals{t: t, socket: filepath.Join(dir, "tmux"), env: append(os.Environ(), "TMUX=", "CIM_HOME="+dir+"/home", "TZ=UTC", "LC_ALL=C.UTF-8")}
	t.Cleanup(func() { _ = tm.command("kill-server").Run() })
	return tm
}

func (tm *terminals) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(tm.t.Context(), "tmux", append([]string{"-S", tm.socket, "-f", "/dev/null"}, args...)...)
	if tm.t.Context().Err() != nil { // in Cleanup
		cmd = exec.Command("tmux", cmd.Args[1:]...)
	}
	cmd.Env = tm.env
	return cmd
}

func (tm *terminals) tmux(args ...string) string {
	tm.t.Helper()
	out, err := tm.command(args...).CombinedOutput()
	if err != nil {
		tm.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// open runs a command in a terminal of that name. Its exit code is printed at its end, and the screen stays.
// The shell around it lives on after Ctrl-C, which goes to both.
func (tm *terminals) open(name string, argv ...string) {
	tm.t.Helper()
	script := `trap : INT; "$@"; echo "exit code $?"; exec cat`
	tm.tmux(append([]string{"new-session", "-d", "-s", name, "-x", "160", "-y", "50", "sh", "-c", script, "sh"}, argv...)...)
}

func (tm *terminals) screen(name string) string {
	tm.t.Helper()
	return tm.tmux("capture-pane", "-p", "-J", "-t", name)
}

// shows waits until the screen has a line that ends with text.
func (tm *terminals) shows(name, text string) string {
	tm.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		screen := tm.screen(name)
		for line := range strings.Lines(screen) {
			if line = strings.TrimSpace(line); strings.HasSuffix(line, text) {
				return line
			}
		}
		select {
		case <-tick.C:
		case <-end:
			tm.t.Fatalf("the screen of %s has no line that ends with %q:\n%s", name, text, screen)
		}
	}
}

// types presses the keys of a line and Enter.
func (tm *terminals) types(name, line string) {
	tm.t.Helper()
	tm.tmux("send-keys", "-t", name, "-l", line)
	tm.tmux("send-keys", "-t", name, "Enter")
}

// buildCIM builds the program as a user does.
func buildCIM(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cim")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// Three terminals: a server and two people.
func TestThreeTerminals(t *testing.T) {
	cim, tm := buildCIM(t), newTerminals(t)
	listen, http := freeAddr(t), freeAddr(t)
	route := "http://" + http
	tm.open("up", cim, "up", "--listen", listen, "--http", http, "--data", t.TempDir()+"/data")
	tm.shows("up", "chat --route "+route+" --name alice")
	tm.open("alice", cim, "chat", "--route", route, "--name", "alice")
	tm.shows("alice", "at "+route+"; :all lists the commands, :q ends")
	tm.open("bob", cim, "chat", "--route", route, "--name", "bob")
	tm.shows("bob", "at "+route+"; :all lists the commands, :q ends")

	tm.types("alice", "hello, all")
	tm.shows("bob", " alice: hello, all")
	tm.types("bob", "alice;;psst, 你好")
	if line := tm.shows("alice", " bob -> you: psst, 你好"); len(line) < len("12:03:04 ") || strings.Count(line[:9], ":") != 2 {
		t.Errorf("the line %q does not begin with the time", line)
	}
	tm.types("bob", ":olu")
	tm.shows("bob", "   alice")
	tm.types("bob", "carol;;hi")
	tm.shows("bob", "-- not sent to carol: nobody is called carol; :pu finds names")

	tm.types("bob", ":q")
	tm.shows("bob", "exit code 0")
	tm.types("alice", "bob;;see you")
	tm.shows("alice", "-- stored for bob, who is offline")
	tm.types("alice", ":info")
	tm.shows("alice", "online    1")
	tm.open("bob-again", cim, "chat", "--route", route, "--name", "bob")
	tm.shows("bob-again", " alice -> you: see you")

	tm.open("second", cim, "chat", "--route", route, "--name", "alice")
	tm.shows("second", "cim: You are connected from another device: close it there first, or start the server with --duplicate kick.")
	tm.shows("second", "exit code 1")
	tm.tmux("send-keys", "-t", "alice", "C-d")
	tm.shows("alice", "exit code 0")
	tm.tmux("send-keys", "-t", "bob-again", "C-c")
	tm.shows("bob-again", "exit code 0")
	tm.tmux("send-keys", "-t", "up", "C-c")
	tm.shows("up", "exit code 0")
	if screen := tm.screen("up"); strings.Contains(screen, "panic") || strings.Contains(screen, "level=ERROR") {
		t.Errorf("the server complained:\n%s", screen)
	}
}
