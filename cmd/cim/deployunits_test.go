package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

const deployFolder = "../../deploy/"

// unitFile is a systemd unit: each setting with its values, in order.
type unitFile map[string][]string

func readUnit(t *testing.T, name string) unitFile {
	t.Helper()
	text, err := os.ReadFile(deployFolder + name)
	if err != nil {
		t.Fatal(err)
	}
	u := make(unitFile)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one is the value of a setting that may stand there once.
func (u unitFile) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s stands there %d times", key, len(u[key]))
	}
	return u[key][0]
}

// seconds is a time-out that is written as a plain number.
func (u unitFile) seconds(t *testing.T, key string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(u.one(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}

// envLine is a line of a file of environment variables; off: it is a comment.
type envLine struct {
	name, value string
	off         bool
}

func readSettings(t *testing.T, name string) (all []envLine) {
	t.Helper()
	text, err := os.ReadFile(deployFolder + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		rest, off := strings.CutPrefix(strings.TrimSpace(line), "#")
		if name, value, ok := strings.Cut(rest, "="); ok && strings.HasPrefix(name, "CIM_") {
			all = append(all, envLine{name, value, off})
		}
	}
	return all
}

// parseCommand is the command line that a unit runs.
func parseCommand(t *testing.T, execStart string) (*cli, *kong.Context) {
	t.Helper()
	words := strings.Fields(execStart)
	if words[0] != "/usr/local/bin/cim" {
		t.Errorf("it runs %s", words[0])
	}
	var c cli
	parser, err := newParser(&c, streams{out: new(bytes.Buffer), err: new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(words[1:])
	if err != nil {
		t.Fatalf("%q: %v", execStart, err)
	}
	return &c, k
}

var units = []struct {
	unit, env string // env: of the settings; none for a unit that needs none
	stops     func(*cli) time.Duration
}{
	{"cim.service", "", func(*cli) time.Duration { return drainTime }},
	{"cim-server.service", "cim-server.env", func(c *cli) time.Duration { return c.Server.Drain + drainTime }},
	{"cim-route.service", "cim-route.env", func(*cli) time.Duration { return drainTime }},
}

// Each unit runs a command line that this program takes, with the settings that come along, and waits for its end.
func TestUnitsParse(t *testing.T) {
	for _, tc := range units {
		t.Run(tc.unit, func(t *testing.T) {
			u := readUnit(t, tc.unit)
			for _, assignment := range u["Environment"] {
				name, value, _ := strings.Cut(assignment, "=")
				t.Setenv(name, value)
			}
			if tc.env != "" {
				for _, s := range readSettings(t, tc.env) {
					if !s.off {
						t.Setenv(s.name, s.value)
					}
				}
				if want := "/etc/cim/" + strings.TrimPrefix(tc.env, "cim-"); u.one(t, "EnvironmentFile") != want {
					t.Errorf("EnvironmentFile=%s, want %s", u.one(t, "EnvironmentFile"), want)
				}
			}
			c, _ := parseCommand(t, u.one(t, "ExecStart"))
			if got, least := u.seconds(t, "TimeoutStopSec"), tc.stops(c)+5*time.Second; got < least {
				t.Errorf("TimeoutStopSec is %v, and a stop may take %v", got, least)
			}
			if got := u.one(t, "RestartPreventExitStatus"); got != strconv.Itoa(exitUsage) || u.one(t, "Restart") != "on-failure" {
				t.Errorf("Restart=%s, but not after %s", u.one(t, "Restart"), got)
			}
			if folder := u["StateDirectory"]; folder != nil && !strings.Contains(strings.Join(slices.Concat(u["ExecStart"], u["Environment"]), " "), "/var/lib/"+folder[0]) {
				t.Errorf("nothing is kept in %s", folder[0])
			}
		})
	}
}

// The files of settings name each flag once, by its variable, with a value that it takes.
func TestUnitSettings(t *testing.T) {
	for _, tc := range units {
		if tc.env == "" {
			continue
		}
		t.Run(tc.env, func(t *testing.T) {
			settings := readSettings(t, tc.env)
			for _, s := range settings {
				t.Setenv(s.name, s.value)
			}
			_, k := parseCommand(t, readUnit(t, tc.unit).one(t, "ExecStart"))
			var want []string
			defaults := make(map[string]string)
			for _, flag := range k.Flags() {
				for _, name := range flag.Envs {
					want = append(want, name)
					defaults[name] = flag.Default
				}
			}
			var got []string
			for _, s := range settings {
				got = append(got, s.name)
				if d := defaults[s.name]; s.off && d != "" && d != s.value {
					t.Errorf("%s: the default is %s, not %s", s.name, d, s.value)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("it names\n%s, the flags are\n%s", got, want)
			}
		})
	}
}

// What cim.service forbids itself, the others do, too. Who runs it is another matter.
func TestUnitsAreEquallyHard(t *testing.T) {
	model := readUnit(t, "cim.service")
	for _, name := range []string{"cim-server.service", "cim-route.service"} {
		u := readUnit(t, name)
		for key, values := range model {
			hardening := strings.HasPrefix(key, "Protect") || strings.HasPrefix(key, "Private") || strings.HasPrefix(key, "Restrict") && key != "RestartPreventExitStatus" ||
				strings.HasPrefix(key, "SystemCall") || slices.Contains([]string{"CapabilityBoundingSet", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "UMask"}, key)
			if hardening && !slices.Equal(u[key], values) {
				t.Errorf("%s: %s is %q, in cim.service %q", name, key, u[key], values)
			}
		}
		if u.one(t, "User") == "root" || u.one(t, "RemoveIPC") != "yes" { // which DynamicUser= brings
			t.Errorf("%s: User=%s, RemoveIPC=%s", name, u.one(t, "User"), u.one(t, "RemoveIPC"))
		}
	}
}

// systemd takes the units, where it is there to ask.
func TestUnitsVerify(t *testing.T) {
	systemd, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, tc := range units {
		text, err := os.ReadFile(deployFolder + tc.unit)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), tc.unit)
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/cim"), []byte(os.Args[0])) // it has to exist
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(systemd, "verify", path).CombinedOutput(); err != nil || strings.Contains(string(out), tc.unit) {
			t.Errorf("%s: %v\n%s", tc.unit, err, out)
		}
	}
}
