package main

import (
	"bytes"
	"unicode/utf8"
)

// keyKind is what a key means to the line that is edited.
type keyKind uint8

const (
	keyNothing keyKind = iota // a key without a meaning here
	keyRune                   // a character
	keyInvalid                // bytes that are no UTF-8
	keyEnter
	keyTab
	keyInterrupt // Ctrl-C
	keyEOF       // Ctrl-D
	keyBackspace
	keyDelete
	keyLeft
	keyRight
	keyWordLeft
	keyWordRight
	keyHome
	keyEnd
	keyUp
	keyDown
	keyCutWord
	keyCutRight // to the end of the line
	keyCutLeft  // to its beginning
	keySwap
	keyClear
	keySuspend
	keyPasteBegin
	keyPasteEnd
)

// key is one press, or one character of a paste.
type key struct {
	kind keyKind
	r    rune // keyRune
}

// controlKeys are those that Emacs and readline have, as far as they make sense in one line.
var controlKeys = map[byte]keyKind{
	1: keyHome, 2: keyLeft, 3: keyInterrupt, 4: keyEOF, 5: keyEnd, 6: keyRight, 8: keyBackspace, 9: keyTab, 10: keyEnter,
	11: keyCutRight, 12: keyClear, 13: keyEnter, 14: keyDown, 16: keyUp, 20: keySwap, 21: keyCutLeft, 23: keyCutWord, 26: keySuspend,
	127: keyBackspace,
}

// escapeKeys are what follows ESC: the sequences of xterm, the Linux console and rxvt (ECMA-48, 5.4).
var escapeKeys = map[string]keyKind{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[7~": keyHome, "[4~": keyEnd, "[8~": keyEnd, "[3~": keyDelete,
	"[1;5C": keyWordRight, "[1;3C": keyWordRight, "f": keyWordRight,
	"[1;5D": keyWordLeft, "[1;3D": keyWordLeft, "b": keyWordLeft, "\x7f": keyCutWord,
	"[200~": keyPasteBegin,
}

const (
	escape      = 0x1b
	maxSequence = 32 // bytes of an escape sequence; none that is known is longer than 6
)

var pasteEnd = []byte("\x1b[201~")

// keyDecoder makes keys of the bytes that a terminal sends. What is pasted between the marks of bracketed
// paste is characters, whatever it holds.
type keyDecoder struct {
	rest     []byte // the beginning of a key whose end has not been read
	pasting  bool
	returned bool // the last character of the paste was a carriage return
}

// feed calls fn for each key that is complete.
func (d *keyDecoder) feed(b []byte, fn func(key)) {
	d.rest = append(d.rest, b...)
	for len(d.rest) > 0 {
		next := d.typed
		if d.pasting {
			next = d.pasted
		}
		k, n := next(d.rest)
		if n == 0 {
			return
		}
		d.rest = d.rest[n:]
		if k.kind != keyNothing {
			fn(k)
		}
	}
	d.rest = nil // not a slice of something long
}

// typed reads one key; n is 0 when b holds only its beginning.
func (d *keyDecoder) typed(b []byte) (k key, n int) {
	if b[0] == escape {
		k, n = escaped(b)
		d.pasting, d.returned = k.kind == keyPasteBegin, false
		return k, n
	}
	if b[0] < ' ' || b[0] == 0x7f {
		return key{kind: controlKeys[b[0]]}, 1
	}
	return character(b)
}

// pasted reads one character of a paste, or its end. The ends of lines are all keyEnter.
func (d *keyDecoder) pasted(b []byte) (key, int) {
	if b[0] == escape && len(b) < len(pasteEnd) && bytes.HasPrefix(pasteEnd, b) {
		return key{}, 0
	}
	if bytes.HasPrefix(b, pasteEnd) {
		d.pasting = false
		return key{kind: keyPasteEnd}, len(pasteEnd)
	}
	second := d.returned && b[0] == '\n'
	d.returned = b[0] == '\r'
	switch {
	case second:
		return key{}, 1
	case b[0] == '\r' || b[0] == '\n':
		return key{kind: keyEnter}, 1
	}
	return character(b)
}

func character(b []byte) (key, int) {
	if !utf8.FullRune(b) {
		return key{}, 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return key{kind: keyInvalid}, 1
	}
	return key{keyRune, r}, n
}

// escaped reads a sequence that begins with ESC. One that is unknown is skipped as a whole, and one that
// cannot go on so ends before what it cannot hold.
func escaped(b []byte) (key, int) {
	if len(b) < 2 {
		return key{}, 0
	}
	switch b[1] {
	case escape:
		return key{}, 1
	case 'O':
		if len(b) < 3 {
			return key{}, 0
		}
		return key{kind: escapeKeys[string(b[1:3])]}, 3
	case '[':
		return controlSequence(b)
	}
	if b[1] >= utf8.RuneSelf {
		return key{}, 1
	}
	return key{kind: escapeKeys[string(b[1:2])]}, 2
}

// controlSequence reads ESC [, parameters, and the byte that ends it.
func controlSequence(b []byte) (key, int) {
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case 0x40 <= c && c <= 0x7e:
			return key{kind: escapeKeys[string(b[1:i+1])]}, i + 1
		case c < 0x20 || c > 0x7e || i == maxSequence:
			return key{}, i
		}
	}
	return key{}, 0
}
