package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAccountFile reads files of accounts. A file is refused, or each of its accounts may be made, under a name of
// its own.
func FuzzAccountFile(f *testing.F) {
	for _, text := range []string{
		"name,kind\nalice,user\nlamp-1,device\n", "name\nalice\n", "\ufeffkind , NAME\r\n,bob\r\n", "name\n\"a,b\"\n\"x\ny\"\n",
		"", "name\n", "name,name\na,b\n", "kind\nuser\n", "name,kind\nalice\n", "name\nalice\nalice\n", "name\ne\u0301\n\u00e9\n", "name\n\xff\n", "name,kind\nx,root\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		accounts, err := parseAccounts(bytes.NewReader(text))
		if (err == nil) != (len(accounts) > 0) {
			t.Fatalf("%d accounts, %v", len(accounts), err)
		}
		seen := map[string]bool{}
		for _, a := range accounts {
			if err := a.check(); err != nil || seen[a.Name] {
				t.Errorf("%+v: %v, seen before: %t", a, err, seen[a.Name])
			}
			seen[a.Name] = true
		}
	})
}

// FuzzChatLines has a pipe say anything. Lines come whole or not at all, and none that is for one user goes to
// everyone.
func FuzzChatLines(f *testing.F) {
	for _, text := range []string{
		"hello\n", "bob;;hi\r\n", " :q\n", "::not a command\n", ";;x\n", "a;;\n", ":delay text 5", "\xff\n", strings.Repeat("x", 70_000) + "\nnext\n", "\n\n", "a;;b;;c",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newLineReader(bytes.NewReader(text))
		lines := 0
		for {
			line := r.next()
			if line.last {
				if !errors.Is(line.err, io.EOF) {
					t.Errorf("the end: %v", line.err)
				}
				break
			}
			if lines++; lines > bytes.Count(text, []byte("\n"))+1 {
				t.Fatal("more lines than there are")
			}
			checkLine(t, line)
		}
	})
}

func checkLine(t *testing.T, line inputLine) {
	t.Helper()
	if line.err != nil {
		return
	}
	if len(line.text) > maxLine || !utf8.ValidString(line.text) || strings.Contains(line.text, "\n") {
		t.Errorf("not a line: %q", line.text)
	}
	in, err := line.parse()
	switch {
	case err != nil:
		if !strings.Contains(line.text, ";;") {
			t.Errorf("%q: %v", line.text, err)
		}
	case in.kind == inputText && in.to == "" && strings.Contains(line.text, ";;") && !strings.HasPrefix(strings.TrimLeft(line.text, " \t"), "::"):
		t.Errorf("%q would go to everyone", line.text)
	case in.kind == inputText && in.text == "":
		t.Errorf("%q has no text", line.text)
	}
}
