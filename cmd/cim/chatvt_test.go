package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// vt is the screen of a terminal, as far as chat uses it: an implementation of its own, which knows the
// sequences that chat may write and complains about every other one.
type vt struct {
	t *testing.T

	mu            sync.Mutex
	columns, rows int
	cells         [][]string // a wide character has an empty cell behind it
	x, y          int
	noWrap        bool
	pending       bool // the last column is written: the next character wraps
	marks         bool // bracketed paste
	scrolled      []string
}

func newVT(t *testing.T, columns, rows int) *vt {
	v := &vt{t: t, columns: columns, rows: rows}
	for range rows {
		v.cells = append(v.cells, v.blank())
	}
	return v
}

func (v *vt) blank() []string {
	row := make([]string, v.columns)
	for i := range row {
		row[i] = " "
	}
	return row
}

func (v *vt) size() (int, int) { return v.columns, v.rows }

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := string(p); s != ""; {
		s = s[v.step(s):]
	}
	return len(p), nil
}

// step does what the first character or sequence says and returns its length.
func (v *vt) step(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r == '\r':
		v.x, v.pending = 0, false
	case r == '\n':
		v.pending = false
		v.lineFeed()
	case r == '\x1b':
		return v.sequence(s)
	case r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0:
		v.t.Errorf("the terminal got the control character %q", r)
	default:
		v.put(r)
	}
	return n
}

func (v *vt) lineFeed() {
	if v.y++; v.y == v.rows {
		v.scrolled = append(v.scrolled, strings.TrimRight(strings.Join(v.cells[0], ""), " "))
		v.cells = append(v.cells[1:], v.blank())
		v.y--
	}
}

func (v *vt) put(r rune) {
	w := 1
	switch {
	case r == 0x200d || 0x300 <= r && r < 0x370:
		v.cells[v.y][max(0, v.x-1)] += string(r)
		return
	case 0x1100 <= r && r <= 0x115f || 0x2e80 <= r && r <= 0xffdc || 0x1f300 <= r && r <= 0x1faff:
		w = 2
	}
	if !v.noWrap && (v.pending || v.x+w > v.columns) {
		v.x, v.pending = 0, false
		v.lineFeed()
	}
	v.x = min(v.x, v.columns-w)
	v.cells[v.y][v.x] = string(r)
	if w == 2 {
		v.cells[v.y][v.x+1] = ""
	}
	if v.x += w; v.x >= v.columns {
		v.x, v.pending = v.columns-1, true
	}
}

func (v *vt) sequence(s string) int {
	end := strings.IndexAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	if !strings.HasPrefix(s, "\x1b[") || end < 0 {
		v.t.Errorf("the terminal got the sequence %.20q", s)
		return 1
	}
	n, what := 0, s[2:end+1]
	_, _ = fmt.Sscanf(what, "%d", &n)
	v.pending = v.pending && s[end] == 'm'
	switch {
	case what == "?7l" || what == "?7h":
		v.noWrap = what == "?7l"
	case what == "?2004h" || what == "?2004l":
		v.marks = what == "?2004h"
	case s[end] == 'm': // colours are looked at elsewhere
	case s[end] == 'A':
		v.y = max(0, v.y-n)
	case s[end] == 'C':
		v.x = min(v.columns-1, v.x+n)
	case what == "H":
		v.x, v.y = 0, 0
	case what == "2J":
		for y := range v.cells {
			v.cells[y] = v.blank()
		}
	case what == "J":
		for y := v.y; y < v.rows; y++ {
			from := 0
			if y == v.y {
				from = v.x
			}
			copy(v.cells[y][from:], v.blank())
		}
	default:
		v.t.Errorf("the terminal got the sequence %q", s[:end+1])
	}
	return end + 1
}

// text is the screen without the empty rows at its end, and with the cursor as a bar.
func (v *vt) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var rows []string
	for y, cells := range v.cells {
		row := strings.Join(cells, "")
		if y == v.y {
			before := strings.Join(cells[:v.x], "")
			row = before + "|" + row[len(before):]
		}
		rows = append(rows, strings.TrimRight(row, " "))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

func (v *vt) shows(want ...string) {
	v.t.Helper()
	if got := v.text(); got != strings.Join(want, "\n") {
		v.t.Errorf("the screen shows\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// resize is what a terminal does that breaks rows which became too long, and joins nothing.
func (v *vt) resize(columns, rows int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, at, x := v.cells, v.y, v.x
	v.columns, v.rows = columns, rows
	var cells [][]string
	for y, row := range old {
		if y == at {
			v.y, v.x = len(cells)+x/columns, x%columns
		}
		text := []rune(strings.TrimRight(strings.Join(row, ""), " "))
		for first := true; first || len(text) > 0; first = false {
			n := min(columns, len(text))
			line := v.blank()
			for i, r := range text[:n] {
				line[i] = string(r)
			}
			cells, text = append(cells, line), text[n:]
		}
	}
	for v.y >= rows || len(cells) > rows && strings.TrimSpace(strings.Join(cells[len(cells)-1], "")) != "" {
		cells, v.y = cells[1:], v.y-1
	}
	cells = cells[:min(rows, len(cells))]
	for len(cells) < rows {
		cells = append(cells, v.blank())
	}
	v.cells, v.pending = cells, false
}
