package main

import (
	"slices"
	"strings"
	"sync"
)

const (
	knownNames = 2000 // that can be completed without asking
	shownNames = 20   // when Tab finds several
)

// completer finds what a line can go on with.
type completer struct {
	names *nameBook
	ask   func(prefix string) // looks for names that are not known; it must not block, nor use the console
}

// commandWords are the commands that Tab completes.
var commandWords = []string{":all", ":delay ", ":emoji ", ":info", ":olu", ":pu ", ":q"}

// find returns what the end of line, from start on, can become. name is the beginning of a user's name, if that
// is what stands there.
func (c *completer) find(line string) (start int, found []string, name string) {
	if to, _, ok := strings.Cut(line, ";;"); ok && !isCommand(to) {
		return findEmoji(line)
	}
	if prefix, ok := strings.CutPrefix(line, ":pu "); ok {
		return len(":pu "), c.names.with(prefix), prefix
	}
	if strings.HasPrefix(line, ":") && !strings.Contains(line, " ") {
		for _, word := range commandWords {
			if strings.HasPrefix(word, line) {
				found = append(found, word)
			}
		}
		if len(found) > 0 {
			return 0, found, ""
		}
	}
	if start, found, _ := findEmoji(line); len(found) > 0 {
		return start, found, ""
	}
	for _, n := range c.names.with(line) {
		found = append(found, n+";;")
	}
	return 0, found, line
}

// findEmoji completes the short name at the end of line.
func findEmoji(line string) (start int, found []string, name string) {
	start = strings.LastIndexByte(line, ':')
	if start < 0 || strings.ContainsAny(line[start:], " ;") || len(line) == start+1 {
		return len(line), nil, ""
	}
	for _, e := range emojis {
		if word := ":" + e.name + ":"; strings.HasPrefix(word, line[start:]) {
			found = append(found, word)
		}
	}
	return start, found, ""
}

// finishWord completes what is left of the cursor as far as that is clear, and returns what to print above the
// line where it is not. Names that nobody knows here are asked for, if ask. It must be called with mu held.
func (c *console) finishWord(ask bool) string {
	if c.complete.names == nil {
		return ""
	}
	line := c.edit.typed()
	start, found, name := c.complete.find(line)
	if ask && name != "" && len(found) == 0 && c.complete.ask != nil {
		c.asked = line
		c.complete.ask(name)
		return ""
	}
	if len(found) == 0 {
		return ""
	}
	common := commonPrefix(found)
	if len(found) == 1 || len(common) > len(line)-start {
		c.edit.set(line[:start] + common)
		return ""
	}
	return c.choice(found)
}

// choice is a line with what could be meant.
func (c *console) choice(found []string) string {
	more := ""
	if len(found) > shownNames {
		found, more = found[:shownNames], " ..."
	}
	var b strings.Builder
	for i, f := range found {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(visible(strings.TrimSpace(f)))
	}
	return c.painter.faint("   "+b.String()+more) + "\r\n"
}

// namesCame completes the line, if it is still the one for which names were asked.
func (c *console) namesCame() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOpen || c.asked == "" || c.edit.typed() != c.asked {
		return
	}
	c.asked = ""
	above := c.finishWord(false)
	_ = c.show(c.erase() + above)
}

// commonPrefix is what all words begin with, in whole characters.
func commonPrefix(words []string) string {
	prefix := []rune(words[0])
	for _, w := range words[1:] {
		n := 0
		for _, r := range w {
			if n == len(prefix) || prefix[n] != r {
				break
			}
			n++
		}
		prefix = prefix[:n]
	}
	return string(prefix)
}

// nameBook holds the names that were seen last.
type nameBook struct {
	mu    sync.Mutex
	names []string // guarded by mu; the latest last
}

// add notes names as seen just now.
func (b *nameBook) add(names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		if n == "" {
			continue
		}
		if at := slices.Index(b.names, n); at >= 0 {
			b.names = slices.Delete(b.names, at, at+1)
		} else if len(b.names) == knownNames {
			b.names = slices.Delete(b.names, 0, 1)
		}
		b.names = append(b.names, n)
	}
}

// with are the names that begin with prefix, in the order of the alphabet.
func (b *nameBook) with(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, n := range b.names {
		if strings.HasPrefix(n, prefix) {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found
}
