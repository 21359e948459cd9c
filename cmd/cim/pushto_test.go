package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestPushReceiversFromAFile(t *testing.T) {
	f := newFakeRoute(t)
	path := writeFile(t, "receivers", "alice\r\n\n  6\nnobody")
	code, out, errs := runScript(t, f.args("push", "hello", "--to", "7", "--to-file", path)...)
	want := "7\tstored\t70\n5\tstored\t50\n6\tstored\t60\nnobody\tunknown_user\t0\n"
	if code != exitFailed || out != want || !strings.Contains(errs, "1 of 4 receivers did not get the message") {
		t.Errorf("exit code %d, %q, %q; want %q", code, out, errs, want)
	}
	if m := f.messages[0]; len(f.messages) != 1 || !slices.Equal(m.Users, []int64{5, 6, 7}) {
		t.Errorf("sent %+v", f.messages)
	}
}

func TestPushReceiversFromStdin(t *testing.T) {
	f := newFakeRoute(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), f.args("push", "hello", "--to-file", "-"), streams{strings.NewReader("bob\nalice\n"), &out, &errs})
	if want := "6\tstored\t60\n5\tstored\t50\n"; code != exitOK || out.String() != want || errs.String() != "" {
		t.Errorf("exit code %d, %q, %q; want %q", code, out.String(), errs.String(), want)
	}
}

// A file that cannot be meant so sends nothing.
func TestPushReceiversThatAreRefused(t *testing.T) {
	f := newFakeRoute(t)
	for name, tt := range map[string]struct{ content, want string }{
		"not a name":   {"alice\na;b\n", `line 2: "a;b" is neither an id nor a name`},
		"empty":        {"\n \n", "there is nobody in it: write one receiver a line"},
		"one long row": {strings.Repeat("alice,", 100), "a line has over 256 bytes: write one receiver a line"},
		"too many":     {strings.Repeat("1\n", maxReceivers+1), "there are more than 1048576 receivers: send to them in parts"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := runScript(t, f.args("push", "hello", "--to", "7", "--to-file", writeFile(t, "receivers", tt.content))...)
			if code != exitFailed || out != "" || !strings.Contains(errs, "--to-file ") || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, %q, %q; want %q", code, out, errs, tt.want)
			}
		})
	}
	code, _, errs := runScript(t, f.args("push", "hello", "--to-file", "/nonexistent")...)
	if code != exitFailed || !strings.Contains(errs, "--to-file: open /nonexistent: ") {
		t.Errorf("exit code %d, %q", code, errs)
	}
	for _, args := range [][]string{{"-", "--to-file", "-"}, {"x", "--to-file", "-", "--all"}} {
		if code, _, errs := runScript(t, f.args(append([]string{"push"}, args...)...)...); code != exitUsage {
			t.Errorf("%q: exit code %d, %q", args, code, errs)
		}
	}
	if n := f.asked(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}
