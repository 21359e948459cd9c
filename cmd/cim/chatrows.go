package main

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

const joiner = '\u200d' // zero width joiner: makes one picture of several

// row is one row of the screen, and how many columns of it are taken.
type row struct {
	text  string
	width int
}

// layout breaks a line into rows of a screen and finds the cursor, which is before character pos. Its rows are
// never broken by the terminal, which might count the columns of a character in another way.
func layout(lead, line []rune, pos, columns int) (rows []row, cursor place) {
	var b strings.Builder
	at := 0
	end := func() {
		rows = append(rows, row{b.String(), at})
		b.Reset()
		at = 0
	}
	var last rune
	put := func(r rune) {
		text, w := drawn(r, last)
		if at+w > columns && at > 0 {
			end()
		}
		b.WriteString(text)
		at += w
		last = r
	}
	for _, r := range lead {
		put(r)
	}
	for i, r := range line {
		if i == pos {
			_, w := drawn(r, last)
			if at+w > columns && at > 0 {
				end()
			}
			cursor = place{len(rows), at}
		}
		put(r)
	}
	if pos >= len(line) {
		if at >= columns {
			end()
		}
		cursor = place{len(rows), at}
	}
	end()
	return rows, cursor
}

// place is a row and a column, counted from 0.
type place struct{ row, column int }

// drawn is how a character looks behind another one, and the columns that it takes. What could move the cursor
// looks like an escape: a paste may hold anything.
func drawn(r, before rune) (text string, columns int) {
	if unsafeToPrint(r) {
		text = escapeRune(r)
		return text, len(text)
	}
	if joins(before, r) {
		return string(r), 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return string(r), 2
	}
	return string(r), 1
}

// joins reports whether b is drawn in the place of a, as a part of it.
func joins(a, b rune) bool {
	switch {
	case a == 0 || unsafeToPrint(a) || unsafeToPrint(b):
		return false
	case a == joiner, b == joiner:
		return true
	case 0x1f3fb <= b && b <= 0x1f3ff: // colours of skin
		return true
	}
	return unicode.In(b, unicode.Mn, unicode.Me) || unicode.Is(unicode.Cf, b)
}
