package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Mistakes that are easily made are answered with what to write.
func TestPlainUsage(t *testing.T) {
	for name, tt := range map[string]struct{ args, says string }{
		"no name":         {"chat", "cim: chat: missing --name\n"},
		"several missing": {"server --listen :1 --advertise x", "cim: missing --"},
		"no quotes":       {"push --to bob hello there", `unexpected argument there: a text of several words goes into quotes, as "hello there"`},
		"not of push":     {"chat --name x hello", "cim: unexpected argument hello\n"},
		"a comma":         {"chat --name x --route http://a:8083,", `--route "http://a:8083," ends with a comma`},
	} {
		code, _, stderr := runCIM(t, strings.Fields(tt.args)...)
		if code != exitUsage || !strings.Contains(stderr, tt.says) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "=") {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}

func TestMissingKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "application.key")
	if code, _, stderr := runCIM(t, "push", "--to", "bob", "--key-file", path, "x"); code != exitFailed ||
		!strings.Contains(stderr, "--key-file "+path+" is missing: ") || !strings.Contains(stderr, "cim-data/application.key") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
