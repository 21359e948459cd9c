package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// chatPane runs chat in a terminal of that size. When it ends, the pane says whether the terminal is as it was.
// The returned file holds the process id.
func (tm *terminals) chatPane(cim string, h chatHome, name string, columns, rows int, more ...string) (pidFile string) {
	tm.t.Helper()
	pidFile = filepath.Join(tm.t.TempDir(), "pid")
	// A Ctrl-\ that tmux passes on late, when chat has ended, is nobody's.
	script := `trap : INT QUIT; before=$(stty -g); sh -c 'echo $$ >"$0"; exec "$@"' "$0" "$@"; code=$?
[ "$before" = "$(stty -g)" ] && echo "exit code $code, terminal restored"; trap '' QUIT; exec cat`
	tm.tmux(slices.Concat([]string{
		"new-session", "-d", "-s", name, "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), "sh", "-c", script, pidFile, cim,
	}, h.args(name, more...))...)
	tm.shows(name, name+">")
	return pidFile
}

// rows are the rows of a screen, without the empty ones at its end.
func (tm *terminals) rows(name string) []string {
	tm.t.Helper()
	rows := strings.Split(strings.TrimRight(tm.tmux("capture-pane", "-p", "-t", name), "\n"), "\n")
	for i, r := range rows {
		rows[i] = strings.TrimRight(r, " ")
	}
	return rows
}

// endsWith waits until the last rows of the screen are these, and returns the rows above them.
func (tm *terminals) endsWith(name string, want ...string) []string {
	tm.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		rows := tm.rows(name)
		if n := len(rows) - len(want); n >= 0 && slices.Equal(rows[n:], want) {
			return rows[:n]
		}
		select {
		case <-tick.C:
		case <-end:
			tm.t.Fatalf("the screen of %s does not end with\n%s\nit shows\n%s", name, strings.Join(want, "\n"), strings.Join(rows, "\n"))
		}
	}
}

// picture shows the screen with go test -v: so the ones in docs/chat.md were made.
func (tm *terminals) picture(name, title string) {
	tm.t.Helper()
	tm.t.Logf("%s\n%s", title, strings.Join(tm.rows(name), "\n"))
}

// keys presses keys without Enter.
func (tm *terminals) keys(name, text string) {
	tm.t.Helper()
	if before, ok := strings.CutSuffix(text, ";"); ok { // where a command of tmux would end
		text = before + `\;`
	}
	tm.tmux("send-keys", "-t", name, "-l", text)
}

// conversation is alice at a terminal of 80 by 24 and bob at a pipe.
func conversation(t *testing.T) (tm *terminals, bob *chatter, alice *chatter) {
	t.Helper()
	tm, _, bob, alice = conversationAt(t)
	return tm, bob, alice
}

// conversationAt says where it takes place, too.
func conversationAt(t *testing.T) (tm *terminals, h chatHome, bob *chatter, alice *chatter) {
	t.Helper()
	h = newHome(t, newTestNode(t))
	cim, tm := buildCIM(t), newTerminals(t)
	bob = h.chat(t, "bob").ready()
	tm.chatPane(cim, h, "alice", 80, 24)
	tm.keys("alice", ":info")
	tm.tmux("send-keys", "-t", "alice", "Enter")
	fields := strings.Fields(tm.shows("alice", "online    2"))
	if len(fields) != 2 {
		t.Fatalf("the line is %q", fields)
	}
	alice = &chatter{t: t}
	for _, row := range tm.rows("alice") {
		if f := strings.Fields(row); len(f) == 2 && f[0] == "id" {
			alice.id, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return tm, h, bob, alice
}

// typedLine is of three rows at 80 columns, with wide characters among its text.
const typedLine = "while I type this long line with 中文字符 and some more words in it, twenty messages " +
	"a second arrive above it, and none of them tears it apart; 它一直都在屏幕的最下面, whole, and the cursor stays behind it"

// rowsOf is how a line stands on a screen: computed here in the plainest way.
func rowsOf(line string, columns int) []string {
	var rows []string
	row, at := "", 0
	for _, r := range line {
		w := 1
		if 0x2e80 <= r {
			w = 2
		}
		if at+w > columns {
			rows = append(rows, strings.TrimRight(row, " "))
			row, at = "", 0
		}
		row, at = row+string(r), at+w
	}
	return append(rows, strings.TrimRight(row, " "))
}

// While somebody types a long line, 20 messages a second arrive; then the terminal is resized.
func TestTerminalTypingAmongMessages(t *testing.T) {
	const messages = 60
	tm, bob, alice := conversation(t)
	runes := []rune(typedLine)
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	for i := range messages {
		<-tick.C
		bob.say(fmt.Sprintf("message %d", i))
		tm.keys("alice", string(runes[i*len(runes)/messages:(i+1)*len(runes)/messages]))
		if i == messages*3/4 {
			tm.picture("alice", "while it is typed")
		}
	}
	tm.shows("alice", fmt.Sprintf("bob: message %d", messages-1))
	above := tm.endsWith("alice", rowsOf("alice> "+typedLine, 80)...)
	for i, row := range above {
		if want := fmt.Sprintf(" bob: message %d", messages-len(above)+i); !strings.HasSuffix(row, want) || len(row) != len("12:00:00")+len(want) {
			t.Errorf("row %d is %q, want it to end with %q", i, row, want)
		}
	}
	if len(above) != 24-3 {
		t.Errorf("%d rows are above the line", len(above))
	}
	for _, size := range [][2]int{{50, 16}, {37, 12}, {120, 30}, {80, 24}} {
		tm.tmux("resize-window", "-t", "alice", "-x", strconv.Itoa(size[0]), "-y", strconv.Itoa(size[1]))
		rows := rowsOf("alice> "+typedLine, size[0])
		if most := size[1] / 2; len(rows) > most { // then the end is shown
			rows = rows[len(rows)-most:]
		}
		above := tm.endsWith("alice", rows...)
		if last := above[len(above)-1]; !strings.HasSuffix(last, fmt.Sprintf("bob: message %d", messages-1)) {
			t.Errorf("at %v the row above the line is %q", size, last)
		}
		tm.picture("alice", fmt.Sprint("resized to ", size))
	}
	tm.tmux("send-keys", "-t", "alice", "Enter")
	bob.hears(alice, "alice", "everyone", typedLine)
	tm.endsWith("alice", "alice>")
}

// A paste is as many messages as it has lines: to whom the first one goes, or, where the terminal does not mark
// pastes, as if it had been typed.
func TestTerminalPaste(t *testing.T) {
	const lines = 200
	tm, bob, alice := conversation(t)
	for mark, kind := range map[string]string{"-p": "private", "-r": "everyone"} {
		var paste strings.Builder
		for i := range lines {
			fmt.Fprintf(&paste, "%s line %d of a paste\n", kind, i)
		}
		tm.tmux("load-buffer", writeFile(t, "paste", paste.String()+"its end"))
		rest := "alice> its end"
		if kind == "private" {
			tm.keys("alice", "bob;;")
			rest = "alice> bob;;its end"
		}
		tm.tmux("paste-buffer", mark, "-t", "alice")
		for i := range lines {
			bob.hears(alice, "alice", kind, fmt.Sprintf("%s line %d of a paste", kind, i))
		}
		tm.endsWith("alice", rest)
		tm.picture("alice", "after a paste, "+kind)
		tm.tmux("send-keys", "-t", "alice", "C-u")
	}
}

// What a peer sends cannot move the cursor, clear or recolour the screen, ring, or set a title. Nor can a name:
// accounts cannot have such a one, but CIM's /sendMsg takes any.
func TestTerminalHostileText(t *testing.T) {
	tm, h, bob, alice := conversationAt(t)
	title := tm.tmux("display-message", "-p", "-t", "alice", "#{pane_title}")
	tm.keys("alice", "half a line")
	bob.say("\x1b[2J\x1b[H\x1b[31mred\x1b]0;owned\x07\x1b[?1049h\x1bc", "\u009b2J\u202eturned\u2066\b\b\r\x0e", "👨\u200d👩\u200d👧 e\u0301 שלום")
	tm.shows("alice", "שלום")
	name, err := json.Marshal("\x1b[31mroot\x1b[0m\x1b]2;x\a\u202e\r")
	if err != nil {
		t.Fatal(err)
	}
	cimHTTP{t, h.route}.post("/sendMsg", fmt.Sprintf(`{"userId":%d,"msg":"who am I?","properties":{"sendUserName":%s}}`, alice.id, name), "9000")
	tm.shows("alice", `\x1b[31mroot\x1b[0m\x1b]2;x\a\u202e\r -> you: who am I?`)
	tm.picture("alice", "a name and texts full of escape sequences")
	above := tm.endsWith("alice", "alice> half a line")
	want := []string{
		`bob: \x1b[2J\x1b[H\x1b[31mred\x1b]0;owned\a\x1b[?1049h\x1bc`,
		`bob: \u009b2J\u202eturned\u2066\b\b\r\x0e`,
	}
	for i, w := range want {
		if row := above[len(above)-4+i]; !strings.HasSuffix(row, " "+w) || !strings.Contains(row, ":") {
			t.Errorf("row %q, want it to end with %q", row, w)
		}
	}
	state := tm.tmux("display-message", "-p", "-t", "alice", "#{pane_title}#{alternate_on}")
	if state != strings.TrimSuffix(title, "\n")+"0\n" {
		t.Errorf("title and alternate screen: %q, the title was %q", state, title)
	}
	painted := tm.tmux("capture-pane", "-p", "-e", "-t", "alice")
	for line := range strings.Lines(painted) {
		if strings.Contains(line, "red") && strings.Contains(line[strings.Index(line, ": "):], "\x1b[31m") {
			t.Errorf("the text has a colour: %q", line)
		}
	}
}

// However chat ends, the terminal is as it was.
func TestTerminalIsPutBack(t *testing.T) {
	h := newHome(t, newTestNode(t))
	cim, tm := buildCIM(t), newTerminals(t)
	signal := func(s syscall.Signal) func(string, string) {
		return func(_, pidFile string) {
			raw, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	press := func(keys ...string) func(string, string) {
		return func(name, _ string) { tm.tmux(append([]string{"send-keys", "-t", name}, keys...)...) }
	}
	for name, tt := range map[string]struct {
		end  func(name, pidFile string)
		code int
	}{
		"quit":      {press(":q", "Enter"), exitOK},
		"ctrl-z":    {press("C-z", ":q", "Enter"), exitOK}, // no shell could let it go on, so it is not stopped
		"ctrl-d":    {press("C-d"), exitOK},
		"ctrl-c":    {press("half a line", "C-c"), exitOK},
		"terminate": {signal(syscall.SIGTERM), exitOK},
		"hang-up":   {signal(syscall.SIGHUP), exitOK},
		"sigquit":   {signal(syscall.SIGQUIT), exitOK},
		"replaced":  {func(name, _ string) { h.chat(t, name, "--device", "desk").ready() }, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			tm := &terminals{t: t, socket: tm.socket, env: tm.env}
			pidFile := tm.chatPane(cim, h, name, 80, 24, "--device", "desk")
			press("C-\\")(name, "") // does not kill it
			tt.end(name, pidFile)
			tm.shows(name, fmt.Sprintf("exit code %d, terminal restored", tt.code))
		})
	}
}

// Ctrl-Z stops chat as it does any program of a shell: the terminal is as it was, and fg brings the line back,
// below what came meanwhile.
func TestTerminalStopsAndGoesOn(t *testing.T) {
	h := newHome(t, newTestNode(t))
	cim, tm := buildCIM(t), newTerminals(t)
	bob := h.chat(t, "bob").ready()
	tm.tmux("new-session", "-d", "-s", "alice", "-x", "60", "-y", "16", "env", "ENV=", "PS1=$ ", "sh", "-i")
	tm.endsWith("alice", "$")
	tm.keys("alice", "modes=$(stty -g); clear; "+shellLine(append([]string{cim}, h.args("alice")...)))
	tm.tmux("send-keys", "-t", "alice", "Enter")
	tm.shows("alice", "alice>")
	tm.keys("alice", "half a line")
	tm.endsWith("alice", "alice> half a line")
	tm.tmux("send-keys", "-t", "alice", "C-z")
	if said := strings.Join(tm.endsWith("alice", "$"), " "); !strings.Contains(said, "Stopped") || strings.Contains(said, "alice>") {
		t.Errorf("the shell says %q", said)
	}
	tm.keys("alice", `clear; [ "$modes" = "$(stty -g)" ] && echo as it was`)
	tm.tmux("send-keys", "-t", "alice", "Enter")
	tm.endsWith("alice", "as it was", "$")
	bob.say("while you were away")
	tm.tmux("resize-window", "-t", "alice", "-x", "50", "-y", "12")
	tm.keys("alice", "fg >/dev/null")
	tm.tmux("send-keys", "-t", "alice", "Enter")
	tm.shows("alice", "bob: while you were away")
	above := tm.endsWith("alice", "alice> half a line")
	if last := above[len(above)-1]; !strings.HasSuffix(last, "bob: while you were away") {
		t.Errorf("above the line is %q", last)
	}
	tm.keys("alice", " and the rest")
	tm.tmux("send-keys", "-t", "alice", "Enter")
	if line := bob.line(); !strings.HasSuffix(line, "\thalf a line and the rest") {
		t.Errorf("bob reads %q", line)
	}
}

// shellLine quotes words for a shell.
func shellLine(words []string) string {
	for i, w := range words {
		words[i] = "'" + w + "'"
	}
	return strings.Join(words, " ")
}

// While the server is dead, what is typed is answered at once; what was kept arrives when it is back. :q! does not
// wait for that.
func TestTerminalOutage(t *testing.T) {
	u := startUp(t)
	h := chatHome{u.route(), t.TempDir()}
	cim, tm := buildCIM(t), newTerminals(t)
	bob := h.chat(t, "bob").ready()
	tm.chatPane(cim, h, "alice", 80, 24)
	u.kill()
	tm.shows("alice", "alice [offline]>")
	tm.types("alice", "bob;;kept")
	tm.shows("alice", "-- not connected: messages to one user are kept, and sent when the connection is back")
	tm.types("alice", "hello")
	tm.shows("alice", "-- not sent: there is no connection, and a message to everyone reaches who is online at its moment")
	tm.types("alice", ":olu")
	tm.shows("alice", "-- the route "+u.route()+" cannot be reached now; try again later")
	u.restart(t)
	if line := bob.line(); !strings.HasSuffix(line, "\tprivate\tkept") {
		t.Errorf("bob reads %q", line)
	}
	tm.shows("alice", "-- connected again")
	tm.endsWith("alice", "alice>")
	tm.picture("alice", "an outage")
	u.kill()
	tm.shows("alice", "alice [offline]>")
	tm.types("alice", "bob;;lost")
	tm.types("alice", ":q")
	tm.shows("alice", "-- waiting for the answer to 1 message, and there is no connection; :q! leaves at once")
	tm.types("alice", ":q!")
	tm.shows("alice", "-- not sent: 1 message that waited")
	tm.shows("alice", "exit code 0, terminal restored")
}
