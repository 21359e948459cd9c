package main

import (
	"fmt"
	"testing"
)

func TestWhatTheTerminalHas(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want int
	}{
		"nothing known":  {nil, 0},
		"dumb":           {map[string]string{"TERM": "dumb", "COLORTERM": "truecolor"}, 0},
		"few":            {map[string]string{"TERM": "xterm"}, len(fewColours)},
		"256":            {map[string]string{"TERM": "screen-256color"}, len(manyColours)},
		"all":            {map[string]string{"TERM": "xterm", "COLORTERM": "truecolor"}, len(manyColours)},
		"NO_COLOR":       {map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1"}, 0},
		"NO_COLOR empty": {map[string]string{"TERM": "xterm", "NO_COLOR": ""}, len(fewColours)},
	} {
		p := newPainter(func(key string) string { return tt.env[key] })
		if len(p.names) != tt.want {
			t.Errorf("%s: %d colours, want %d", name, len(p.names), tt.want)
		}
	}
}

func TestPainterWithoutColours(t *testing.T) {
	var p painter
	if got := p.name(7, "a", "a") + p.faint("b") + p.strong("c"); got != "abc" {
		t.Errorf("%q", got)
	}
}

// A user has one colour, whatever the name is written like; users differ, as far as there are colours.
func TestColoursOfNames(t *testing.T) {
	p := painter{manyColours}
	if p.name(7, "a", "x") != p.name(7, "b", "x") {
		t.Error("a user has two colours")
	}
	if p.name(0, "a", "x") == p.name(0, "b", "x") {
		t.Error("two names without an id have one colour")
	}
	seen := map[string]bool{}
	for id := range int64(1000) {
		seen[p.name(id+1, fmt.Sprint(id), "x")] = true
	}
	if len(seen) != len(manyColours) {
		t.Errorf("1,000 users have %d colours of %d", len(seen), len(manyColours))
	}
	if got, want := p.faint("x")+p.faint(""), "\x1b[2mx\x1b[0m"; got != want {
		t.Errorf("faint is %q, want %q", got, want)
	}
}
