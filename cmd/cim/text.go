package main

import (
	"strconv"
	"strings"
	"unicode"
)

// oneLine is an error as a user sees it.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// visible makes text of a peer safe to print: control and bidirectional characters could move the cursor,
// recolour the screen or turn a line around, so they are shown as escapes.
func visible(s string) string {
	if strings.IndexFunc(s, unsafeToPrint) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafeToPrint(r) {
			b.WriteString(escapeRune(r))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unsafeToPrint(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar ||
		unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// escapeRune writes an unsafe character as Go would in a string.
func escapeRune(r rune) string {
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}
