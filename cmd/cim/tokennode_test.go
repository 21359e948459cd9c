package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// tokenNode is a whole node with --auth token, and the file with its application key.
func tokenNode(t *testing.T) (*node, string) {
	t.Helper()
	dir := t.TempDir()
	n := newTestNode(t, func(c *nodeConfig) { c.auth, c.data = "token", dir })
	return n, applicationKeyFile(dir)
}

// secretFile is where the chats of h keep a secret.
func (h chatHome) secretFile(name string) string {
	return client.NewFileSecrets(filepath.Join(h.dir, "secrets")).Path(h.route, name)
}

// bring puts a secret where chat looks for it.
func (h chatHome) bring(t *testing.T, name, secret string) {
	t.Helper()
	if err := client.NewFileSecrets(filepath.Join(h.dir, "secrets")).Save(h.route, name, secret); err != nil {
		t.Fatal(err)
	}
}

func TestChatWithSecrets(t *testing.T) {
	n, _ := tokenNode(t)
	h := newHome(t, n)
	alice, bob := h.chat(t, "alice").ready(), h.chat(t, "bob").ready()
	alice.say("bob;;hello")
	bob.hears(alice, "alice", "private", "hello")
	info, err := os.Stat(h.secretFile("alice"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the secret is kept with %v, %v", info.Mode(), err)
	}
	alice.say(":q")
	alice.exits(exitOK)
	again := h.chat(t, "alice").ready()
	if again.id != alice.id {
		t.Errorf("alice came back as %d, and was %d", again.id, alice.id)
	}
	again.say(":olu", ":q")
	again.exits(exitOK)
}

func TestChatAsSomebodyElse(t *testing.T) {
	n, _ := tokenNode(t)
	h := newHome(t, n)
	h.chat(t, "alice").ready()
	thief := newHome(t, n)
	code, _, stderr := thief.runChat(t, "", "alice")
	if code != exitFailed || !strings.Contains(stderr, `the name "alice" belongs to somebody`) ||
		!strings.Contains(stderr, thief.secretFile("alice")) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without a secret: exit code %d, %q", code, stderr)
	}
	thief.bring(t, "alice", "guessed")
	code, _, stderr = thief.runChat(t, "", "alice")
	if code != exitFailed || !strings.Contains(stderr, "does not count") || !strings.Contains(stderr, thief.secretFile("alice")) {
		t.Errorf("with a wrong secret: exit code %d, %q", code, stderr)
	}
}

func TestPushWithAKey(t *testing.T) {
	n, key := tokenNode(t)
	h := newHome(t, n)
	alice := h.chat(t, "alice").ready()
	code, out, errs := runScript(t, "push", "--route", h.route, "--key-file", key, "--to", "alice", "hello")
	if want := fmt.Sprintf("%d\tstored\t1\n", alice.id); code != exitOK || out != want {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	if line := alice.line(); !strings.HasSuffix(line, "\tprivate\thello") {
		t.Errorf("alice heard %q", line)
	}
	code, out, errs = runScript(t, "push", "--route", h.route, "--to", fmt.Sprint(alice.id), "hello")
	if code != exitFailed || !strings.Contains(out, "\tunauthorized\t") || !strings.Contains(errs, "--key-file") {
		t.Errorf("without the key: exit code %d, %q, %q", code, out, errs)
	}
	wrong := writeFile(t, "key", "cimk_"+strings.Repeat("A", 43))
	code, out, errs = runScript(t, "push", "--route", h.route, "--key-file", wrong, "--all", "hello")
	if code != exitFailed || out != "everyone\tunauthorized\t0\n" || !strings.Contains(errs, "does not know this application key") {
		t.Errorf("with another key: exit code %d, %q, %q", code, out, errs)
	}
}

// The life of an account that an operator makes.
func TestAccountsOfANode(t *testing.T) {
	n, key := tokenNode(t)
	h := newHome(t, n)
	flags := []string{"--route", h.route, "--key-file", key}
	account := func(args ...string) string {
		t.Helper()
		code, out, errs := runScript(t, slices.Concat([]string{"account"}, args, flags)...)
		if code != exitOK {
			t.Fatalf("account %v: exit code %d, %q, %q", args, code, out, errs)
		}
		return strings.TrimSuffix(out, "\n")
	}
	secrets := filepath.Join(t.TempDir(), "secrets.csv")
	account("import", writeFile(t, "in.csv", "name,kind\nalice,user\nlamp,device\n"), "--out", secrets)
	rows := strings.Split(strings.TrimSpace(readAll(t, secrets)), "\n")
	if len(rows) != 3 {
		t.Fatalf("the file holds %q", rows)
	}
	fields := strings.Split(rows[1], ",")
	h.bring(t, "alice", fields[2])
	alice := h.chat(t, "alice").ready()
	if fmt.Sprint(alice.id) != fields[1] {
		t.Errorf("alice is %d, and %s in the file", alice.id, fields[1])
	}
	if out := account("disable", "alice"); out != fields[1]+"\tdisabled" {
		t.Errorf("disable says %q", out)
	}
	alice.told(cimpb.CodeAccountDisabled.Sentence())
	alice.exits(exitFailed)
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitFailed || !strings.Contains(stderr, "disabled") {
		t.Errorf("a disabled account: exit code %d, %q", code, stderr)
	}
	account("enable", fields[1])
	alice = h.chat(t, "alice").ready()
	fresh := account("secret", "alice")
	alice.exits(exitFailed) // her secret no longer counts
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitFailed || !strings.Contains(stderr, "does not count") {
		t.Errorf("the old secret: exit code %d, %q", code, stderr)
	}
	h.bring(t, "alice", fresh)
	h.chat(t, "alice").ready()
}

// Accounts that were made under --auth cim have no secret. After the switch nobody can log in as one, nor take its name,
// until an operator gives it a secret; what waited for it is still there.
func TestAccountsFromBeforeTheSwitch(t *testing.T) {
	dir := t.TempDir()
	withData := func(c *nodeConfig) { c.data = dir }
	before, err := startNode(testConfig(withData))
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := newCIMClient(t, before, "alice"), newCIMClient(t, before, "bob")
	bob.p2p(alice.id, "from before", "7000")
	if err := before.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := newTestNode(t, withTokens, withData)
	h := newHome(t, n)
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitFailed || !strings.Contains(stderr, `the name "alice" belongs to somebody`) {
		t.Errorf("without a secret: exit code %d, %q", code, stderr)
	}
	for _, guess := range []string{"", "guess"} {
		body := `{"name":"alice","device":"d","secret":"` + guess + `"}`
		if status := (tokenHTTP{t: t, n: n}).call(http.MethodPost, "/v1/login", body, nil); status != http.StatusUnauthorized {
			t.Errorf("with the secret %q: %d", guess, status)
		}
	}
	code, secret, errs := runScript(t, "account", "secret", "alice", "--route", h.route, "--key-file", applicationKeyFile(dir))
	if code != exitOK {
		t.Fatalf("exit code %d, %q", code, errs)
	}
	h.bring(t, "alice", strings.TrimSpace(secret))
	c := h.chat(t, "alice")
	if line := c.line(); !strings.HasSuffix(line, "\tbob\tprivate\tfrom before") {
		t.Errorf("alice heard %q", line)
	}
	if c.ready().id != alice.id {
		t.Errorf("alice was %d and is %d", alice.id, c.id)
	}
}

func TestBenchWithSecrets(t *testing.T) {
	n, key := tokenNode(t)
	for _, run := range []string{"new accounts", "accounts of an earlier run"} {
		code, stdout, stderr := runBench(t, n, "-n", "50", "--for", "1ms", "--seed", "5", "--key-file", key)
		if code != exitOK || !strings.Contains(stdout, "50 open of 50") {
			t.Errorf("%s: exit code %d: %s%s", run, code, stdout, stderr)
		}
	}
	if code, _, stderr := runBench(t, n, "-n", "50", "--for", "1ms"); code != exitFailed || stderr == "" {
		t.Errorf("without the key: exit code %d, %q", code, stderr)
	}
}

func TestClientOfATokenNode(t *testing.T) {
	n, _ := tokenNode(t)
	o := client.Options{
		Route: "http://" + n.httpAddr.String(), Name: "echo", Secrets: client.NewFileSecrets(t.TempDir()), Handler: client.HandlerFuncs{},
	}
	c, err := client.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.OnlineCount(t.Context()); n != 1 || err != nil {
		t.Errorf("OnlineCount = %d, %v", n, err)
	}
	if me, err := c.Lookup(t.Context(), "echo"); me.ID != c.Me().ID || err != nil {
		t.Errorf("Lookup = %+v, %v", me, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	o.Secrets, o.UserID = nil, c.Me().ID
	if _, err := client.Connect(t.Context(), o); !errors.Is(err, &client.StatusError{Code: cimpb.CodeUnauthorized}) {
		t.Errorf("Connect without the secret: %v", err)
	}
}

// A request that is made again with the message id of the run, as after a lost answer, delivers nothing twice.
func TestPushAgainIsTheSameMessage(t *testing.T) {
	n, key := tokenNode(t)
	h := newHome(t, n)
	alice := h.chat(t, "alice").ready()
	c := &pushCmd{Application: applicationFlags{Route: routeURLs(h.route), KeyFile: key}, To: []string{"alice"}, Text: text("once")}
	app, err := c.Application.open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.message(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for range 2 {
		if err := c.push(t.Context(), app, m, &out); err != nil {
			t.Fatal(err)
		}
	}
	if line := fmt.Sprintf("%d\tstored\t1\n", alice.id); out.String() != line+line {
		t.Errorf("printed %q", out.String())
	}
	alice.say("alice;;end")
	for _, want := range []string{"once", "end"} {
		if line := alice.line(); !strings.HasSuffix(line, "\tprivate\t"+want) {
			t.Errorf("alice heard %q, want %q", line, want)
		}
	}
}
