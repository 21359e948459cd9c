package main

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// painter colours what people read. The zero painter does not.
type painter struct {
	names []string // SGR parameters, one of which is a user's
}

// Colours of names that can be read on a dark screen and on a bright one: without white, black and grey.
var (
	fewColours  = []string{"31", "32", "33", "34", "35", "36"}
	manyColours = []string{
		"38;5;27", "38;5;29", "38;5;31", "38;5;33", "38;5;37", "38;5;61", "38;5;64", "38;5;67", "38;5;70", "38;5;71",
		"38;5;97", "38;5;99", "38;5;125", "38;5;130", "38;5;131", "38;5;133", "38;5;136", "38;5;160", "38;5;162",
		"38;5;166", "38;5;168", "38;5;172", "38;5;202", "38;5;205",
	}
)

// newPainter asks the environment what the terminal has. NO_COLOR turns colours off (no-color.org).
func newPainter(getenv func(string) string) painter {
	terminal, more := getenv("TERM"), getenv("COLORTERM")
	switch {
	case getenv("NO_COLOR") != "" || !movesCursor(terminal):
		return painter{}
	case more == "truecolor" || more == "24bit" || strings.Contains(terminal, "256color") || strings.Contains(terminal, "direct"):
		return painter{manyColours}
	}
	return painter{fewColours}
}

// movesCursor reports whether a terminal understands more than text.
func movesCursor(terminal string) bool { return terminal != "" && terminal != "dumb" }

// name paints a user's name, always in the same colour.
func (p painter) name(user int64, name, s string) string {
	if len(p.names) == 0 {
		return s
	}
	h := fnv.New32a()
	if user != 0 {
		name = strconv.FormatInt(user, 10)
	}
	_, _ = h.Write([]byte(name))
	return sgr(p.names[h.Sum32()%uint32(len(p.names))], s)
}

// faint paints what is beside the point.
func (p painter) faint(s string) string { return p.paint("2", s) }

// strong paints what has to be seen: that a text is for this user alone, or that there is no connection.
func (p painter) strong(s string) string { return p.paint("1", s) }

func (p painter) paint(code, s string) string {
	if len(p.names) == 0 || s == "" {
		return s
	}
	return sgr(code, s)
}

// sgr is Select Graphic Rendition around s (ECMA-48, 8.3.117).
func sgr(code, s string) string { return "\x1b[" + code + "m" + s + "\x1b[0m" }
