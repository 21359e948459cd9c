package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// compose is what is looked at of a compose file.
type compose struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
	}
}

// Every cim command in the compose file is one that this program takes.
func TestComposeCommandsParse(t *testing.T) {
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	commands := make(map[string]int)
	for name, s := range file.Services {
		if s.Image != "cim" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for k, v := range s.Environment {
				t.Setenv(k, v)
			}
			parser, err := newParser(&cli{}, streams{out: new(bytes.Buffer), err: new(bytes.Buffer)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(s.Command); err != nil {
				t.Errorf("%q: %v", s.Command, err)
			}
		})
		commands[s.Command[0]]++
	}
	if commands["server"] != 3 || commands["route"] != 2 || commands["keys"] != 1 {
		t.Errorf("commands %v", commands)
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
	folder := filepath.Join(t.TempDir(), "cluster")
	port := func() string { _, p, _ := strings.Cut(freeAddr(t), ":"); return p }
	env := append(os.Environ(), "CIM="+buildCIM(t), "SERVERS=1", "DRAIN=1s", "REDIS_PORT="+port(), "ZK_PORT="+port(),
		"FRONT_PORT="+port(), "IM_PORT="+port(), "PEER_PORT="+port(), "ROUTE_PORT="+freePair(t))
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
