package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// chatter is a cim chat in this process, with pipes instead of a terminal.
type chatter struct {
	t         *testing.T
	in        *io.PipeWriter
	out, errs <-chan string
	codeCh    <-chan int
	signal    context.CancelFunc
	id        int64 // set by ready
}

// chatHome is where the terminals of one person keep their devices.
type chatHome struct{ route, dir string }

func newHome(t *testing.T, n *node) chatHome {
	t.Helper()
	return chatHome{"http://" + n.httpAddr.String(), t.TempDir()}
}

func (h chatHome) args(name string, more ...string) []string {
	return append([]string{"chat", "--route", h.route, "--home", h.dir, "--name", name}, more...)
}

// chat starts a chat. It is ended with the test.
func (h chatHome) chat(t *testing.T, name string, more ...string) *chatter {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	inR, inW := io.Pipe()
	out, outW := linesOf()
	errs, errW := linesOf()
	codeCh := make(chan int, 1)
	c := &chatter{t: t, in: inW, out: out, errs: errs, codeCh: codeCh, signal: cancel}
	endedCh := make(chan struct{})
	go func() { // ends with the chat
		defer close(endedCh)
		codeCh <- run(ctx, h.args(name, more...), streams{inR, outW, errW})
		_ = outW.Close()
		_ = errW.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-endedCh
	})
	return c
}

// linesOf is a writer and what is written to it, line by line. The lines wait without a limit that matters.
func linesOf() (<-chan string, *io.PipeWriter) {
	r, w := io.Pipe()
	ch := make(chan string, 10_000)
	go func() { // ends when w is closed
		defer close(ch)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			ch <- sc.Text()
		}
	}()
	return ch, w
}

func (c *chatter) say(lines ...string) {
	c.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatalf("say %q: %v", l, err)
		}
	}
}

// line waits for the next line of stdout.
func (c *chatter) line() string {
	c.t.Helper()
	select {
	case l, ok := <-c.out:
		if ok {
			return l
		}
	case <-time.After(patience):
	}
	var told []string
	for len(c.errs) > 0 {
		told = append(told, <-c.errs)
	}
	c.t.Fatalf("no line came; stderr: %q", told)
	return ""
}

// ready waits until the chat is connected and answers.
func (c *chatter) ready() *chatter {
	c.t.Helper()
	c.say(":info")
	for {
		key, value, _ := strings.Cut(c.line(), "\t")
		switch key {
		case "id":
			c.id, _ = strconv.ParseInt(value, 10, 64)
		case "online":
			return c
		}
	}
}

var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// hears waits for the next line, which has to be this message.
func (c *chatter) hears(from *chatter, name, kind, text string) {
	c.t.Helper()
	line := c.line()
	when, rest, _ := strings.Cut(line, "\t")
	if want := fmt.Sprintf("%d\t%s\t%s\t%s", from.id, name, kind, text); rest != want || !stamp.MatchString(when) {
		c.t.Fatalf("heard %q, want %q", line, want)
	}
}

// told waits for a line of stderr with text in it.
func (c *chatter) told(text string) {
	c.t.Helper()
	for {
		select {
		case l, ok := <-c.errs:
			if !ok {
				c.t.Fatalf("stderr ended without %q", text)
			}
			if strings.Contains(l, text) {
				return
			}
		case <-time.After(patience):
			c.t.Fatalf("stderr does not say %q", text)
		}
	}
}

// exits waits for the end, with that code.
func (c *chatter) exits(code int) {
	c.t.Helper()
	select {
	case got := <-c.codeCh:
		if got != code {
			c.t.Fatalf("exit code %d, want %d", got, code)
		}
	case <-time.After(patience):
		c.t.Fatal("the chat does not end")
	}
}

// silent expects that nothing was printed that was not looked at. It is asked after the end.
func (c *chatter) silent() {
	c.t.Helper()
	for l := range c.out {
		c.t.Errorf("it also printed %q", l)
	}
}

// runChat runs a whole chat over its input.
func (h chatHome) runChat(t *testing.T, in, name string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs lockedBuffer
	code = run(ctx, h.args(name, more...), streams{strings.NewReader(in), &out, &errs})
	return code, out.String(), errs.String()
}

func TestChatConversation(t *testing.T) {
	h := newHome(t, newTestNode(t))
	alice, bob := h.chat(t, "alice").ready(), h.chat(t, "bob").ready()
	alice.say("hello, all", "bob;;psst", "", fmt.Sprintf("%d;;by id", bob.id), "::)")
	bob.hears(alice, "alice", "everyone", "hello, all")
	bob.hears(alice, "alice", "private", "psst")
	bob.hears(alice, "alice", "private", "by id")
	bob.hears(alice, "alice", "everyone", ":)")
	bob.say("alice;;a\ttab, a \\ and \x1b[31m \u202ered", "me;;too")
	alice.hears(bob, "bob", "private", `a\ttab, a \\ and \x1b[31m \u202ered`)
	bob.told("not sent to me: nobody is called me; :pu finds names")

	alice.say(":olu")
	got := map[string]bool{alice.line(): true, alice.line(): true}
	for name, c := range map[string]*chatter{"alice": alice, "bob": bob} {
		if want := fmt.Sprintf("%d\t%s", c.id, name); !got[want] {
			t.Errorf(":olu printed %v, want %q among it", got, want)
		}
	}
	alice.say(":q")
	alice.exits(exitOK)
	alice.silent()
	bob.say(":q!")
	bob.exits(exitFailed) // "me" was not sent
	bob.silent()
}

func TestChatCommands(t *testing.T) {
	h := newHome(t, newTestNode(t))
	c := h.chat(t, "alice").ready()
	c.say(":pu al")
	if got, want := c.line(), fmt.Sprintf("%d\talice", c.id); got != want {
		t.Errorf(":pu printed %q, want %q", got, want)
	}
	for line, want := range map[string]string{
		":pu zz": "nobody has a name that begins with zz", ":pu": ":pu needs the beginning", ":q word": "your history has nothing with word",
		":nope x": "no command :nope; :all lists the commands, and ::nope x is sent as text", ":": "no command :;",
		";;hi": "not sent: there is nobody before", strings.Repeat("x", maxLine+1): "not sent: the line is over 60 KiB",
		"\xff": "not sent: the line is not UTF-8",
	} {
		c.say(line)
		c.told(want)
	}
	c.say(":all")
	for _, row := range chatHelp {
		if got, want := c.line(), row[0]+"\t"+row[1]; got != want {
			t.Errorf(":all printed %q, want %q", got, want)
		}
	}
	c.say(":info")
	for _, want := range []string{"user\talice", "id\t", "route\t" + h.route, "state\tconnected since ", "server\t127.0.0.1:", "session\t", "online\t1"} {
		if got := c.line(); !strings.HasPrefix(got, want) {
			t.Errorf(":info printed %q, want %q", got, want)
		}
	}
	c.say(":q")
	c.exits(exitFailed) // three lines were refused
}

// What was sent while somebody was away is there when they come back, once.
func TestChatOfflineMessages(t *testing.T) {
	h := newHome(t, newTestNode(t))
	bob := h.chat(t, "bob").ready()
	bob.say(":q")
	bob.exits(exitOK)
	if code, _, stderr := h.runChat(t, "bob;;one\nbob;;two", "alice"); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	alice := h.chat(t, "alice").ready()
	bob = h.chat(t, "bob")
	bob.hears(alice, "alice", "private", "one")
	bob.hears(alice, "alice", "private", "two")
	bob.say(":q")
	bob.exits(exitOK)
	alice.say("bob;;three")
	bob = h.chat(t, "bob")
	bob.hears(alice, "alice", "private", "three")
	bob.say(":q")
	bob.exits(exitOK)
	bob.silent()
}

func TestChatPipedLinesKeepTheirOrder(t *testing.T) {
	const lines = 1000
	n := newTestNode(t, func(c *nodeConfig) { c.data = t.TempDir() + "/data" })
	h := newHome(t, n)
	bob := h.chat(t, "bob").ready()
	alice := h.chat(t, "alice").ready()
	alice.say(":q")
	alice.exits(exitOK)
	var in strings.Builder
	for i := range lines {
		fmt.Fprintf(&in, "bob;;line %d\n", i)
	}
	if code, stdout, stderr := h.runChat(t, in.String(), "alice"); code != exitOK || stdout+stderr != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	for i := range lines {
		bob.hears(alice, "alice", "private", fmt.Sprintf("line %d", i))
	}
	bob.say(":q")
	bob.exits(exitOK)
	bob.silent()
}

func TestChatRefusedLogin(t *testing.T) {
	h := newHome(t, newTestNode(t))
	h.chat(t, "alice", "--device", "desk").ready()
	code, stdout, stderr := h.runChat(t, "", "alice", "--device", "phone")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "You are connected from another device") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// A second terminal is another device; the first one, started again, is the same device.
func TestChatTerminalsAreDevices(t *testing.T) {
	h := newHome(t, newTestNode(t))
	first := h.chat(t, "alice").ready()
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitFailed || !strings.Contains(stderr, "another device") {
		t.Errorf("a second terminal: exit code %d, %q", code, stderr)
	}
	first.signal()
	first.exits(exitOK)
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitOK {
		t.Errorf("the first terminal again: exit code %d, %q", code, stderr)
	}
}

func TestChatIsReplaced(t *testing.T) {
	h := newHome(t, newTestNode(t))
	first := h.chat(t, "alice", "--device", "desk").ready()
	h.chat(t, "alice", "--device", "desk").ready()
	first.told("A newer session of yours took over")
	first.exits(exitFailed)
}

func TestChatWithoutARoute(t *testing.T) {
	h := chatHome{"http://" + freeAddr(t), t.TempDir()}
	code, _, stderr := h.runChat(t, "", "alice")
	if code != exitFailed || !strings.Contains(stderr, "cannot reach "+h.route+": start one with `cim up`") ||
		strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestChatUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no name":     {"chat"},
		"digits":      {"chat", "--name", "42"},
		"semicolon":   {"chat", "--name", "a;b"},
		"no scheme":   {"chat", "--name", "a", "--route", "127.0.0.1:8083"},
		"long device": {"chat", "--name", "a", "--device", strings.Repeat("x", 65)},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, stderr := runCIM(t, args...); code != exitUsage || stderr == "" {
				t.Errorf("exit code %d, %q", code, stderr)
			}
		})
	}
}

func TestChatHelpNamesTheContract(t *testing.T) {
	_, stdout, _ := runCIM(t, "chat", "--help")
	for _, want := range []string{"time<TAB>from-id<TAB>from-name<TAB>kind<TAB>text", "Exit code", "$CIM_NAME", "$CIM_HOME"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("help lacks %q", want)
		}
	}
}

// A message that could not be written is not acknowledged: the next chat gets it.
func TestChatWithABrokenStdout(t *testing.T) {
	h := newHome(t, newTestNode(t))
	alice := h.chat(t, "alice").ready()
	bob := h.chat(t, "bob").ready()
	bob.say(":q")
	bob.exits(exitOK)
	inR, inW := io.Pipe()
	defer inW.Close()
	codeCh := make(chan int, 1)
	var errs lockedBuffer
	go func() { // ends with its stdout
		codeCh <- run(t.Context(), h.args("bob"), streams{inR, brokenWriter{}, &errs})
	}()
	alice.say("bob;;hi")
	select {
	case code := <-codeCh:
		if code != exitFailed || !strings.Contains(errs.String(), "cannot write to stdout") {
			t.Errorf("exit code %d, %q", code, errs.String())
		}
	case <-time.After(patience):
		t.Fatal("the chat does not end")
	}
	bob = h.chat(t, "bob")
	bob.hears(alice, "alice", "private", "hi")
}

// A chat outlives its server, and says so.
func TestChatConnectsAgain(t *testing.T) {
	up := startUp(t)
	h := chatHome{up.route(), t.TempDir()}
	alice, bob := h.chat(t, "alice").ready(), h.chat(t, "bob").ready()
	up.kill()
	alice.told("-- disconnected: ")
	alice.say("bob;;while it was away", ":info")
	for _, want := range []string{"user\t", "id\t", "route\t", "state\tnot connected; trying again", "online\tunknown"} {
		if got := alice.line(); !strings.HasPrefix(got, want) {
			t.Errorf(":info printed %q, want %q", got, want)
		}
	}
	up.restart(t)
	alice.told("-- connected again")
	bob.hears(alice, "alice", "private", "while it was away")
	alice.say(":q")
	alice.exits(exitOK)
}
