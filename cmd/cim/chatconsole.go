package main

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Control functions (ECMA-48; the private modes are those of xterm, and terminals without them ignore them).
const (
	clearBelow  = "\x1b[J"
	clearScreen = "\x1b[H\x1b[2J"
	wrapOff     = "\x1b[?7l" // a row that the terminal thinks wider than we do must not become two
	wrapOn      = "\x1b[?7h"
	pasteMarks  = "\x1b[?2004h"
	noMarks     = "\x1b[?2004l"
)

// readSize is how much is read from the terminal at once.
const readSize = 4096

// console is a terminal as a person has it: a line at the bottom that is edited, and above it what is printed.
// Before open and after close it only prints. It does not know what lines mean.
//
// The line is not x/term's Terminal: that counts every character as one column, so that with one Chinese
// character in the line whatever arrives would tear it; and it takes an escape key for the beginning of a
// sequence that never ends.
type console struct {
	// immutable after open
	in       io.Reader
	size     func() (columns, rows int)
	painter  painter
	complete completer
	suspend  func() // stops the program; nil: it cannot be stopped

	mu      sync.Mutex
	out     io.Writer // written with mu held, each change of the screen at once
	keys    keyDecoder
	edit    editor
	name    string // before the line
	away    bool   // there is no connection
	asked   string // the line to which names are looked for
	isOpen  bool
	hidden  bool  // the program is stopped: what is printed is only printed
	rows    []row // that are on the screen
	cursor  place
	columns int // of the screen when it was drawn
}

func newConsole(in io.Reader, out io.Writer, size func() (int, int), p painter) *console {
	return &console{in: in, out: out, size: size, painter: p}
}

// open begins with the line, which name stands before.
func (c *console) open(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name, c.isOpen = name, true
	return c.show(pasteMarks)
}

// close takes the line off the screen. What is printed after it stands where it stood.
func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hidden = false
	if !c.isOpen {
		return
	}
	c.isOpen = false
	_, _ = io.WriteString(c.out, c.erase()+noMarks) // there is nobody to tell
}

// hide takes the line off the screen until reveal.
func (c *console) hide() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isOpen {
		c.isOpen, c.hidden = false, true
		_, _ = io.WriteString(c.out, c.erase()+noMarks)
	}
}

// reveal draws the line below whatever has been printed meanwhile, by others too.
func (c *console) reveal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.hidden:
		c.isOpen, c.hidden = true, false
		c.rows, c.cursor = nil, place{}
		_ = c.show("\r" + pasteMarks)
	case c.isOpen:
		_ = c.show(c.erase() + pasteMarks)
	}
}

// Write prints whole lines above the line that is edited.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOpen {
		return c.out.Write(p)
	}
	if err := c.show(c.erase() + strings.ReplaceAll(string(p), "\n", "\r\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// setAway says in the prompt whether there is a connection.
func (c *console) setAway(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
	c.redraw()
}

// resized draws the line anew on a screen whose size has changed.
func (c *console) resized() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redraw()
}

// redraw must be called with mu held.
func (c *console) redraw() {
	if c.isOpen {
		_ = c.show(c.erase()) // the next message will find out
	}
}

// erase is what removes the line from the screen, and leaves the cursor where its first row began. It must be
// called with mu held.
func (c *console) erase() string {
	up := c.rowsAbove()
	c.rows, c.cursor = nil, place{}
	return "\r" + moved(up, 'A') + clearBelow
}

// rowsAbove counts the rows of the line above the cursor. A terminal that has become narrower has broken them;
// those that cut them instead lose a row of messages.
func (c *console) rowsAbove() int {
	columns, _ := c.size()
	if columns >= c.columns || columns <= 0 {
		return c.cursor.row
	}
	up := min(c.cursor.column, c.columns-1) / columns
	for _, r := range c.rows[:c.cursor.row] {
		up += max(1, (r.width+columns-1)/columns)
	}
	return up
}

// show writes s, which begins or ends with the cursor at the beginning of a row, and then the line. It must be
// called with mu held.
func (c *console) show(s string) error {
	columns, height := c.size()
	lead, plain := c.lead()
	rows, cursor := layout([]rune(plain), c.edit.line, c.edit.pos, columns)
	first := 0
	if most := max(1, height/2); len(rows) > most { // the part around the cursor
		first = min(max(0, cursor.row-most/2), len(rows)-most)
		rows = slices.Clone(rows[first : first+most])
		cursor.row -= first
	}
	var b strings.Builder
	b.WriteString(s + wrapOff)
	for i, r := range rows {
		text := r.text
		if i > 0 {
			b.WriteString("\r\n")
		} else if rest, ok := strings.CutPrefix(text, plain); ok && first == 0 {
			text = lead + rest
		}
		b.WriteString(text)
	}
	b.WriteString(wrapOn + moved(len(rows)-1-cursor.row, 'A') + "\r" + moved(cursor.column, 'C'))
	c.rows, c.cursor, c.columns = rows, cursor, columns
	_, err := io.WriteString(c.out, b.String())
	return err
}

// lead is what stands before the line, painted and plain.
func (c *console) lead() (painted, plain string) {
	name := visible(c.name)
	if c.away {
		return c.painter.faint(name) + c.painter.strong(" [offline]") + "> ", name + " [offline]> "
	}
	return c.painter.faint(name) + "> ", name + "> "
}

// moved moves the cursor n columns or rows.
func moved(n int, direction byte) string {
	if n <= 0 {
		return ""
	}
	return "\x1b[" + strconv.Itoa(n) + string(direction)
}

// read calls take with each line until that returns false, or there are no more.
func (c *console) read(take func(inputLine) bool) {
	buf := make([]byte, readSize)
	for {
		n, err := c.in.Read(buf)
		lines, stop := c.press(buf[:n])
		for _, l := range lines {
			if !take(l) || l.last {
				return
			}
		}
		if stop && c.suspend != nil {
			c.suspend()
		}
		if err != nil {
			take(inputLine{err: err, last: true})
			return
		}
	}
}

// press applies what was typed or pasted, and draws the line once. It reports whether the program is to stop.
func (c *console) press(b []byte) (lines []inputLine, stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	above := ""
	c.keys.feed(b, func(k key) {
		switch c.edit.press(k) {
		case editLine:
			lines = append(lines, c.edit.submit())
		case editComplete:
			above += c.finishWord(true)
		case editClear:
			above = clearScreen
		case editSuspend:
			stop = true
		case editEnd:
			lines = append(lines, inputLine{err: io.EOF}) // not the last: :q! may have to follow
		}
	})
	if c.isOpen && len(b) > 0 {
		_ = c.show(c.erase() + above)
	}
	return lines, stop
}
