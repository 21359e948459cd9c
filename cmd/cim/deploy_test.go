package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// compose is what is looked at of a compose file.
type compose struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		Grace       time.Duration `yaml:"stop_grace_period"`
	}
	Configs map[string]struct{ Content string }
}

func readCompose(t *testing.T) (file compose) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// Every cim command in the compose file is one that this program takes.
func TestComposeCommandsParse(t *testing.T) {
	file := readCompose(t)
	commands := make(map[string]int)
	for name, s := range file.Services {
		if s.Image != "cim" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for k, v := range s.Environment {
				t.Setenv(k, v)
			}
			var c cli
			parser, err := newParser(&c, streams{out: new(bytes.Buffer), err: new(bytes.Buffer)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(s.Command); err != nil {
				t.Errorf("%q: %v", s.Command, err)
			}
			least := map[string]time.Duration{"server": c.Server.Drain + drainTime, "route": drainTime}[s.Command[0]]
			if least > 0 && s.Grace < least+5*time.Second {
				t.Errorf("it is killed after %v, and a stop may take %v", s.Grace, least)
			}
		})
		commands[s.Command[0]]++
	}
	if commands["server"] != 3 || commands["route"] != 2 || commands["keys"] != 1 {
		t.Errorf("commands %v", commands)
	}
}

// The proxy of the compose file passes on what routes go by: the name that they were called by, and the address of who called.
func TestComposeProxy(t *testing.T) {
	up, proxy, folder := startUp(t), freeAddr(t), t.TempDir()
	conf := strings.NewReplacer("$$", "$", "server route1:8083; server route2:8083;", "server "+up.http+";", "listen 80;", "listen "+proxy+";").
		Replace(readCompose(t).Configs["nginx"].Content)
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += kind + "_temp_path " + filepath.Join(folder, kind) + ";\n"
	}
	path := filepath.Join(folder, "nginx.conf")
	conf = "daemon off; master_process off; pid " + folder + "/pid; events {}\nhttp { access_log off;\n" + temporary + conf + "}\n"
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	nginx := exec.Command("nginx", "-e", "stderr", "-p", folder, "-c", path)
	nginx.Stderr = &out
	if err := nginx.Start(); err != nil {
		t.Fatalf("this test runs a real nginx; make deps installs it: %v", err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Kill()
		_ = nginx.Wait()
	})
	eventually(t, "nginx answers "+out.String(), func() bool {
		conn, err := net.Dial("tcp", proxy)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	cimHTTP{t, "http://" + proxy}.register("behind-a-proxy")
	if code := statusOf(t, "http://"+proxy+"/v1/accounts", `{"name":"behind-it-too","kind":"user"}`); code != http.StatusCreated {
		t.Errorf("/v1/accounts answers %d behind the proxy", code)
	}
}

// freePair is the first of two ports, one after the other, that nobody listens on.
func freePair(t *testing.T) string {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)))
		_ = first.Close()
		if err == nil {
			_ = second.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no two free ports beside each other")
	return ""
}

// The script brings up a whole cluster, in which two people talk, and takes it down again.
func TestClusterScript(t *testing.T) {
	folder, routePort := filepath.Join(t.TempDir(), "cluster"), freePair(t)
	port := func() string { _, p, _ := strings.Cut(freeAddr(t), ":"); return p }
	env := append(os.Environ(), "CIM="+buildCIM(t), "SERVERS=1", "DRAIN=1s", "REDIS_PORT="+port(), "ZK_PORT="+port(),
		"FRONT_PORT="+port(), "IM_PORT="+port(), "PEER_PORT="+port(), "ROUTE_PORT="+routePort)
	script := func(verb string) (string, error) {
		cmd := exec.Command("../../deploy/cluster.sh", verb, folder)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	t.Cleanup(func() { _, _ = script("down") })
	out, err := script("up")
	if err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	_, route, ok := strings.Cut(out, "routes behind ")
	if route, _, _ = strings.Cut(route, ","); !ok {
		t.Fatalf("it does not say where the routes are:\n%s", out)
	}
	got := newCollector()
	bob := connectSDK(t, route, "bob", got.handler())
	alice := connectSDK(t, route, "alice", newCollector().handler())
	if _, err := alice.SendTo(t.Context(), bob.Me().ID, "hello"); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 1)
	if want := "--route http://127.0.0.1:" + routePort + ",http://127.0.0.1:"; !strings.Contains(out, want) {
		t.Errorf("it does not say %q:\n%s", want, out)
	}
	if out, err := script("up"); err != nil || strings.Count(out, "runs already") != 6 {
		t.Errorf("up, again: %v\n%s", err, out)
	}
	if out, err := script("status"); err != nil || strings.Count(out, " runs") != 6 {
		t.Errorf("status: %v\n%s", err, out)
	}
	if out, err := script("down"); err != nil || strings.Count(out, "stopped") != 6 {
		t.Errorf("down: %v\n%s", err, out)
	}
	if out, err := script("status"); err == nil {
		t.Errorf("status after down:\n%s", out)
	}
}

// What the script cannot do it says before it starts anything.
func TestClusterScriptRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	folder := t.TempDir()
	for _, tt := range []struct{ verb, env, says string }{
		{"stats", "", "cluster.sh: unknown command stats\nA whole cluster"},
		{"up", "REDIS_PORT", "port " + port + " of redis is taken by another process: choose other ones with REDIS_PORT=PORT"},
		{"up", "IM_PORT", "port " + port + " of server1 is taken by another process: choose other ones with IM_PORT=PORT"},
	} {
		cmd := exec.Command("../../deploy/cluster.sh", tt.verb, folder)
		// Zero is nobody's port, whatever else runs on this machine.
		cmd.Env = append(os.Environ(), "CIM=/bin/true", "SERVERS=1", "REDIS_PORT=0", "ZK_PORT=0", "FRONT_PORT=0", "IM_PORT=0", "PEER_PORT=0",
			"ROUTE_PORT=0", tt.env+"="+port)
		out, err := cmd.CombinedOutput()
		if started, _ := filepath.Glob(filepath.Join(folder, "run", "*")); err == nil || !strings.Contains(string(out), tt.says) || len(started) > 0 {
			t.Errorf("%s %s: %v, started %q\n%s", tt.verb, tt.env, err, started, out)
		}
	}
}
