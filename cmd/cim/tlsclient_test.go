package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cim/client"
	"cim/client/routes"
)

// tlsTokenNode is a whole node with TLS and --auth token, its certificate, and the file of its application key.
func tlsTokenNode(t *testing.T, change ...func(*tlsFlags)) (n *node, m *madeFiles, key string) {
	t.Helper()
	m = makeFiles(t, "server", 1)
	f := tlsFlags{TLSCert: m.cert, TLSKey: m.key}
	for _, c := range change {
		c(&f)
	}
	dir := t.TempDir()
	n = newTestNode(t, onTLS(t, f), func(c *nodeConfig) { c.auth, c.data = "token", dir })
	return n, m, applicationKeyFile(dir)
}

func secureHome(t *testing.T, n *node) chatHome {
	t.Helper()
	return chatHome{"https://" + n.httpAddr.String(), t.TempDir()}
}

func TestCommandsOverTLS(t *testing.T) {
	n, m, key := tlsTokenNode(t)
	h := secureHome(t, n)
	alice, bob := h.chat(t, "alice", "--tls-ca", m.cert).ready(), h.chat(t, "bob", "--tls-ca", m.cert).ready()
	alice.say("bob;;psst")
	bob.hears(alice, "alice", "private", "psst")
	flags := []string{"--route", h.route, "--key-file", key, "--tls-ca", m.cert}
	code, out, errs := runScript(t, append([]string{"push", "--to", "bob", "hello"}, flags...)...)
	if code != exitOK || !strings.Contains(out, "\tstored\t2") {
		t.Errorf("push: exit code %d, %q, %q", code, out, errs)
	}
	if line := bob.line(); !strings.HasSuffix(line, "\tprivate\thello") {
		t.Errorf("bob heard %q", line)
	}
	code, out, errs = runScript(t, append([]string{"account", "disable", "alice"}, flags...)...)
	if code != exitOK || out != fmt.Sprintf("%d\tdisabled\n", alice.id) {
		t.Errorf("account: exit code %d, %q, %q", code, out, errs)
	}
	alice.exits(exitFailed)
	if runtime.GOOS != "linux" {
		return
	}
	t.Setenv(asCIM, "1")
	code, out, errs = runScript(t, append([]string{"bench", "idle", "-n", "30", "--for", "1ms"}, flags...)...)
	if code != exitOK || !strings.Contains(out, "30 open of 30") || !strings.Contains(out, "TLS") {
		t.Errorf("bench: exit code %d, %s%s", code, out, errs)
	}
}

func TestClientCertificatesOfCommands(t *testing.T) {
	devices, strangers := makeFiles(t, "devices", 1), makeFiles(t, "strangers", 1)
	n, m, key := tlsTokenNode(t, func(f *tlsFlags) { f.TLSClientCA = devices.cert })
	h := secureHome(t, n)
	shows := func(c *madeFiles) []string {
		return []string{"--tls-ca", m.cert, "--tls-cert", c.cert, "--tls-key", c.key}
	}
	alice := h.chat(t, "alice", shows(devices)...).ready()
	push := []string{"push", "--route", h.route, "--key-file", key, "--to", "alice", "hello"}
	if code, out, errs := runScript(t, slices.Concat(push, shows(devices))...); code != exitOK {
		t.Errorf("push: exit code %d, %q, %q", code, out, errs)
	}
	if line := alice.line(); !strings.HasSuffix(line, "\tprivate\thello") {
		t.Errorf("alice heard %q", line)
	}
	for says, flags := range map[string][]string{
		"give one with --tls-cert FILE and --tls-key FILE": {"--tls-ca", m.cert}, "--tls-client-ca": shows(strangers),
	} {
		code, _, errs := h.runChat(t, "", "bob", flags...)
		if code != exitFailed || !strings.Contains(errs, "wants a client certificate") || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("chat: exit code %d, %q", code, errs)
		}
		code, _, errs = runScript(t, slices.Concat(push, flags)...)
		if code != exitFailed || !strings.Contains(errs, says) {
			t.Errorf("push: exit code %d, %q", code, errs)
		}
	}
}

// expiredNode shows a certificate that cim up would not start with: it has expired since.
func expiredNode(t *testing.T) (*node, *madeFiles) {
	t.Helper()
	m := makeFiles(t, "server", -1)
	pair, err := tls.LoadX509KeyPair(m.cert, m.key)
	if err != nil {
		t.Fatal(err)
	}
	certs := &certificates{}
	certs.current.Store(&tls.Config{Certificates: []tls.Certificate{pair}})
	return newTestNode(t, func(c *nodeConfig) { c.certs = certs }), m
}

// halfSecure is a proxy that takes TLS off in front of a node without any, and a file with its authority.
func halfSecure(t *testing.T, n *node) (route, ca string) {
	t.Helper()
	to, err := url.Parse("http://" + n.httpAddr.String())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(proxy.Close)
	ca = filepath.Join(t.TempDir(), "proxy.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return proxy.URL, ca
}

// Each of the commands says in one line what is wrong, and what to do about it.
func TestTLSErrorsOfCommands(t *testing.T) {
	n, m, key := tlsTokenNode(t)
	plain := newTestNode(t)
	expired, old := expiredNode(t)
	other := makeFiles(t, "other", 1)
	half, halfCA := halfSecure(t, plain)
	secure := "https://" + n.httpAddr.String()
	for name, tc := range map[string]struct {
		route string
		flags []string
		says  []string
	}{
		"the system's authorities": {secure, nil, []string{"signed by nobody who is trusted here", "--tls-ca FILE"}},
		"another authority":        {secure, []string{"--tls-ca", other.cert}, []string{"--tls-ca " + other.cert + " is not its authority"}},
		"another name":             {secure, []string{"--tls-ca", m.cert, "--tls-server-name", "im.example.com"}, []string{"another name", "im.example.com", "--tls-server-name"}},
		"expired":                  {"https://" + expired.httpAddr.String(), []string{"--tls-ca", old.cert}, []string{"has expired", "renew"}},
		"a route without TLS":      {"https://" + plain.httpAddr.String(), nil, []string{"does not speak TLS", "begin --route with http://"}},
		"a route with TLS":         {"http://" + n.httpAddr.String(), nil, []string{"speaks TLS", "begin the URL with https://"}},
		"a server without TLS":     {half, []string{"--tls-ca", halfCA}, []string{plain.server.Addr().String() + " does not speak TLS", "--tls-cert and --tls-key"}},
	} {
		h := chatHome{tc.route, t.TempDir()}
		outcome := map[string]string{}
		code, _, errs := h.runChat(t, "", "alice", tc.flags...)
		outcome["chat"] = errs
		if code != exitFailed || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: chat: exit code %d, %q", name, code, errs)
		}
		commands := map[string][]string{"bench": {"bench", "idle", "-n", "5", "--for", "1ms"}}
		if name != "a server without TLS" {
			commands["push"], commands["account"] = []string{"push", "--all", "hello"}, []string{"account", "enable", "alice"}
		}
		for command, args := range commands {
			if command == "bench" && runtime.GOOS != "linux" {
				continue
			}
			code, _, errs := runScript(t, slices.Concat(args, []string{"--route", tc.route, "--key-file", key}, tc.flags)...)
			if outcome[command] = errs; code != exitFailed {
				t.Errorf("%s: %s: exit code %d", name, command, code)
			}
		}
		for command, errs := range outcome {
			for _, says := range tc.says {
				if !strings.Contains(errs, says) {
					t.Errorf("%s: %s says %q, without %q", name, command, errs, says)
				}
			}
		}
	}
}

func TestClientTLSUsage(t *testing.T) {
	m := makeFiles(t, "server", 1)
	junk := writeFile(t, "junk.pem", "junk")
	secure := []string{"--route", "https://127.0.0.1:1"}
	for name, tc := range map[string]struct {
		flags []string
		code  int
		says  string
	}{
		"no key":             {append(secure, "--tls-cert", m.cert), exitUsage, "--tls-key FILE"},
		"no certificate":     {append(secure, "--tls-key", m.key), exitUsage, "--tls-cert FILE"},
		"a CA without TLS":   {[]string{"--tls-ca", m.cert}, exitUsage, "begin it with https://"},
		"a name without TLS": {[]string{"--tls-server-name", "x"}, exitUsage, "begin it with https://"},
		"no such CA":         {append(secure, "--tls-ca", "/nonexistent"), exitFailed, "--tls-ca: open /nonexistent"},
		"junk for a CA":      {append(secure, "--tls-ca", junk), exitFailed, "no certificate in PEM"},
		"junk for a pair":    {append(secure, "--tls-cert", junk, "--tls-key", junk), exitFailed, "--tls-cert and --tls-key"},
	} {
		for _, command := range [][]string{
			{"chat", "--name", "x", "--home", t.TempDir()}, {"push", "--all", "x"}, {"account", "enable", "x"}, {"bench", "idle"},
		} {
			code, _, errs := runCIM(t, slices.Concat(command, tc.flags)...)
			if code != tc.code || !strings.Contains(errs, tc.says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: %s: exit code %d, %q", name, command[0], code, errs)
			}
		}
	}
}

// A server's certificate may stand in the environment of a client that needs none.
func TestCertificateIsNotForRoutesWithoutTLS(t *testing.T) {
	h := newHome(t, newTestNode(t))
	t.Setenv("CIM_TLS_CERT", "/nonexistent")
	t.Setenv("CIM_TLS_KEY", "/nonexistent")
	if code, _, errs := h.runChat(t, "hello\n", "alice"); code != exitOK {
		t.Errorf("chat: exit code %d, %q", code, errs)
	}
}

// What does not begin like HTTP is closed without an answer, and one request is answered once.
func TestPlainTalkOnTheHTTPSPort(t *testing.T) {
	n, _, _ := tlsTokenNode(t)
	for talk, want := range map[string]string{
		"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 20_000): "HTTP/1.1 400 ",
		"GET / HTTP/1.1\r\n": "HTTP/1.1 400 ", "hello, who is there": "",
	} {
		w := dialWire(t, n.httpAddr.String())
		w.write([]byte(talk))
		_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
		var got bytes.Buffer
		_, err := got.ReadFrom(w.conn)
		if err != nil && want != "" || !strings.HasPrefix(got.String(), want) || (want == "") != (got.Len() == 0) {
			t.Errorf("%.20q is answered %q, %v", talk, got.String(), err)
		}
		if want != "" && strings.Count(got.String(), "HTTP/1.1 ") != 1 {
			t.Errorf("%.20q is answered %q", talk, got.String())
		}
	}
}

func TestTLSFailureIsUnreachable(t *testing.T) {
	noTLS := routes.Failure{Route: "https://a", Sent: true, Err: tls.RecordHeaderError{}}
	gone := routes.Failure{Route: "https://b", Err: errors.New("connection refused")}
	lost := routes.Failure{Route: "https://b", Sent: true, Err: io.EOF}
	app := &application{routes: routes.MustParse("https://a,https://b")}
	for name, tt := range map[string]struct {
		failures []routes.Failure
		again    bool
		word     string
		says     string
	}{
		"TLS":         {[]routes.Failure{noTLS}, false, resultUnreachable, "https://a does not speak TLS: begin --route with http://, if that is meant"},
		"TLS twice":   {[]routes.Failure{noTLS, noTLS}, false, resultUnreachable, "cannot reach any of the routes: "},
		"TLS and one": {[]routes.Failure{noTLS, gone}, true, resultUnreachable, "that their URLs are right (https://a does not speak TLS: begin --route with http://, if that is meant; https://b: connection refused)"},
		"no TLS":      {[]routes.Failure{gone}, true, resultUnreachable, "cannot reach https://b: check that the route runs and that the URL is right (connection refused)"},
		"lost":        {[]routes.Failure{noTLS, lost}, true, resultNoAnswer, "no answer came from https://a, https://b (https://a does not speak TLS"},
	} {
		err := app.failed(&routes.Error{Failures: tt.failures})
		if worthAnother(err, asOften) != tt.again || failureWord(err) != tt.word || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v is %q, worth another: %t", name, err, failureWord(err), worthAnother(err, asOften))
		}
	}
	if (clientTLSFlags{}).explain(client.ErrUnreachable) != nil {
		t.Error("an error that is not of TLS was explained")
	}
}
