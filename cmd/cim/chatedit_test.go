package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// editing is an editor with the keys that go to it.
type editing struct {
	editor
	keys  keyDecoder
	lines []inputLine
	ended bool
}

func (e *editing) types(s string) {
	e.keys.feed([]byte(s), func(k key) {
		switch e.press(k) {
		case editLine:
			e.lines = append(e.lines, e.submit())
		case editEnd:
			e.ended = true
		}
	})
}

// shown is the line with the cursor in it.
func (e *editing) shown() string { return string(e.line[:e.pos]) + "|" + string(e.line[e.pos:]) }

const (
	up, down, left, right = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
	pasteBegins           = "\x1b[200~"
	pasteEnds             = "\x1b[201~"
)

func TestEditing(t *testing.T) {
	for name, tt := range map[string]struct{ typed, want string }{
		"at the end":            {"abc", "abc|"},
		"in the middle":         {"ac" + left + "b", "ab|c"},
		"backspace":             {"abc\x7f", "ab|"},
		"backspace, nothing":    {"\x7f", "|"},
		"delete":                {"abc\x01\x1b[3~", "|bc"},
		"^D in a line":          {"abc" + left + "\x04\x04", "ab|"},
		"left, nothing":         {"a" + left + left, "|a"},
		"right, nothing":        {"a" + right, "a|"},
		"wide":                  {"你好" + left + "x", "你x|好"},
		"combining":             {"ae\u0301" + left, "a|e\u0301"},
		"combining, right":      {"e\u0301b\x01" + right, "e\u0301|b"},
		"a family is one":       {"x👨\u200d👩\u200d👧\x7f", "x|"},
		"a hand with its skin":  {"x👋🏽\x7f", "x|"},
		"cut a word":            {"one two  \x17", "one |"},
		"cut to the right":      {"one two\x1bb\x0b", "one |"},
		"cut to the left":       {"one two\x1bb\x15", "|two"},
		"words":                 {"one two three\x1bb\x1bb\x1bf", "one two| three"},
		"home, end":             {"ab\x01x\x05y", "xaby|"},
		"swap":                  {"ab\x14", "ba|"},
		"swap in the middle":    {"abc" + left + "\x14", "acb|"},
		"swap, nothing":         {"a\x14", "a|"},
		"nothing before":        {up + down, "|"},
		"one back":              {"one\rtwo\r" + up, "two|"},
		"two back":              {"one\rtwo\r" + up + up + up, "one|"},
		"back and forth":        {"one\rtwo\rdraft" + up + up + down, "two|"},
		"the draft again":       {"one\rtwo\rdraft" + up + up + down + down + down, "draft|"},
		"edited, and not kept":  {"one\r" + up + "x\r" + up + up, "one|"},
		"the same is kept once": {"a\rb\rb\r" + up + up, "a|"},
		"empty is not kept":     {"a\r\r  \r" + up, "a|"},
		"a paste":               {"a" + pasteBegins + "\t\x1b[A\x03" + pasteEnds + "b", "a\t\x1b[A\x03b|"},
	} {
		t.Run(name, func(t *testing.T) {
			var e editing
			e.types(tt.typed)
			if got := e.shown(); got != tt.want || e.ended {
				t.Errorf("%q, ended %v, want %q", got, e.ended, tt.want)
			}
			if e.size != len(string(e.line)) {
				t.Errorf("it counts %d bytes, and has %d", e.size, len(string(e.line)))
			}
		})
	}
}

func TestEditingEnds(t *testing.T) {
	for _, typed := range []string{"\x04", "\x03", "abc\x03", "abc\r\x04"} {
		var e editing
		if e.types(typed); !e.ended {
			t.Errorf("%q does not end", typed)
		}
	}
}

// texts are what lines ask for, as "to: text" or ":command".
func (e *editing) texts() []string {
	var texts []string
	for _, l := range e.lines {
		in, err := l.parse()
		switch {
		case l.err != nil:
			texts = append(texts, l.err.Error())
		case err != nil:
			texts = append(texts, err.Error())
		case in.kind == inputCommand:
			texts = append(texts, ":"+in.command)
		case in.kind == inputText:
			texts = append(texts, in.to+": "+in.text)
		}
	}
	return texts
}

func TestPastes(t *testing.T) {
	for name, tt := range map[string]struct {
		typed string
		want  []string
		rest  string
	}{
		"line by line":           {pasteBegins + "a\rb\rc\r" + pasteEnds, []string{": a", ": b", ": c"}, "|"},
		"the last without end":   {pasteBegins + "a\rb" + pasteEnds, []string{": a"}, "b|"},
		"goes on where it stood": {"x" + pasteBegins + "a\rb" + pasteEnds + "c\r", []string{": xa", ": bc"}, "|"},
		"no commands":            {pasteBegins + ":q\r  :q\r:: x\r" + pasteEnds, []string{": :q", ":   :q", ": :: x"}, "|"},
		"a command, typed":       {":pu " + pasteBegins + "al\r" + pasteEnds, []string{":pu"}, "|"},
		"a command to look at":   {pasteBegins + ":olu" + pasteEnds + "\r", []string{":olu"}, "|"},
		"all to one":             {"bob;;" + pasteBegins + "a\r\rcarol;;b\r:q\rc" + pasteEnds, []string{"bob: a", "bob: carol;;b", "bob: :q"}, "bob;;c|"},
		"all to one, to its end": {"bob;;x" + pasteBegins + "a\rb\r" + pasteEnds, []string{"bob: xa", "bob: b"}, "|"},
		"names in it":            {pasteBegins + "bob;;a\rb\r" + pasteEnds, []string{"bob: a", ": b"}, "|"},
		"the next one is new":    {"bob;;" + pasteBegins + "a\r" + pasteEnds + pasteBegins + "b\r" + pasteEnds, []string{"bob: a", ": b"}, "|"},
	} {
		t.Run(name, func(t *testing.T) {
			var e editing
			e.types(tt.typed)
			if got := e.texts(); !slices.Equal(got, tt.want) || e.shown() != tt.rest {
				t.Errorf("%q and %q, want %q and %q", got, e.shown(), tt.want, tt.rest)
			}
		})
	}
}

func TestLinesThatCannotBeSent(t *testing.T) {
	var e editing
	e.types(pasteBegins + strings.Repeat("好", maxLine/3+1) + "\r" + strings.Repeat("x", maxLine) + "\r\xff\rgood\r" + pasteEnds)
	if len(e.lines) != 4 || !errors.Is(e.lines[0].err, errLineTooLong) || len(e.lines[1].text) != maxLine ||
		!errors.Is(e.lines[2].err, errNotUTF8) || e.lines[3].text != "good" {
		t.Errorf("%d lines: %.100v", len(e.lines), e.lines)
	}
}

func TestRecallIsBounded(t *testing.T) {
	var e editing
	for i := range recalledLines + 3 {
		e.types(fmt.Sprintf("line %d\r", i))
	}
	e.types(strings.Repeat(up, 2*recalledLines))
	if got := e.shown(); got != "line 3|" || len(e.recalled) != recalledLines {
		t.Errorf("the oldest of %d is %q", len(e.recalled), got)
	}
}
