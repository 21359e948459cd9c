package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// docs/limits.md explains each reason that a server counts, and what it names exists: flags and tests.
func TestLimitsAreDocumented(t *testing.T) {
	const path = "../../docs/limits.md"
	doc := readAll(t, path)
	stats := newTestNode(t).server.Stats()
	named := loginRefusals()
	for reason := range stats.Closed {
		named = append(named, reason)
	}
	for reason := range stats.Dropped {
		named = append(named, reason)
	}
	for _, reason := range named {
		if !strings.Contains(doc, "`"+reason+"`") {
			t.Errorf("%s does not name %s", path, reason)
		}
	}
	flags := flagsOf(t)
	for _, flag := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(doc, -1) {
		if !slices.Contains(flags, flag[1]) {
			t.Errorf("%s names --%s, which cim up does not have", path, flag[1])
		}
	}
	tests := testsOf(t, "../..")
	found := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(doc, -1)
	for _, name := range found {
		if !tests[name] {
			t.Errorf("%s names %s, which does not exist", path, name)
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d tests are named", len(found))
	}
}

// flagsOf are those of cim up.
func flagsOf(t *testing.T) (names []string) {
	t.Helper()
	parser, err := kong.New(&upCmd{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range parser.Model.Flags {
		names = append(names, f.Name)
	}
	return names
}

// testsOf are the names of all test functions below a folder.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range declared.FindAllStringSubmatch(readAll(t, path), -1) {
			names[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
