package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cim/client/routes"
)

func TestAccountImport(t *testing.T) {
	f := newFakeRoute(t)
	in := writeFile(t, "in.csv", "\ufeffName,Kind\nalice,user\n\"a, b\",\ncarol,device\n")
	out := filepath.Join(t.TempDir(), "secrets.csv")
	code, stdout, errs := runScript(t, f.args("account", "import", in, "--out", out)...)
	if code != exitOK || !strings.Contains(stdout, "3 accounts in "+out+": 2 with a new secret, 1 without") {
		t.Fatalf("exit code %d, %q, %q", code, stdout, errs)
	}
	want := "name,user_id,secret\nalice,5,\n\"a, b\",102,\"s-user-a, b\"\ncarol,103,s-device-carol\n"
	info, err := os.Stat(out)
	if got := readAll(t, out); got != want || err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %q with %v, %v; want %q with 0600", got, info.Mode(), err, want)
	}
	// Again: nothing is overwritten, and in another file nothing is made anew.
	code, _, errs = runScript(t, f.args("account", "import", in, "--out", out)...)
	if code != exitFailed || !strings.Contains(errs, "exists, and may hold secrets") || readAll(t, out) != want {
		t.Errorf("into the same file: exit code %d, %q, %q", code, errs, readAll(t, out))
	}
	code, stdout, errs = runScript(t, f.args("account", "import", in, "--out", out+"2")...)
	if code != exitOK || !strings.Contains(stdout, "0 with a new secret") {
		t.Errorf("into another file: exit code %d, %q, %q", code, stdout, errs)
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is in the file stays there when the run fails later; a file with nothing in it does not stay.
func TestAccountImportFails(t *testing.T) {
	var in strings.Builder
	in.WriteString("name\n")
	for i := range itemsACall + 1 {
		fmt.Fprintf(&in, "u%d\n", i)
	}
	for name, tt := range map[string]struct {
		at     int // the request that fails
		answer func(w http.ResponseWriter)
		says   string
		lines  int
	}{
		"refused at first": {0, func(w http.ResponseWriter) { refuse(w, 403, "not_allowed") }, "not_allowed", 0},
		"refused later":    {1, func(w http.ResponseWriter) { refuse(w, 403, "not_allowed") }, "not_allowed", itemsACall + 1},
		"no answer":        {1, cut, "secrets are lost; import again", itemsACall + 1},
		"failed":           {1, func(w http.ResponseWriter) { refuse(w, 500, "internal") }, "secrets are lost; import again", itemsACall + 1},
		"too few":          {1, func(w http.ResponseWriter) { fmt.Fprint(w, `{"accounts":[]}`) }, "1 accounts were asked for and 0 came", itemsACall + 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			f.answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == tt.at {
					tt.answer(w)
				}
				return n == tt.at
			}
			out := filepath.Join(t.TempDir(), "secrets.csv")
			code, stdout, errs := runScript(t, f.args("account", "import", writeFile(t, "in.csv", in.String()), "--out", out)...)
			if code != exitFailed || !strings.Contains(errs, tt.says) || f.asked() != tt.at+1 {
				t.Errorf("exit code %d, %q, %q after %d requests", code, stdout, errs, f.asked())
			}
			b, err := os.ReadFile(out)
			if got := strings.Count(string(b), "\n"); got != tt.lines || os.IsNotExist(err) != (tt.lines == 0) {
				t.Errorf("%d lines are in the file, %v; want %d", got, err, tt.lines)
			}
		})
	}
}

// partly is an answer to a bulk call in which some accounts have failed with a code.
func partly(w http.ResponseWriter, r *http.Request, code string, failed func(name string) bool) {
	var in struct{ Accounts []newAccount }
	_ = json.NewDecoder(r.Body).Decode(&in)
	var answers []map[string]any
	for i, a := range in.Accounts {
		out := map[string]any{"name": a.Name, "kind": a.Kind}
		if failed(a.Name) {
			out["error"] = map[string]string{"code": code, "message": "It is " + code + "."}
		} else {
			out["user_id"], out["secret"] = 200+i, "s-"+a.Name
		}
		answers = append(answers, out)
	}
	w.WriteHeader(http.StatusMultiStatus)
	_ = json.NewEncoder(w).Encode(map[string]any{"accounts": answers})
}

// What was made is in the file with its secret, whatever became of the rest, which is asked for again when that may help.
func TestAccountImportOfWhichSomeFail(t *testing.T) {
	in := []newAccount{{"alice", "user"}, {"lamp", "device"}, {"bob", "user"}}
	isLamp := func(name string) bool { return name == "lamp" }
	for name, tt := range map[string]struct {
		code  string
		until int // the answer from which on all succeed
		asked int
		file  string
		says  string
	}{
		"for a moment":  {"store_unavailable", 2, 3, "alice,200,s-alice\nbob,202,s-bob\nlamp,200,s-lamp\n", ""},
		"all the while": {"overloaded", 100, callTries, "alice,200,s-alice\nbob,202,s-bob\n", "1 accounts were not made: It is overloaded.: import the file again"},
		"for good":      {"disk_full", 100, 1, "alice,200,s-alice\nbob,202,s-bob\n", "1 accounts were not made: It is disk_full."},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			f.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
				partly(w, r, tt.code, func(name string) bool { return n < tt.until && isLamp(name) })
				return true
			}
			path := filepath.Join(t.TempDir(), "secrets.csv")
			out, err := createSecrets(path)
			if err != nil {
				t.Fatal(err)
			}
			app := &application{routes: routes.MustParse(f.url), key: testKey, http: http.DefaultClient}
			app.pause = func(context.Context, time.Duration) error { return nil }
			err = (&accountImportCmd{}).importAll(t.Context(), app, in, out)
			if err == nil != (tt.says == "") || err != nil && !strings.HasPrefix(err.Error(), tt.says) || f.asked() != tt.asked {
				t.Errorf("%v after %d requests", err, f.asked())
			}
			if err := out.close(); err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, path); got != "name,user_id,secret\n"+tt.file {
				t.Errorf("the file is %q", got)
			}
		})
	}
}

// A mistake is found before any account is made.
func TestAccountImportReadsAllFirst(t *testing.T) {
	for name, tt := range map[string]struct{ file, says string }{
		"empty":          {"", "has to be a header: name[,kind]"},
		"no header":      {"alice,user\n", `has to be a header: name[,kind], and "alice" is neither`},
		"no names":       {"kind\nuser\n", "has to be a header: name[,kind]"},
		"no accounts":    {"name,kind\n", "no accounts"},
		"impossible":     {"name\nalice\na;b\n", "line 3"},
		"unknown kind":   {"name,kind\nalice,robot\n", "use user or device"},
		"twice":          {"name\nzo\u00eb\nbob\nzoe\u0308\n", "line 4: the name \"zoë\" is in line 2 already"},
		"missing column": {"name,kind\nalice\n", "wrong number of fields"},
		"broken quotes":  {"name\n\"alice\n", "\""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			out := filepath.Join(t.TempDir(), "out.csv")
			code, _, errs := runScript(t, f.args("account", "import", writeFile(t, "in.csv", tt.file), "--out", out)...)
			if _, err := os.Stat(out); code != exitFailed || !strings.Contains(errs, tt.says) || !os.IsNotExist(err) || f.asked() != 0 {
				t.Errorf("exit code %d, %q after %d requests, file: %v", code, errs, f.asked(), err)
			}
		})
	}
}

func TestAccountChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		code int
		out  string
		says string
	}{
		"secret by name":  {[]string{"secret", "alice"}, exitOK, "new-5\n", ""},
		"secret by id":    {[]string{"secret", "77"}, exitOK, "new-77\n", ""},
		"disable":         {[]string{"disable", "bob"}, exitOK, "6\tdisabled\n", ""},
		"enable":          {[]string{"enable", "bob"}, exitOK, "6\tenabled\n", ""},
		"nobody":          {[]string{"disable", "nobody"}, exitFailed, "", `there is no account "nobody"`},
		"impossible id":   {[]string{"disable", "0"}, exitFailed, "", `there is no account "0"`},
		"impossible name": {[]string{"enable", "a;b"}, exitUsage, "", "neither an id nor a name"},
		"no account":      {[]string{"secret"}, exitUsage, "", "account"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRoute(t)
			code, out, errs := runScript(t, f.args(append([]string{"account"}, tt.args...)...)...)
			if code != tt.code || out != tt.out && tt.code == exitOK || !strings.Contains(errs, tt.says) {
				t.Errorf("exit code %d, %q, %q", code, out, errs)
			}
		})
	}
}

func TestAccountSecretPassesAWarningOn(t *testing.T) {
	f := newFakeRoute(t)
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"user_id":5,"secret":"new","warning":"Look at this."}`)
		return true
	}
	if code, out, errs := runScript(t, f.args("account", "secret", "alice")...); code != exitOK || out != "new\n" || errs != "Look at this.\n" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

func TestAccountSecretOfARouteWithout(t *testing.T) {
	f := newFakeRoute(t)
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, `{}`); return true }
	if code, _, errs := runScript(t, f.args("account", "secret", "alice")...); code != exitFailed || !strings.Contains(errs, "gave no secret") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
