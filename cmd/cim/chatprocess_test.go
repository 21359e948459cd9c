package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// chatProcess starts chat as a process whose input stays open, with stdout as given.
func (h chatHome) chatProcess(t *testing.T, stdout *os.File, name string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], h.args(name)...)
	cmd.Env = append(os.Environ(), asCIM+"=1")
	var errs lockedBuffer
	cmd.Stdout, cmd.Stderr = stdout, &errs
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &errs
}

// As in "cim chat | head": the writing process must not die of SIGPIPE without a word.
func TestChatProcessWithAClosedPipe(t *testing.T) {
	h := newHome(t, newTestNode(t))
	alice := h.chat(t, "alice").ready()
	if code, _, stderr := h.runChat(t, "", "bob"); code != exitOK {
		t.Fatalf("register bob: exit code %d, %q", code, stderr)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer w.Close()
	bob, errs := h.chatProcess(t, w, "bob")
	alice.say("bob;;hi")
	if code := exitCode(t, bob.Wait()); code != exitFailed || !strings.Contains(errs.String(), "cannot write to stdout: ") {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
}

// A signal ends a chat that waits for input, and what was handled is acknowledged.
func TestChatProcessEndsBySignal(t *testing.T) {
	h := newHome(t, newTestNode(t))
	alice := h.chat(t, "alice").ready()
	if code, _, stderr := h.runChat(t, "", "bob"); code != exitOK {
		t.Fatalf("register bob: exit code %d, %q", code, stderr)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		bob, errs := h.chatProcess(t, w, "bob")
		_ = w.Close()
		alice.say("bob;;" + sig.String())
		buf := make([]byte, 1000)
		n, err := r.Read(buf)
		if line := string(buf[:n]); err != nil || !strings.HasSuffix(line, "\tprivate\t"+sig.String()+"\n") ||
			strings.Count(line, "\n") != 1 {
			t.Errorf("%v: read %q, %v", sig, line, err)
		}
		if err := bob.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, bob.Wait()); code != exitOK || errs.String() != "" {
			t.Errorf("%v: exit code %d, %q", sig, code, errs.String())
		}
		_ = r.Close()
	}
}
