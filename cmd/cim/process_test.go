package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asCIM makes the test binary be the program: its tests start it again, and kill it, as a process.
const asCIM = "CIM_TEST_RUN_AS_CIM"

func TestMain(m *testing.M) {
	if os.Getenv(asCIM) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is cim as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr lockedBuffer
	lines  chan string // of stdout; closed at its end
	waited bool
	err    error
}

// lockedBuffer is written by the process's copier and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startProcess runs cim with args and kills it at the end of the test.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcessBy(t, []string{os.Args[0]}, args...)
}

// startProcessBy runs it by a command line that ends with this binary.
func startProcessBy(t *testing.T, by []string, args ...string) *process {
	t.Helper()
	argv := append(slices.Clone(by), args...)
	p := &process{t: t, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), asCIM+"=1")
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process's stdout
		defer close(p.lines)
		for sc := bufio.NewScanner(stdout); sc.Scan(); {
			p.lines <- sc.Text()
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// waitLine waits for a line of stdout that contains text.
func (p *process) waitLine(text string) string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the process ended before it said %q: %v\n%s", text, p.wait(), p.stderr.String())
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			p.t.Fatalf("the process did not say %q\n%s", text, p.stderr.String())
		}
	}
}

// wait returns the process's end.
func (p *process) wait() error {
	if !p.waited {
		for range p.lines { // until the end of stdout, as Wait demands
		}
		p.waited, p.err = true, p.cmd.Wait()
	}
	return p.err
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait()
}

// stop is SIGTERM; it returns the exit code.
func (p *process) stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return exitCode(p.t, p.wait())
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// freeAddr is an address that nobody listens on. The port stays the same over restarts of a process.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// upProcess is cim up as a process, on addresses that stay the same over restarts.
type upProcess struct {
	*process
	listen, http, data string
}

func startUp(t *testing.T) *upProcess {
	t.Helper()
	u := &upProcess{listen: freeAddr(t), http: freeAddr(t), data: t.TempDir() + "/data"}
	u.restart(t)
	return u
}

func (u *upProcess) restart(t *testing.T) {
	t.Helper()
	u.process = startProcess(t, "up", "--auth", "cim", "--listen", u.listen, "--http", u.http, "--data", u.data)
	u.waitLine("is up")
}

func (u *upProcess) route() string { return "http://" + u.http }
