package zktest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Times of a server. A session expires at the first tick after its time-out.
const (
	Tick              = 200 * time.Millisecond
	MinSessionTimeout = 2 * Tick // a client that asks for less gets this
	startTimeout      = 60 * time.Second
)

const (
	jar       = "/usr/share/java/zookeeper.jar"
	logJar    = "/usr/share/java/slf4j-simple.jar" // without it the server says nothing
	mainClass = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
)

// Server is one ZooKeeper process with an address and files that outlive it. One goroutine may use it at a time.
type Server struct {
	addr  string
	dir   string
	peers []string // the server.N lines of an ensemble
	id    int      // place in peers, from 1; 0: alone

	cmd    *exec.Cmd // nil: not running
	exited chan struct{}
}

// Start runs one server and returns when it serves.
func Start(t testing.TB) *Server {
	t.Helper()
	s := newServer(t, freePorts(t, 1)[0])
	s.Start(t)
	s.Await(t)
	return s
}

func newServer(t testing.TB, port int) *Server {
	t.Helper()
	s := &Server{addr: fmt.Sprintf("127.0.0.1:%d", port), dir: t.TempDir()}
	t.Cleanup(s.kill)
	return s
}

// Addr is where clients connect.
func (s *Server) Addr() string { return s.addr }

// Start runs the process again, with the files that it left. It does not wait: see Await.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	java, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat(jar)
	}
	if err != nil {
		t.Fatalf("this test runs a real ZooKeeper; make deps installs it (Debian: apt-get install zookeeper): %v", err)
	}
	if err := s.configure(); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(java, "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dzookeeper.forceSync=no",
		"-cp", jar+":"+logJar, mainClass, filepath.Join(s.dir, "zoo.cfg"))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithTest()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start ZooKeeper: %v", err)
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) { // ends with the process, which kill ends and waits for
		defer close(exited)
		_ = cmd.Wait()
	}(s.exited)
}

func (s *Server) configure() error {
	_, port, _ := strings.Cut(s.addr, ":")
	lines := []string{
		"dataDir=" + s.dir,
		"clientPort=" + port,
		"clientPortAddress=127.0.0.1",
		fmt.Sprintf("tickTime=%d", Tick.Milliseconds()),
		fmt.Sprintf("minSessionTimeout=%d", MinSessionTimeout.Milliseconds()),
		"maxSessionTimeout=60000",
		"initLimit=100",
		"syncLimit=50",
		"admin.enableServer=false",
		"4lw.commands.whitelist=srvr",
	}
	lines = append(lines, s.peers...)
	if s.id > 0 {
		if err := os.WriteFile(filepath.Join(s.dir, "myid"), fmt.Append(nil, s.id), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (s *Server) log() string { return filepath.Join(s.dir, "zookeeper.out") }

// Await waits until the server serves clients, in an ensemble as a member of a quorum.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	Eventually(t, startTimeout, func() bool {
		select {
		case <-s.exited:
			out, _ := os.ReadFile(s.log())
			t.Fatalf("ZooKeeper at %s ended: %s", s.addr, out)
		default:
		}
		return s.mode() != ""
	}, "ZooKeeper at %s serves", s.addr)
}

// Kill ends the process as a crash does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.kill()
}

func (s *Server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Wipe forgets everything that was stored. The server must not be running.
func (s *Server) Wipe(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "version-2")); err != nil {
		t.Fatal(err)
	}
}

// Stop makes the process stand still with its connections open. Continue lets it go on.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	Eventually(t, startTimeout, func() bool { return s.mode() == "" }, "ZooKeeper at %s stands still", s.addr)
}

// Continue is the end of a Stop.
func (s *Server) Continue(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v to ZooKeeper: %v", sig, err)
	}
}

// mode is standalone, leader or follower, and empty while the server does not serve.
func (s *Server) mode() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := command(ctx, s.addr, "srvr")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(answer, "Mode: ")
	mode, _, _ := strings.Cut(rest, "\n")
	return mode
}
