package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cim/client"
)

// newScreenChat is a chat on a screen of that size, without a server. restored counts how often the terminal
// was put back.
func newScreenChat(t *testing.T) (c *chat, v *vt, restored *int) {
	t.Helper()
	console, v := newTestConsole(t, 80, 10)
	restored = new(int)
	c = &chat{
		cmd: &chatCmd{Route: "http://r"}, end: func(error) {}, printer: newPrinter(console, console, true),
		screen: &screen{
			console: console, terminal: &terminal{restore: func() { *restored++ }}, names: &nameBook{},
			askCh: make(chan string, 1), log: newHistory(t),
		},
	}
	c.sender = newSender(&fakeSDK{}, c.printer)
	c.sender.onSent = c.sent
	return c, v, restored
}

// A panic in whatever runs beside the screen puts the terminal back before it ends the process.
func TestPanicPutsTheTerminalBack(t *testing.T) {
	for name, run := range map[string]func(c *chat){
		"message": func(c *chat) {
			c.printer = nil
			_ = c.Message(context.Background(), client.Message{Text: "x"})
		},
		"state": func(c *chat) {
			c.printer = nil
			c.State(client.StateChange{State: client.StateDisconnected, Err: errors.New("x")})
		},
		"goroutine": func(c *chat) { c.guarded(context.Background(), func(context.Context) { panic("x") })() },
	} {
		t.Run(name, func(t *testing.T) {
			c, v, restored := newScreenChat(t)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic is gone")
					}
				}()
				run(c)
			}()
			if *restored != 1 || v.marks || strings.Contains(v.text(), "alice>") {
				t.Errorf("restored %d times, bracketed paste %v, screen %q", *restored, v.marks, v.text())
			}
		})
	}
}

func TestGuardWithoutAPanic(t *testing.T) {
	c, v, restored := newScreenChat(t)
	c.guarded(context.Background(), func(context.Context) {})()
	if *restored != 0 || !v.marks {
		t.Error("the terminal was put back")
	}
}

// takes hands over lines as if they had been entered.
func takes(t *testing.T, c *chat, lines ...inputLine) {
	t.Helper()
	for _, l := range lines {
		if goOn, err := c.take(t.Context(), l); !goOn || err != nil {
			t.Fatalf("%+v: %v, %v", l, goOn, err)
		}
	}
}

// withoutTimes takes the time off the front of lines.
func withoutTimes(screen string) []string {
	lines := strings.Split(screen, "\n")
	for i, l := range lines {
		if len(l) > 9 && l[2] == ':' && l[5] == ':' {
			lines[i] = l[9:]
		}
	}
	return lines
}

func TestScreenShowsWhatWasEntered(t *testing.T) {
	c, v, _ := newScreenChat(t)
	takes(t, c, inputLine{text: "hello :wave:"}, inputLine{text: "bob;;psst\x1b[2J"}, inputLine{text: "  "},
		inputLine{text: ":q", raw: true}, inputLine{text: ":delay x 5"})
	want := []string{
		"you: hello 👋", `you -> bob: psst\x1b[2J`, "you: :q", "> :delay x 5",
		"-- sending later is not in this version: nothing was sent", "alice> |",
	}
	if got := withoutTimes(v.text()); !slices.Equal(got, want) {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
	var sent []outgoing
	for len(c.sender.queueCh) > 0 {
		sent = append(sent, <-c.sender.queueCh)
	}
	if want := []outgoing{{"", "hello 👋"}, {"bob", "psst\x1b[2J"}, {"", ":q"}}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

// The history has what arrived and what was acknowledged, and not what was refused.
func TestScreenKeepsTheHistory(t *testing.T) {
	c, v, _ := newScreenChat(t)
	c.sender.sdk = &fakeSDK{unknown: "nobody"}
	var wg sync.WaitGroup
	wg.Go(func() { c.sender.run(t.Context()) })
	if err := c.Message(t.Context(), client.Message{From: 7, FromName: "bob\x1b[2J", Text: "word \x1b]0;x\x07", SentAt: nine}); err != nil {
		t.Fatal(err)
	}
	takes(t, c, inputLine{text: "a word"}, inputLine{text: "nobody;;a word"}, inputLine{text: "bob;;another word"})
	c.settle(t.Context(), nil)
	wg.Wait()
	c.screen.log.has(t, "word", "word \x1b]0;x\x07", "a word", "another word")
	c.screen.press([]byte("\x0c"))
	takes(t, c, inputLine{text: ":q another"}, inputLine{text: ":q zzz"})
	got := strings.Split(v.text(), "\n")
	if len(got) != 5 || got[0] != "> :q another" || !strings.HasSuffix(got[1], " you -> bob: another word") ||
		got[3] != "-- your history has nothing with zzz" {
		t.Errorf("the screen shows %q", got)
	}
	if names := c.screen.names.with(""); !slices.Equal(names, []string{"bob\x1b[2J"}) {
		t.Errorf("the names are %q", names)
	}
}

// That the history cannot be written is told once, and the conversation goes on.
func TestScreenWithoutAHistory(t *testing.T) {
	c, v, _ := newScreenChat(t)
	_ = c.screen.log.Close()
	for range 2 {
		if err := c.Message(t.Context(), client.Message{From: 7, FromName: "bob", Text: "x", SentAt: nine}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(v.text(), "-- the history cannot be written: "); n != 1 {
		t.Errorf("it is told %d times:\n%s", n, v.text())
	}
	c.screen.log, c.cmd.Home = nil, writeFile(t, "home", "a file")
	takes(t, c, inputLine{text: ":q x"})
	if !strings.Contains(v.text(), "-- the history cannot be read: ") {
		t.Errorf("the screen shows\n%s", v.text())
	}
}

// An outage is in the prompt as long as it lasts, and told once.
func TestScreenStates(t *testing.T) {
	c, v, _ := newScreenChat(t)
	for range 3 {
		c.State(client.StateChange{State: client.StateDisconnected, Err: errors.New("cut")})
	}
	v.shows("-- disconnected: cut; trying again", "alice [offline]> |")
	c.State(client.StateChange{State: client.StateConnected})
	v.shows("-- disconnected: cut; trying again", "-- connected again", "alice> |")
}

func TestScreenCommands(t *testing.T) {
	c, v, _ := newScreenChat(t)
	takes(t, c, inputLine{text: ":all"})
	for _, row := range screenHelp[:2] {
		if !strings.Contains(v.text(), row[0]) {
			t.Errorf(":all lacks %s:\n%s", row[0], v.text())
		}
	}
	takes(t, c, inputLine{text: ":emoji 9"})
	if !strings.Contains(v.text(), "-- :emoji has the pages 1 to 6") {
		t.Errorf("the screen shows\n%s", v.text())
	}
	if goOn, err := c.take(t.Context(), inputLine{text: ":q"}); goOn || err != nil {
		t.Errorf(":q: %v, %v", goOn, err)
	}
}

func TestPipesHaveNoScreen(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	home := t.TempDir()
	c := newChat(&chatCmd{Route: "http://r", Name: "alice", Home: home}, streams{r, w, w}, func(error) {})
	if files, _ := filepath.Glob(home + "/*"); c.screen != nil || len(files) != 0 {
		t.Errorf("a screen %v, files %v", c.screen, files)
	}
	if got := fmt.Sprint(c.help()); got != fmt.Sprint(chatHelp) {
		t.Errorf(":all is %s", got)
	}
}

func TestColoursOfLines(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out, &out, true)
	p.paint = painter{[]string{"32"}}
	m := client.Message{From: 7, FromName: "b\x1b[31m", Text: "x\x1b[0m", SentAt: nine}
	if err := errors.Join(p.message(&m), p.own("bob", "y", "", nine), p.echo(":olu")); err != nil {
		t.Fatal(err)
	}
	p.note("z")
	stamp := "\x1b[2m" + nine.In(p.zone).Format("15:04:05 ") + "\x1b[0m"
	want := stamp + "\x1b[32m" + `b\x1b[31m` + "\x1b[0m\x1b[1m -> you\x1b[0m: " + `x\x1b[0m` + "\n" +
		stamp + "\x1b[1myou\x1b[0m\x1b[1m -> \x1b[0m\x1b[1mbob\x1b[0m: y\n" + "\x1b[2m> :olu\x1b[0m\n" + "\x1b[2m-- z\x1b[0m\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
