package main

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"cim/client"
)

// nine is a moment with milliseconds.
var nine = time.Date(2026, 3, 4, 9, 5, 6, 78_900_000, time.UTC)

func TestMessageLines(t *testing.T) {
	const stamp = "2026-03-04T09:05:06.078Z\t"
	for _, tt := range []struct {
		name    string
		m       client.Message
		program string
		human   string
	}{
		{
			"private",
			client.Message{From: 7, FromName: "alice", Text: "hi"},
			stamp + "7\talice\tprivate\thi\n", "10:05:06 alice -> you: hi\n",
		},
		{
			"everyone",
			client.Message{From: 7, FromName: "alice", Text: "hi", Kind: client.Everyone},
			stamp + "7\talice\teveryone\thi\n", "10:05:06 alice: hi\n",
		},
		{
			"group",
			client.Message{From: 7, FromName: "alice", Text: "hi", Kind: client.Group, Group: 3},
			stamp + "7\talice\tgroup\thi\n", "10:05:06 alice in group 3: hi\n",
		},
		{
			"application",
			client.Message{Text: "hi"},
			stamp + "0\t\tprivate\thi\n", "10:05:06 (application) -> you: hi\n",
		},
		{
			"tab, newlines, backslash",
			client.Message{From: 7, FromName: "a", Text: "a\tb\nc\r\\n"},
			stamp + `7` + "\ta\tprivate\t" + `a\tb\nc\r\\n` + "\n", `10:05:06 a -> you: a\tb\nc\r\n` + "\n",
		},
		{
			"terminal escape in a name",
			client.Message{From: 7, FromName: "a\x1b[2J", Text: "x\x07"},
			stamp + "7\t" + `a\x1b[2J` + "\tprivate\t" + `x\a` + "\n", `10:05:06 a\x1b[2J -> you: x\a` + "\n",
		},
		{
			"bidi",
			client.Message{From: 7, FromName: "a", Text: "\u202eabc\u2066"},
			stamp + "7\ta\tprivate\t" + `\u202eabc\u2066` + "\n", `10:05:06 a -> you: \u202eabc\u2066` + "\n",
		},
		{
			"other scripts",
			client.Message{From: 7, FromName: "张三", Text: "שלום 👋🏽"},
			stamp + "7\t张三\tprivate\tשלום 👋🏽\n", "10:05:06 张三 -> you: שלום 👋🏽\n",
		},
		{
			"batch",
			client.Message{From: 7, FromName: "a", Batch: []string{"x", "y"}},
			stamp + "7\ta\tprivate\tx\n" + stamp + "7\ta\tprivate\ty\n", "10:05:06 a -> you: x\n10:05:06 a -> you: y\n",
		},
		{
			"device data",
			client.Message{From: 7, FromName: "a", Payload: []byte{0, 1, 0xff}},
			stamp + "7\ta\tprivate\tdata:;base64,AAH/\n", "10:05:06 a -> you: data:;base64,AAH/\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.SentAt = nine
			for human, want := range map[bool]string{false: tt.program, true: tt.human} {
				var out strings.Builder
				p := newPrinter(&out, &out, human)
				p.zone = time.FixedZone("", 3600)
				if err := p.message(&tt.m); err != nil || out.String() != want {
					t.Errorf("human %v: %q, %v; want %q", human, out.String(), err, want)
				}
			}
		})
	}
}

// A script can turn a field back into what was sent, with the rules of Go strings.
func TestFieldCanBeTurnedBack(t *testing.T) {
	for _, s := range []string{`\`, `\n`, "\n", "a\\\tb", "\u202e\\u202e", "\x00\x7f\u0085\u2028", `"`} {
		got, err := strconv.Unquote(`"` + strings.ReplaceAll(field(s), `"`, `\"`) + `"`)
		if err != nil || got != s {
			t.Errorf("field(%q) = %s, back %q, %v", s, field(s), got, err)
		}
	}
}

func TestTables(t *testing.T) {
	rows := [][2]string{{"1", "alice"}, {"1234", "b\tob\x1b"}}
	for human, want := range map[bool]string{
		false: "1\talice\n1234\t" + `b\tob\x1b` + "\n",
		true:  "   1      alice\n   1234   " + `b\tob\x1b` + "\n",
	} {
		var out strings.Builder
		if err := newPrinter(&out, &out, human).table(rows); err != nil || out.String() != want {
			t.Errorf("human %v: %q, %v; want %q", human, out.String(), err, want)
		}
	}
}

func TestNotesAreOneVisibleLine(t *testing.T) {
	var out strings.Builder
	newPrinter(nil, &out, true).note("bad\n\x1b[1mname")
	if want := `-- bad\n\x1b[1mname` + "\n"; out.String() != want {
		t.Errorf("note wrote %q, want %q", out.String(), want)
	}
}

// brokenWriter is a stdout that nobody reads any more.
type brokenWriter struct{}

var errBrokenWriter = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBrokenWriter }

func TestPrinterSaysThatStdoutIsBroken(t *testing.T) {
	p := newPrinter(brokenWriter{}, nil, false)
	for what, err := range map[string]error{
		"message": p.message(&client.Message{Text: "x"}), "table": p.table([][2]string{{"a", "b"}}),
	} {
		if !errors.Is(err, errBrokenWriter) || !strings.Contains(err.Error(), "stdout") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
