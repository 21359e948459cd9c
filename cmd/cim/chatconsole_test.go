package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// newTestConsole is an open console of alice on a screen of that size.
func newTestConsole(t *testing.T, columns, rows int) (*console, *vt) {
	t.Helper()
	v := newVT(t, columns, rows)
	c := newConsole(strings.NewReader(""), v, v.size, painter{})
	if err := c.open("alice"); err != nil {
		t.Fatal(err)
	}
	return c, v
}

func say(t *testing.T, c *console, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if n, err := io.WriteString(c, l+"\n"); n != len(l)+1 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
}

func TestConsoleKeepsTheLineBelowMessages(t *testing.T) {
	c, v := newTestConsole(t, 20, 6)
	c.press([]byte("hello, wo"))
	say(t, c, "bob: 1")
	c.press([]byte("rld and all"))
	v.shows("bob: 1", "alice> hello, world", "and all|")
	c.press([]byte(left + left + left))
	say(t, c, "bob: 2", "bob: a message of more than a row")
	v.shows("bob: 1", "bob: 2", "bob: a message of mo", "re than a row", "alice> hello, world", "and |all")
	say(t, c, "bob: 3")
	v.shows("bob: 2", "bob: a message of mo", "re than a row", "bob: 3", "alice> hello, world", "and |all")
	if lines, _ := c.press([]byte("\r")); len(lines) != 1 || lines[0].text != "hello, world and all" {
		t.Errorf("the line is %+v", lines)
	}
	v.shows("bob: 2", "bob: a message of mo", "re than a row", "bob: 3", "alice> |")
}

func TestConsoleWideCharacters(t *testing.T) {
	c, v := newTestConsole(t, 20, 5)
	c.press([]byte("你好你好你好你"))
	v.shows("alice> 你好你好你好", "你|")
	say(t, c, "张三: 好")
	v.shows("张三: 好", "alice> 你好你好你好", "你|")
	c.press([]byte("\x01" + right + "x"))
	v.shows("张三: 好", "alice> 你x|好你好你好", "你")
	c.press([]byte("\x05\x15e\u0301😄|\x7f"))
	v.shows("张三: 好", "alice> e\u0301😄|")
}

// A pasted sequence is shown as what it is; in the line it stays.
func TestConsoleShowsWhatIsPasted(t *testing.T) {
	c, v := newTestConsole(t, 40, 5)
	c.press([]byte(pasteBegins + "\x1b[2J\x07\u202ex" + pasteEnds))
	say(t, c, "bob: hi")
	v.shows("bob: hi", `alice> \x1b[2J\a\u202ex|`)
	if lines, _ := c.press([]byte("\r")); lines[0].text != "\x1b[2J\x07\u202ex" {
		t.Errorf("the line is %q", lines[0].text)
	}
}

func TestConsoleResize(t *testing.T) {
	const typed = "one two three four five six seven eight"
	c, v := newTestConsole(t, 60, 8)
	say(t, c, "bob: 1", "bob: 2")
	c.press([]byte(typed))
	for _, size := range [][2]int{{30, 8}, {10, 12}, {80, 24}, {20, 10}, {60, 8}} {
		v.resize(size[0], size[1])
		c.resized()
		got := v.text()
		if whole := strings.NewReplacer("\n", "", " ", "").Replace(got); whole != "bob:1bob:2alice>"+strings.ReplaceAll(typed, " ", "")+"|" {
			t.Errorf("at %v the screen shows\n%s", size, got)
		}
	}
	v.resize(25, 8) // without a signal: what is printed finds out
	say(t, c, "bob: 3")
	if got := v.text(); strings.Count(got, "alice>") != 1 || !strings.HasPrefix(got, "bob: 1\nbob: 2\nbob: 3\nalice> one") {
		t.Errorf("the screen shows\n%s", got)
	}
}

// A line of many rows leaves room for the messages, and shows where the cursor is.
func TestConsoleLongLine(t *testing.T) {
	c, v := newTestConsole(t, 10, 6)
	say(t, c, "bob: 1")
	var typed strings.Builder
	for i := range 100 {
		fmt.Fprintf(&typed, "%02d........", i)
	}
	c.press([]byte(typed.String()))
	say(t, c, "bob: 2")
	v.shows("bob: 1", "bob: 2", ".......98.", ".......99.", ".......|")
	c.press([]byte("\x01"))
	v.shows("bob: 1", "bob: 2", "alice> |00.", ".......01.", ".......02.")
	if lines, _ := c.press([]byte("\r")); lines[0].text != typed.String() {
		t.Errorf("the line has %d bytes", len(lines[0].text))
	}
	v.shows("bob: 1", "bob: 2", "alice> |")
}

func TestConsoleSaysThatItIsOffline(t *testing.T) {
	c, v := newTestConsole(t, 40, 4)
	c.press([]byte("hi"))
	c.setAway(true)
	v.shows("alice [offline]> hi|")
	c.setAway(false)
	v.shows("alice> hi|")
}

func TestConsoleClear(t *testing.T) {
	c, v := newTestConsole(t, 40, 4)
	say(t, c, "bob: 1", "bob: 2")
	c.press([]byte("hi\x0c"))
	v.shows("alice> hi|")
}

// Before it is opened and after it is closed, a console only prints.
func TestConsoleOpensAndCloses(t *testing.T) {
	v := newVT(t, 40, 5)
	c := newConsole(strings.NewReader(""), v, v.size, painter{})
	c.setAway(false)
	c.resized()
	say(t, c, "before\r")
	v.shows("before", "|")
	if err := c.open("alice\x1b[2J"); err != nil || !v.marks {
		t.Errorf("open: %v, bracketed paste %v", err, v.marks)
	}
	c.press([]byte("never sent"))
	v.shows("before", `alice\x1b[2J> never sent|`)
	c.close()
	c.close()
	say(t, c, "after\r")
	if v.shows("before", "after", "|"); v.marks || v.noWrap {
		t.Error("the modes of the terminal were not put back")
	}
}

func TestConsoleReads(t *testing.T) {
	v := newVT(t, 40, 5)
	r, w := io.Pipe()
	c := newConsole(r, v, v.size, painter{})
	lineCh, stop := handLines(r, c.read)
	defer stop()
	go func() { // ends with its last write
		_, _ = io.WriteString(w, "one\rtwo\rthr")
		_, _ = io.WriteString(w, "ee\r\x04:q!\r")
	}()
	for _, want := range []string{"one", "two", "three"} {
		if l := <-lineCh; l.text != want || l.err != nil {
			t.Errorf("line %+v, want %q", l, want)
		}
	}
	if l := <-lineCh; !errors.Is(l.err, io.EOF) || l.last {
		t.Errorf("the end is %+v", l)
	}
	if l := <-lineCh; l.text != ":q!" {
		t.Errorf("after the end comes %+v", l)
	}
}

func TestConsoleInputBreaks(t *testing.T) {
	r, w := io.Pipe()
	v := newVT(t, 40, 5)
	c := newConsole(r, v, v.size, painter{})
	_ = w.CloseWithError(errBrokenWriter)
	lineCh, stop := handLines(r, c.read)
	defer stop()
	if l := <-lineCh; !errors.Is(l.err, errBrokenWriter) || !l.last {
		t.Errorf("the end is %+v", l)
	}
}

func TestConsoleSaysThatTheScreenIsGone(t *testing.T) {
	c := newConsole(nil, brokenWriter{}, func() (int, int) { return 80, 24 }, painter{})
	if err := c.open("alice"); !errors.Is(err, errBrokenWriter) {
		t.Errorf("open: %v", err)
	}
	if _, err := io.WriteString(c, "x\n"); !errors.Is(err, errBrokenWriter) {
		t.Errorf("Write: %v", err)
	}
}

// A paste of 200 lines while messages arrive: every line is handed over, in order, and the screen is whole.
func TestConsolePasteAmongMessages(t *testing.T) {
	const lines = 200
	c, v := newTestConsole(t, 40, 10)
	var paste strings.Builder
	for i := range lines {
		fmt.Fprintf(&paste, "line %d\r", i)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 50 {
			_, _ = fmt.Fprintf(c, "bob: %d\n", i)
		}
	})
	var got []string
	for chunk := range slices.Chunk([]byte(pasteBegins+paste.String()+"the end"+pasteEnds), 100) {
		entered, _ := c.press(chunk)
		for _, l := range entered {
			got = append(got, l.text)
		}
	}
	wg.Wait()
	if len(got) != lines || got[0] != "line 0" || got[lines-1] != fmt.Sprintf("line %d", lines-1) {
		t.Errorf("%d lines: %.200q", len(got), got)
	}
	if screen := v.text(); !strings.HasSuffix(screen, "bob: 47\nbob: 48\nbob: 49\nalice> the end|") || strings.Count(screen, "alice>") != 1 {
		t.Errorf("the screen shows\n%s", screen)
	}
}

func TestConsoleColours(t *testing.T) {
	var out strings.Builder
	c := newConsole(nil, &out, func() (int, int) { return 40, 5 }, painter{fewColours})
	c.away = true
	if err := c.open("al"); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[2mal\x1b[0m\x1b[1m [offline]\x1b[0m> "; !strings.Contains(out.String(), want) {
		t.Errorf("the prompt is %q, want %q in it", out.String(), want)
	}
}
