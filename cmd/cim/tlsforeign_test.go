package main

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// secureUp is cim up as a process that speaks TLS.
type secureUp struct {
	*process
	listen, http string
	files        *madeFiles
}

func startSecureUp(t *testing.T) *secureUp {
	t.Helper()
	u := &secureUp{listen: freeAddr(t), http: freeAddr(t), files: makeFiles(t, "first", 1)}
	u.process = startProcess(t, "up", "--auth", "cim", "--listen", u.listen, "--http", u.http, "--data", ":memory:",
		"--tls-cert", u.files.cert, "--tls-key", u.files.key)
	u.waitLine("is up")
	return u
}

// What cim up prints is enough to chat, with a certificate that signed itself.
func TestUpSaysHowToChatOverTLS(t *testing.T) {
	u := startSecureUp(t)
	line := u.waitLine("chat --route")
	if want := " chat --route https://" + u.http + " --tls-ca " + u.files.cert + " --name alice"; !strings.HasSuffix(line, want) {
		t.Fatalf("it says %q, want %q", line, want)
	}
	h := chatHome{"https://" + u.http, t.TempDir()}
	if code, _, errs := h.runChat(t, "hello\n", "alice", "--tls-ca", u.files.cert); code != exitOK {
		t.Errorf("chat: exit code %d, %q", code, errs)
	}
	for _, path := range []string{u.files.key, u.files.cert + "x", writeFile(t, "junk", "junk")} {
		if signedItself(path) {
			t.Errorf("%s is no certificate", path)
		}
	}
}

// TestPythonSpeaksToTheServer has Python's ssl log in, ping and be closed, in pieces of all sizes; see the script.
func TestPythonSpeaksToTheServer(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed; make deps installs it")
	}
	u := startSecureUp(t)
	user := registerAt(t, u.http, u.files)
	host, port, _ := net.SplitHostPort(u.listen)
	for _, version := range []string{"TLSv1_2", "TLSv1_3"} {
		for _, piece := range []string{"1", "7", "65536"} {
			out, err := exec.CommandContext(t.Context(), python, "testdata/foreign.py", host, port, version, u.files.cert,
				hex.EncodeToString(loginFrame(t, user)), piece).CombinedOutput()
			if err != nil || string(out) != "welcome\npong\npong\npong\nerror\nclose_notify\n" {
				t.Errorf("%s in pieces of %s: %v\n%s", version, piece, err, out)
			}
		}
	}
	wrong := makeFiles(t, "another", 1)
	out, err := exec.CommandContext(t.Context(), python, "testdata/foreign.py", host, port, "TLSv1_3", wrong.cert, "00", "65536").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("CERTIFICATE_VERIFY_FAILED")) {
		t.Errorf("with another authority: %v\n%s", err, out)
	}
}

// TestReloadKeepsConnections changes the certificate of a process: who is connected stays, and who comes sees the
// new one.
func TestReloadKeepsConnections(t *testing.T) {
	u := startSecureUp(t)
	conn, err := tls.Dial("tcp", u.listen, u.files.client())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := &wire{t: t, conn: conn}
	w.write(loginFrame(t, registerAt(t, u.http, u.files)))
	if f := w.frame(); f.GetCmd() != cimpb.Command_WELCOME {
		t.Fatal(f)
	}
	for i, name := range []string{"second", "third"} {
		u.files.write(t, name, 1)
		if err := u.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the new certificate", func() bool { return strings.Count(u.stderr.String(), "were read again") == i+1 })
		for _, addr := range []string{u.listen, u.http} {
			if got := shownAt(t, addr); got != name {
				t.Errorf("%s shows %q, want %q", addr, got, name)
			}
		}
		w.write(frame.Ping)
		if f := w.frame(); f.GetCmd() != cimpb.Command_PING {
			t.Errorf("after the %s certificate: %v", name, f)
		}
	}
	if code := u.stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestOpensslSpeaksToTheServer has a foreign TLS stack log in and ping, through a wire that carries single bytes.
func TestOpensslSpeaksToTheServer(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; make deps installs it")
	}
	u := startSecureUp(t)
	user := registerAt(t, u.http, u.files)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		address := slowWire(t, u.listen)
		cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", address, version, "-quiet",
			"-CAfile", u.files.cert, "-verify_return_error")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w := &wire{t: t, conn: &pipes{in: in, out: out}}
		for _, b := range loginFrame(t, user) {
			w.write([]byte{b})
		}
		if f := w.frame(); f.GetCmd() != cimpb.Command_WELCOME {
			t.Fatalf("%s: %v", version, f)
		}
		for range 3 {
			w.write(frame.Ping)
			if f := w.frame(); f.GetCmd() != cimpb.Command_PING {
				t.Errorf("%s: %v", version, f)
			}
		}
		_ = cmd.Process.Kill() // it would wait for the server to close
		_ = cmd.Wait()
	}
}

// TestRenegotiationIsRefused has openssl ask for it, which "R" on a line does.
func TestRenegotiationIsRefused(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; make deps installs it")
	}
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", n.server.Addr().String(), "-tls1_2")
	cmd.Stdin = strings.NewReader("R\n")
	out, _ := cmd.CombinedOutput() // its exit code is 1 then
	if !bytes.Contains(out, []byte("RENEGOTIATING")) {
		t.Fatalf("it did not ask: %s", out)
	}
	waitFor(t, "the refusal", func() bool { return n.server.Stats().Closed["bad_tls"] == 1 })
}

// TestKeyUpdateIsAnswered has openssl change its keys and ask for the server's, which "K" on a line does; what is
// said before and after arrives.
func TestKeyUpdateIsAnswered(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; make deps installs it")
	}
	m := makeFiles(t, "server", 1)
	n := newTestNode(t, onTLS(t, tlsFlags{TLSCert: m.cert, TLSKey: m.key}))
	user := registerOver(t, n, m)
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", n.server.Addr().String(), "-tls1_3", "-brief")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	var words lockedBuffer
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: &pipes{in: in, out: out}}
	waitFor(t, "the handshake", func() bool { return strings.Contains(words.String(), "ESTABLISHED") })
	w.write(loginFrame(t, user))
	if f := w.frame(); f.GetCmd() != cimpb.Command_WELCOME {
		t.Fatal(f)
	}
	for i := range 3 {
		w.write([]byte("K\n"))
		waitFor(t, "the key update", func() bool { return strings.Count(words.String(), "KEYUPDATE") == i+1 })
		w.write(frame.Ping)
		if f := w.frame(); f.GetCmd() != cimpb.Command_PING {
			t.Error(f)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// slowWire forwards to an address byte by byte, both ways, and returns where it listens.
func slowWire(t *testing.T, to string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			return
		}
		wg.Go(func() { copyBytes(far, near) })
		copyBytes(near, far)
	})
	return ln.Addr().String()
}

func copyBytes(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 1)
	for {
		if _, err := from.Read(b); err != nil {
			return
		}
		if _, err := to.Write(b); err != nil {
			return
		}
	}
}

// pipes are a process's stdin and stdout as a connection.
type pipes struct {
	net.Conn
	in  io.Writer
	out io.Reader
}

func (p *pipes) Write(b []byte) (int, error)     { return p.in.Write(b) }
func (p *pipes) Read(b []byte) (int, error)      { return p.out.Read(b) }
func (p *pipes) SetReadDeadline(time.Time) error { return nil }
