package main

import (
	"slices"
	"strings"
	"unicode"
)

// recalledLines are how far the up key goes back.
const recalledLines = 500

// editAction is what a key asks for beyond the line itself.
type editAction uint8

const (
	editNothing  editAction = iota
	editLine                // take the line with submit
	editComplete            // finish the word before the cursor
	editClear               // clear the screen
	editEnd                 // no more lines
	editSuspend             // stop the program
)

// editor is the line that is being typed. It knows nothing of the screen.
type editor struct {
	line []rune
	pos  int  // of the cursor
	size int  // of line in bytes
	over bool // more was typed than a line can hold
	bad  bool // so was something that is not UTF-8

	recalled []string // lines before this one, the oldest first
	back     int      // how far the up key has gone
	draft    []rune   // what was typed before it

	pasting bool
	literal bool   // the line was begun by the paste: it is a text, whatever it begins with
	prefix  string // "name;;", when the paste was begun behind it: all its lines go there
}

// moves are the keys that need nothing but the line.
var moves = map[keyKind]func(*editor){
	keyBackspace: func(e *editor) { e.cut(e.before(), e.pos) },
	keyDelete:    func(e *editor) { e.cut(e.pos, e.after()) },
	keyLeft:      func(e *editor) { e.pos = e.before() },
	keyRight:     func(e *editor) { e.pos = e.after() },
	keyWordLeft:  func(e *editor) { e.pos = e.wordBefore() },
	keyWordRight: func(e *editor) { e.pos = e.wordAfter() },
	keyHome:      func(e *editor) { e.pos = 0 },
	keyEnd:       func(e *editor) { e.pos = len(e.line) },
	keyUp:        func(e *editor) { e.recall(e.back + 1) },
	keyDown:      func(e *editor) { e.recall(e.back - 1) },
	keyCutWord:   func(e *editor) { e.cut(e.wordBefore(), e.pos) },
	keyCutRight:  func(e *editor) { e.cut(e.pos, len(e.line)) },
	keyCutLeft:   func(e *editor) { e.cut(0, e.pos) },
	keySwap:      (*editor).swap,
}

// press applies one key.
func (e *editor) press(k key) editAction {
	if move, ok := moves[k.kind]; ok {
		move(e)
		return editNothing
	}
	switch k.kind {
	case keyRune:
		e.insert(k.r)
	case keyInvalid:
		e.insert(unicode.ReplacementChar)
		e.bad = true
	case keyEnter:
		return editLine
	case keyTab:
		return editComplete
	case keyClear:
		return editClear
	case keySuspend:
		return editSuspend
	case keyInterrupt:
		return editEnd
	case keyEOF:
		if len(e.line) == 0 {
			return editEnd
		}
		e.cut(e.pos, e.after())
	case keyPasteBegin:
		e.beginPaste()
	case keyPasteEnd:
		e.endPaste()
	}
	return editNothing
}

// insert puts a character at the cursor. What does not fit is dropped, and the line is refused in the end.
func (e *editor) insert(r rune) {
	size := len(string(r))
	if e.size+size > maxLine {
		e.over = true
		return
	}
	e.line = slices.Insert(e.line, e.pos, r)
	e.size += size
	e.pos++
}

// cut removes the characters from one position to another, and leaves the cursor there.
func (e *editor) cut(from, to int) {
	e.size -= len(string(e.line[from:to]))
	e.line = slices.Delete(e.line, from, to)
	e.pos = from
}

// set replaces what is left of the cursor.
func (e *editor) set(before string) {
	e.cut(0, e.pos)
	for _, r := range before {
		e.insert(r)
	}
}

// typed is what is left of the cursor.
func (e *editor) typed() string { return string(e.line[:e.pos]) }

// before is the position one character, as a reader counts them, to the left.
func (e *editor) before() int {
	p := max(0, e.pos-1)
	for p > 0 && joins(e.line[p-1], e.line[p]) {
		p--
	}
	return p
}

// after is the position one character to the right.
func (e *editor) after() int {
	p := min(len(e.line), e.pos+1)
	for p < len(e.line) && joins(e.line[p-1], e.line[p]) {
		p++
	}
	return p
}

func (e *editor) wordBefore() int {
	p := e.pos
	for ; p > 0 && unicode.IsSpace(e.line[p-1]); p-- {
	}
	for ; p > 0 && !unicode.IsSpace(e.line[p-1]); p-- {
	}
	return p
}

func (e *editor) wordAfter() int {
	p := e.pos
	for ; p < len(e.line) && unicode.IsSpace(e.line[p]); p++ {
	}
	for ; p < len(e.line) && !unicode.IsSpace(e.line[p]); p++ {
	}
	return p
}

// swap exchanges the two characters around the cursor, at the end of the line the last two.
func (e *editor) swap() {
	p := min(e.pos, len(e.line)-1)
	if p < 1 {
		return
	}
	e.line[p-1], e.line[p] = e.line[p], e.line[p-1]
	e.pos = p + 1
}

// recall shows the line that was typed n lines ago; 0 is the one that is being typed.
func (e *editor) recall(n int) {
	if n < 0 || n > len(e.recalled) {
		return
	}
	if e.back == 0 {
		e.draft = slices.Clone(e.line)
	}
	e.back = n
	line := e.draft
	if n > 0 {
		line = []rune(e.recalled[len(e.recalled)-n])
	}
	e.line, e.size = slices.Clone(line), len(string(line))
	e.pos = len(e.line)
}

// remember adds a line to those that can be recalled.
func (e *editor) remember(line string) {
	if strings.TrimSpace(line) == "" || len(e.recalled) > 0 && e.recalled[len(e.recalled)-1] == line {
		return
	}
	if len(e.recalled) == recalledLines {
		e.recalled = slices.Delete(e.recalled, 0, 1)
	}
	e.recalled = append(e.recalled, line)
}

// beginPaste notes where the paste goes. Its first line is the end of what was typed.
func (e *editor) beginPaste() {
	e.pasting, e.literal, e.prefix = true, len(e.line) == 0, ""
	typed := e.typed()
	if to, _, private := strings.Cut(typed, ";;"); private && !isCommand(typed) {
		e.prefix = to + ";;"
	}
}

// isCommand reports whether a line has a colon in front.
func isCommand(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), ":") }

func (e *editor) endPaste() {
	if e.pasting && e.prefix != "" && string(e.line) == e.prefix {
		e.cut(0, len(e.line))
	}
	e.pasting, e.literal = false, false // what is left of it can be read before Enter is pressed
}

// submit takes the line away, as input. In a paste the next line begins where the first one went to: a text
// that was meant for one user must not go to everyone from its second line on.
func (e *editor) submit() inputLine {
	l := inputLine{text: string(e.line)}
	switch {
	case e.over:
		l = inputLine{err: errLineTooLong}
	case e.bad:
		l = inputLine{err: errNotUTF8}
	case e.pasting && l.text == e.prefix: // an empty line of it
		l.text = ""
	case e.literal:
		l.raw = true
	case !e.pasting:
		e.remember(l.text)
	}
	e.line, e.pos, e.size, e.over, e.bad, e.back, e.draft = nil, 0, 0, false, false, 0, nil
	e.literal = e.pasting && e.prefix == ""
	if e.pasting {
		e.set(e.prefix)
	}
	return l
}
