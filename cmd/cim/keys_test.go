package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cim/route/token"
)

// What makes a node look at its keys again, and what it then says. A tick that finds nothing says nothing.
func TestKeysAreReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	keys, err := token.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := token.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	rotate := func() {
		if err := other.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	hupCh, tickCh, endedCh := make(chan os.Signal), make(chan time.Time), make(chan struct{})
	log := new(lockedBuffer)
	go func() {
		defer close(endedCh)
		(&nodeKeys{tokens: keys}).reloadOn(ctx, slog.New(slog.NewTextHandler(log, nil)), hupCh, tickCh)
	}()
	hangUp, tick := func() { hupCh <- syscall.SIGHUP }, func() { tickCh <- time.Time{} }
	settle := func() { tick(); tick() } // when the second is taken, what was before is done

	rotate()
	tick()
	settle()
	if keys.ID() != other.ID() || strings.Count(log.String(), "new signing key") != 1 {
		t.Errorf("a tick: %s of %s; %s", keys.ID(), other.ID(), log.String())
	}
	rotate()
	hangUp()
	settle()
	if keys.ID() != other.ID() || strings.Count(log.String(), "new signing key") != 2 {
		t.Errorf("SIGHUP: %s of %s; %s", keys.ID(), other.ID(), log.String())
	}
	hangUp()
	settle()
	if strings.Count(log.String(), "\n") != 3 || !strings.Contains(log.String(), "the same") {
		t.Errorf("SIGHUP without a rotation: %s", log.String())
	}
	if err := os.WriteFile(filepath.Join(dir, "signing.key"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	tick()
	settle()
	if keys.ID() != other.ID() || !strings.Contains(log.String(), "the old ones stay") {
		t.Errorf("a broken file: %s of %s; %s", keys.ID(), other.ID(), log.String())
	}
	cancel()
	<-endedCh
}

// The whole way, with processes: rotate, SIGHUP, and what the key before the previous one has signed is refused, while the
// session stays.
func TestKeysOfAProcessAreRotated(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	u := &upProcess{listen: freeAddr(t), http: freeAddr(t), data: data}
	u.process = startProcess(t, "up", "--listen", u.listen, "--http", u.http, "--data", data)
	u.waitLine("is up")
	h := chatHome{u.route(), t.TempDir()}
	alice := h.chat(t, "alice").ready()
	key, err := os.ReadFile(applicationKeyFile(data))
	if err != nil {
		t.Fatal(err)
	}
	access := u.access(t, h, "alice")
	for n := 1; n <= 2; n++ {
		if code, _, stderr := runCIM(t, "keys", "rotate", "--data", data); code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if err := u.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the key to be taken", func() bool { return strings.Count(u.stderr.String(), "a new signing key is taken") == n })
		want := map[int]int{1: http.StatusOK, 2: http.StatusUnauthorized}[n]
		if got := u.count(t, access); got != want {
			t.Errorf("after %d rotations an old access token gets %d, want %d", n, got, want)
		}
	}
	alice.say("alice;;still here")
	alice.hears(alice, "alice", "private", "still here")
	if err := u.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an answer to SIGHUP", func() bool { return strings.Contains(u.stderr.String(), "the signing key is the same") })
	if log := u.stderr.String(); strings.Contains(log, access) || strings.Contains(log, strings.TrimSpace(string(key))) {
		t.Errorf("the log holds a credential: %s", log)
	}
	if code := u.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, u.stderr.String())
	}
}

// access logs in over HTTP, with the secret that the chats of h keep.
func (u *upProcess) access(t *testing.T, h chatHome, name string) string {
	t.Helper()
	secret, err := os.ReadFile(h.secretFile(name))
	if err != nil {
		t.Fatal(err)
	}
	var in tokenLogin
	body := `{"name":"` + name + `","device":"d","secret":"` + strings.TrimSpace(string(secret)) + `"}`
	if status := (tokenHTTP{t: t, base: u.route()}).call(http.MethodPost, "/v1/login", body, &in); status != http.StatusOK {
		t.Fatalf("login: %d", status)
	}
	return in.AccessToken
}

// count is the status that a token gets.
func (u *upProcess) count(t *testing.T, access string) int {
	t.Helper()
	return tokenHTTP{t: t, base: u.route(), bearer: access}.call(http.MethodGet, "/v1/online/count", "", nil)
}
