package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cim/client"
)

// A machine starts everything at once: servers and routes wait for what comes later, and say so.
func TestClusterStartsBeforeItsStores(t *testing.T) {
	c := startCluster(t, 0, 0)
	c.redis.Kill(t)
	c.zoo.Kill(t)
	s, r := c.server("server1", c.zk, c.url), c.anotherRoute("route1")
	both := []*clusterProcess{s, r}
	for _, p := range both {
		p.begin(t)
		p.logged("waiting for Redis: start it, or say where it is with --redis\" at=" + c.redis.Addr())
		p.logged("waiting for ZooKeeper: start it, or say where it is with --zk\" at=" + c.zk)
		p.names("store registry registry") // it is away, and nobody is listed
		if got := p.get(p.url() + "/healthz"); got != "ok" {
			t.Errorf("/healthz of %s: %q", p.name, got)
		}
		p.signal(syscall.SIGHUP) // reads the secret again, and ends nothing
	}
	if conn, err := net.Dial("tcp", s.im); err == nil {
		conn.Close()
		t.Error("clients can connect to a server that could not log them in")
	}
	if code := statusOf(t, r.url()+"/v1/login", `{"name":"a"}`); code != http.StatusServiceUnavailable {
		t.Errorf("/v1/login answers %d", code)
	}

	c.redis.Restart(t)
	for _, p := range both {
		p.names("registry registry")
	}
	c.zoo.Start(t)
	for _, p := range both {
		p.awaitUp()
		for _, what := range []string{"waiting for Redis", "waiting for ZooKeeper", `"Redis answers"`, `"ZooKeeper answers"`} {
			if text := p.stderr.String(); strings.Count(text, what) != 1 {
				t.Errorf("%s does not say %q once:\n%s", p.name, what, text)
			}
		}
	}
	c.servers, c.routes = []*clusterProcess{s}, []*clusterProcess{r}
	c.awaitServers(1)
	for _, p := range both {
		p.names("")
	}
	got := newCollector()
	bob := c.connect("bob", got.handler())
	if _, err := c.connect("alice", client.HandlerFuncs{}).SendTo(t.Context(), bob.Me().ID, "hello"); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 1)
}

func statusOf(t *testing.T, url, body string) int {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Whoever waits can be stopped, whichever it waits for.
func TestStoppedWhileWaiting(t *testing.T) {
	c := startCluster(t, 0, 0)
	for name, args := range map[string][]string{
		"ZooKeeper": c.shared("127.0.0.1:1", c.url),
		"Redis":     c.shared(c.zk, "redis://127.0.0.1:1"),
		"both":      c.shared("127.0.0.1:1", "redis://127.0.0.1:1"),
	} {
		for _, p := range []*clusterProcess{c.server("server", "", ""), c.anotherRoute("route")} {
			t.Run(p.name+" for "+name, func(t *testing.T) {
				flags := slices.Index(p.args, "--zk")
				p.args = append(slices.Clone(p.args[:flags]), args...)
				p.begin(t)
				p.logged("waiting for ")
				if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				p.waitLine("stopped before it was up")
				if code := exitCode(t, p.wait()); code != exitOK {
					t.Errorf("exit code %d:\n%s", code, p.stderr.String())
				}
			})
		}
	}
}

// What waiting does not mend is said at once, with the flag that it is about.
func TestClusterStartErrors(t *testing.T) {
	c := startCluster(t, 0, 0)
	if err := c.redis.Client(t).ConfigSet(t.Context(), "requirepass", "right").Err(); err != nil {
		t.Fatal(err)
	}
	right := "redis://:right@" + c.redis.Addr()
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	noCredential := writeFile(t, "zk.auth", "cim")
	for name, tc := range map[string]struct {
		args []string // after those that are right
		code int
		says []string
	}{
		"no port":             {[]string{"--zk", "zk1"}, exitUsage, []string{"--zk", `"zk1"`, "host:port"}},
		"port of no number":   {[]string{"--zk", "zk1:2181/cim"}, exitUsage, []string{"--zk", `"zk1:2181/cim"`}},
		"no host":             {[]string{"--zk", ":2181"}, exitUsage, []string{"--zk", `":2181"`}},
		"not a URL":           {[]string{"--redis", "localhost:6379"}, exitUsage, []string{"--redis", "redis://"}},
		"another URL":         {[]string{"--redis", "http://localhost:6379"}, exitUsage, []string{"--redis", "redis://"}},
		"Sentinels of nobody": {[]string{"--redis", "redis+sentinel://r1:26379,r2:26379"}, exitUsage, []string{"--redis", "/mymaster"}},
		"wrong password":      {[]string{"--redis", "redis://:wrong@" + c.redis.Addr()}, exitFailed, []string{"--redis", "password"}},
		"no such database":    {[]string{"--redis", right + "/77"}, exitFailed, []string{"--redis", "database"}},
		"no credential":       {[]string{"--zk-auth-file", noCredential}, exitFailed, []string{"--zk-auth-file", noCredential, "user:password"}},
		"no credential file":  {[]string{"--zk-auth-file", noCredential + "x"}, exitFailed, []string{"--zk-auth-file", noCredential + "x"}},
	} {
		for _, p := range []*clusterProcess{c.server("server", c.zk, right), c.anotherRoute("route", "--redis", right)} {
			t.Run(p.name+", "+name, func(t *testing.T) { wantStartError(t, append(p.args, tc.args...), tc.code, tc.says) })
		}
	}
	// The ports are looked at before anything is waited for.
	server, away := c.server("server", "127.0.0.1:1", "redis://127.0.0.1:1"), used.Addr().String()
	t.Run("client port", func(t *testing.T) {
		wantStartError(t, append(server.args, "--listen", away), exitFailed, []string{away, "in use", "--listen"})
	})
	t.Run("HTTP port", func(t *testing.T) {
		wantStartError(t, append(server.args, "--push", away), exitFailed, []string{away, "in use", "--push"})
	})
}

func wantStartError(t *testing.T, args []string, code int, says []string) {
	t.Helper()
	p := startProcess(t, args...)
	if got := exitCode(t, p.wait()); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	line := lastLine(p.stderr.String())
	if !containsAll(line, says...) || strings.Contains(line, "right") || strings.Contains(line, "wrong") {
		t.Errorf("it says %q, want %q", line, says)
	}
}

// With a credential for ZooKeeper, who has another one or none cannot be listed, and is told why. Routes only read.
func TestClusterZooKeeperCredential(t *testing.T) {
	folder := t.TempDir()
	credential, another := filepath.Join(folder, "zk.auth"), filepath.Join(folder, "another.auth")
	for path, text := range map[string]string{credential: "cim:secret\n", another: "other:secret\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := startCluster(t, 1, 0, func(c *testCluster) { c.ofServers = []string{"--zk-auth-file", credential} })
	says := []string{"denies", "/cim", "--zk-auth-file", "setAcl"}
	wantStartError(t, c.server("nobody", c.zk, c.url).args, exitFailed, says)
	wantStartError(t, c.server("other", c.zk, c.url, "--zk-auth-file", another).args, exitFailed, says)
	c.routes = []*clusterProcess{c.newRoute("reader"), c.newRoute("member", "--zk-auth-file", credential)}
	t.Setenv("CIM_ZK_AUTH_FILE", credential)
	c.servers = append(c.servers, c.newServerVia("server2", c.zk, c.url))
	c.awaitServers(2)
}
