package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cim/client"
	"cim/client/routes"
)

func TestRouteURLsOfFlagEnvironmentAndFile(t *testing.T) {
	for name, tt := range map[string]struct {
		flags []string
		env   string
		yaml  string
		want  routeURLs
	}{
		"neither":        {want: "http://127.0.0.1:8083"},
		"a flag":         {flags: []string{"--route", "http://a,http://b"}, env: "http://c", want: "http://a,http://b"},
		"an environment": {env: "http://a,http://b", yaml: "http://c", want: "http://a,http://b"},
		"a text in YAML": {yaml: "http://a,http://b", want: "http://a,http://b"},
		"a list in YAML": {yaml: "[http://a, http://b]", want: "http://a,http://b"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"chat", "--name", "alice"}, tt.flags...)
			if tt.env != "" {
				t.Setenv("CIM_ROUTE", tt.env)
			}
			if tt.yaml != "" {
				args = append(args, "--config", writeFile(t, "cim.yaml", "chat:\n  route: "+tt.yaml+"\n"))
			}
			var c cli
			parser, err := newParser(&c, streams{out: os.Stdout, err: os.Stderr})
			if err != nil {
				t.Fatal(err)
			}
			if err := useConfigFile(parser, args); err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil || c.Chat.Route != tt.want {
				t.Errorf("%q, %v", c.Chat.Route, err)
			}
		})
	}
}

func TestRouteURLsUsage(t *testing.T) {
	for list, says := range map[string]string{
		"http://a,b":         `--route "b" is not a URL: write it as http://127.0.0.1:8083`,
		"http://a,":          `--route "http://a," ends with a comma`,
		",http://a":          `--route "" is not a URL`,
		"https://a,http://b": `--route "https://a,http://b" is with and without TLS`,
	} {
		for _, command := range []string{"chat --name x", "push --all x", "account enable x", "bench idle", "bench send", "bench hostile"} {
			code, _, errs := runCIM(t, append(strings.Fields(command), "--route", list)...)
			if code != exitUsage || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s --route %s: exit code %d, %q", command, list, code, errs)
			}
		}
	}
}

// What belongs to a cluster is found under any of its routes, and begins under the first.
func TestPlaceOfACluster(t *testing.T) {
	dir := t.TempDir()
	of := func(route string) string { return filepath.Join(dir, hostOf(route)) }
	for _, tt := range []struct {
		list routeURLs
		want string
	}{{"http://a,http://b", "a"}, {"http://b,http://a", "b"}, {"http://b,http://kept,http://a", "kept"}, {"http://kept", "kept"}} {
		if tt.want == "kept" {
			if err := os.MkdirAll(of("http://kept"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := tt.list.place(of); got != of("http://"+tt.want) {
			t.Errorf("%s: %s, want %s", tt.list, got, tt.want)
		}
	}
}

// A chat is the same user on the same device, with the same history, in whichever order its routes are given.
func TestChatKeepsItsThingsInAnyOrder(t *testing.T) {
	n, _ := tokenNode(t)
	h := newHome(t, n)
	dead := "http://" + freeAddr(t)
	both, swapped := chatHome{h.route + "," + dead, h.dir}, chatHome{dead + ", " + h.route, h.dir}
	var id int64
	for i, of := range []chatHome{both, swapped, both, h} {
		alice := of.chat(t, "alice").ready()
		if id == 0 {
			id = alice.id
		}
		if alice.id != id {
			t.Errorf("start %d is %d, and the first was %d", i, alice.id, id)
		}
		alice.say(":q")
		alice.exits(exitOK)
	}
	for _, kind := range []string{"devices", "secrets"} {
		places, err := filepath.Glob(filepath.Join(h.dir, kind, "*", "*"))
		var files int
		for _, p := range places {
			if sub, _ := filepath.Glob(p + "/*.device"); kind == "secrets" || len(sub) == 1 {
				files++
			}
		}
		if err != nil || files != 1 {
			t.Errorf("%s: %q, %v", kind, places, err)
		}
	}
}

func TestChatWithoutAnyRoute(t *testing.T) {
	a, b := "http://"+freeAddr(t), "http://"+freeAddr(t)
	h := chatHome{a + "," + b, t.TempDir()}
	code, _, stderr := h.runChat(t, "", "alice")
	if code != exitFailed || !strings.Contains(stderr, "cannot reach any of the routes: check that they run and that their URLs are right (") ||
		!strings.Contains(stderr, a+": dial ") || !strings.Contains(stderr, b+": dial ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	c := &chat{cmd: &chatCmd{Route: routeURLs(h.route)}}
	if got := c.commandTrouble(client.ErrUnreachable); got != "the routes "+a+", "+b+" cannot be reached now; try again later" {
		t.Error(got)
	}
}

func TestPushAsksAnotherRoute(t *testing.T) {
	qos0, dead := 0, "http://"+freeAddr(t)
	cuts := func(int, http.ResponseWriter, *http.Request) bool { cut(nil); return true }
	full := func(_ int, w http.ResponseWriter, _ *http.Request) bool { refuse(w, 503, "no_server"); return true }
	for name, tt := range map[string]struct {
		first  func(int, http.ResponseWriter, *http.Request) bool // nil: nobody listens
		push   pushCmd
		out    string
		asked  int // the second route
		pauses int
	}{
		"nobody there":           {nil, pushCmd{To: []string{"5"}}, "5\tstored\t50\n", 1, 0},
		"nobody there, everyone": {nil, pushCmd{All: true}, "everyone\treached\t3\n", 1, 0},
		"cut":                    {cuts, pushCmd{To: []string{"5"}}, "5\tstored\t50\n", 1, 0},
		"cut, QoS 0":             {cuts, pushCmd{To: []string{"5"}, QoS: &qos0}, "5\tno_answer\t0\n", 0, 0},
		"cut, everyone":          {cuts, pushCmd{All: true}, "everyone\tno_answer\t0\n", 0, 0},
		"cannot now":             {full, pushCmd{To: []string{"5"}}, "5\tstored\t50\n", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newFakeRoute(t), newFakeRoute(t)
			url := first.url
			if first.answer = tt.first; tt.first == nil {
				url = dead
			}
			tt.push.Text = text("x")
			second.routes = routes.MustParse(url + "," + second.url).From(0)
			out, pauses, err := second.push(&tt.push)
			if out != tt.out || second.asked() != tt.asked || len(pauses) != tt.pauses || (err == nil) != (tt.asked == 1) {
				t.Errorf("%q after %d requests to the other and %v, %v", out, second.asked(), pauses, err)
			}
		})
	}
}

func TestPushWithoutAnyRoute(t *testing.T) {
	f := newFakeRoute(t)
	a, b := "http://"+freeAddr(t), "http://"+freeAddr(t)
	f.routes = routes.MustParse(a + "," + b)
	out, pauses, err := f.push(&pushCmd{To: []string{"5"}, Text: text("x")})
	if !errors.Is(err, client.ErrUnreachable) || out != "5\tunreachable\t0\n" || len(pauses) != callTries-1 ||
		!strings.Contains(fmt.Sprint(err), a) || !strings.Contains(fmt.Sprint(err), b) {
		t.Errorf("%q after %v, %v", out, pauses, err)
	}
}
