// Package redistest starts real Redis servers for tests: one, one with replicas and a Sentinel, or a Redis Cluster.
// They listen on free ports of 127.0.0.1, keep their data in the test's temporary folder, and end with the test. A
// test that needs one fails where redis-server is missing: a skipped test looks like one that passed. The package
// knows nothing of what is stored.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startTries is how often a server is started on another port when its port was taken in between.
const startTries = 5

// patience is how long a server may take to do what it was told.
const patience = 20 * time.Second

// Server is a redis-server process. Confined to its test's goroutine.
type Server struct {
	Port int
	Dir  string // with its data and its log, redis.log

	args     []string // besides those that every server has
	conf     string   // of a Sentinel, which has them in a file
	cmd      *exec.Cmd
	exitedCh chan struct{} // closed when the process has ended
}

// Start starts a redis-server with these settings, written as on its command line ("--appendfsync", "always"), and
// waits until it answers.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return (&Server{Dir: t.TempDir(), args: args}).begin(t)
}

func (s *Server) begin(t testing.TB) *Server {
	t.Helper()
	for range startTries {
		s.Port = freePort(t)
		started := s.start(t)
		t.Cleanup(s.end)
		if started {
			return s
		}
	}
	t.Fatalf("redis-server did not start; its log ends with:\n%s", s.logTail())
	return nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// PID is that of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Client returns a client that ends with the test.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends it at once (SIGKILL).
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill redis-server: %v", err)
	}
	s.awaitExit(t)
}

// Stop ends it in good order (SIGTERM).
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	s.awaitExit(t)
}

// Pause stops it without ending it, as a stalled machine does. Resume has it go on.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
}

// Resume ends what Pause began.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

// Restart starts it again after Kill or Stop, on the same port and with the data it had.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if !s.start(t) {
		t.Fatalf("redis-server did not start again; its log ends with:\n%s", s.logTail())
	}
}

// Erase removes its data, so that Restart brings it up empty. It must have ended.
func (s *Server) Erase(t testing.TB) {
	t.Helper()
	for _, name := range []string{"appendonlydir", "dump.rdb"} {
		if err := os.RemoveAll(filepath.Join(s.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal redis-server: %v", err)
	}
}

func (s *Server) awaitExit(t testing.TB) {
	t.Helper()
	select {
	case <-s.exitedCh:
	case <-time.After(patience):
		t.Fatal("redis-server does not end")
	}
}

// end is for Cleanup: it ends whatever state the process is in.
func (s *Server) end() {
	_ = s.cmd.Process.Kill()
	<-s.exitedCh
}

// start reports whether it answers.
func (s *Server) start(t testing.TB) bool {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs redis-server: run make deps, or install the package redis-server")
	}
	s.cmd = exec.Command(program, s.commandLine(t)...)
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	s.exitedCh = make(chan struct{})
	go func(cmd *exec.Cmd, exitedCh chan struct{}) {
		defer close(exitedCh)
		_ = cmd.Wait() // being killed is how most of them end
	}(s.cmd, s.exitedCh)
	return s.answers()
}

func (s *Server) commandLine(t testing.TB) []string {
	log := filepath.Join(s.Dir, "redis.log")
	if s.conf == "" {
		return append([]string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--dir", s.Dir, "--logfile", log, "--save", "",
		}, s.args...)
	}
	file := filepath.Join(s.Dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nlogfile %s\n%s", s.Port, s.Dir, log, s.conf)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{file, "--sentinel"}
}

var errGone = errors.New("redis-server has ended")

// answers waits until the process says PONG, and false means that it has ended or never did.
func (s *Server) answers() bool {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = c.Close() }()
	return until(func(ctx context.Context) error {
		select {
		case <-s.exitedCh:
			return errGone
		default:
		}
		// Whoever took the port first would answer too.
		return wantInfo(ctx, c, "process_id", strconv.Itoa(s.PID()))
	}) == nil
}

// wantInfo returns an error until INFO has this line.
func wantInfo(ctx context.Context, c *redis.Client, key, value string) error {
	text, err := c.Info(ctx).Result()
	if err == nil && !strings.Contains(text, "\n"+key+":"+value) {
		return fmt.Errorf("%s is not yet %s", key, value)
	}
	return err
}

// AwaitReplicas waits until a master has so many replicas that are in step with it.
func AwaitReplicas(t testing.TB, master *Server, n int) {
	t.Helper()
	c := master.Client(t)
	Until(t, "replicas in step", func(ctx context.Context) error {
		text, err := c.Info(ctx, "replication").Result()
		if got := strings.Count(text, "state=online"); err == nil && got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return err
	})
}

// Freeze has a replica miss what its master stores from now on: it is paused, and the connection that it had is cut, since
// what is on its way in a socket would still arrive.
func Freeze(t testing.TB, master, replica *Server) {
	t.Helper()
	replica.Pause(t)
	c := master.Client(t)
	Until(t, "the master has lost its replica", func(ctx context.Context) error {
		if err := c.ClientKillByFilter(ctx, "type", "replica").Err(); err != nil {
			return err
		}
		return wantInfo(ctx, c, "connected_slaves", "0")
	})
}

// until calls cond until it returns nil, it returns errGone, or patience is over.
func until(cond func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond(ctx)
		if err == nil || errors.Is(err, errGone) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("gave up: %w", err)
		}
	}
}

// Until waits for a condition of Redis's own making, and fails the test when it does not come.
func Until(t testing.TB, what string, cond func(context.Context) error) {
	t.Helper()
	if err := until(cond); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (s *Server) logTail() string {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
	return string(text[max(0, len(text)-2000):])
}

// freePort returns a port that nobody listens on now.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
