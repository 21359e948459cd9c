package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseInput(t *testing.T) {
	text := func(to, text string) input { return input{kind: inputText, to: to, text: text} }
	command := func(name, arg string) input { return input{kind: inputCommand, command: name, arg: arg} }
	for _, tt := range []struct {
		name, line string
		want       input
		wantErr    string
	}{
		{name: "empty", line: ""},
		{name: "blank", line: " \t "},
		{name: "everyone", line: "hello all", want: text("", "hello all")},
		{name: "everyone, spaces stay", line: "  hi ", want: text("", "  hi ")},
		{name: "one semicolon", line: "a;b", want: text("", "a;b")},
		{name: "name", line: "bob;;hi", want: text("bob", "hi")},
		{name: "id", line: "42;;hi", want: text("42", "hi")},
		{name: "space before the semicolons", line: "bob ;; hi", want: text("bob", " hi")},
		{name: "name of two words", line: "little bob;;hi", want: text("little bob", "hi")},
		{name: "semicolons in the text", line: "bob;;a;;b", want: text("bob", "a;;b")},
		{name: "colon in a private text", line: "bob;;:q", want: text("bob", ":q")},
		{name: "nobody", line: ";;hi", wantErr: "nobody before"},
		{name: "only spaces before", line: "  ;;hi", wantErr: "nobody before"},
		{name: "no text", line: "bob;;", wantErr: "nothing after"},
		{name: "blank text", line: "bob;;  ", wantErr: "nothing after"},
		{name: "command", line: ":olu", want: command("olu", "")},
		{name: "command, spaces after", line: ":q! ", want: command("q!", "")},
		{name: "command with a word", line: ":pu  al ", want: command("pu", "al")},
		{name: "command before semicolons", line: ":x;;hi", want: command("x;;hi", "")},
		{name: "colon alone", line: ":", want: command("", "")},
		{name: "command behind a blank", line: "  :olu", want: command("olu", "")},
		{name: "text with a colon behind a blank", line: " ::)", want: text("", ":)")},
		{name: "text with a colon", line: "::)", want: text("", ":)")},
		{name: "text with a colon and semicolons", line: "::a;;b", want: text("", ":a;;b")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseInput(tt.line)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("parseInput(%q) = %+v, %v; want an error with %q", tt.line, got, err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("parseInput(%q) = %+v, %v; want %+v", tt.line, got, err, tt.want)
			}
		})
	}
}

func TestLineReader(t *testing.T) {
	full := strings.Repeat("x", maxLine)
	line := func(s string) inputLine { return inputLine{text: s} }
	bad := func(err error) inputLine { return inputLine{err: err} }
	for _, tt := range []struct {
		name, in string
		want     []inputLine
	}{
		{"nothing", "", nil},
		{"lines", "a\nb\n", []inputLine{line("a"), line("b")}},
		{"no newline at the end", "a\nb", []inputLine{line("a"), line("b")}},
		{"lines of Windows", "a\r\n\r\nb\r\n", []inputLine{line("a"), line(""), line("b")}},
		{"longest", full + "\nb\n", []inputLine{line(full), line("b")}},
		{"longest, of Windows", full + "\r\nb\n", []inputLine{line(full), line("b")}},
		{"longest, at the end", full, []inputLine{line(full)}},
		{"one byte too long", full + "x\nb\n", []inputLine{bad(errLineTooLong), line("b")}},
		{"one byte too long, at the end", full + "x", []inputLine{bad(errLineTooLong)}},
		{"far too long", full + full + full + "\nb\n", []inputLine{bad(errLineTooLong), line("b")}},
		{"far too long, at the end", full + full, []inputLine{bad(errLineTooLong)}},
		{"not UTF-8", "a\xff\nb\n", []inputLine{bad(errNotUTF8), line("b")}},
	} {
		for how, r := range map[string]io.Reader{
			"at once":      strings.NewReader(tt.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				lr := newLineReader(r)
				for i, want := range tt.want {
					if got := lr.next(); got != want {
						t.Fatalf("line %d: %d bytes, %v; want %d bytes, %v", i, len(got.text), got.err, len(want.text), want.err)
					}
				}
				for range 2 { // the end stays the end
					if got := lr.next(); got != (inputLine{err: io.EOF, last: true}) {
						t.Errorf("after the last line: %+v", got)
					}
				}
			})
		}
	}
}

func TestLineReaderFails(t *testing.T) {
	broken := errors.New("broken")
	lr := newLineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)))
	for _, want := range []inputLine{{text: "a"}, {text: "b"}, {err: broken, last: true}} {
		if got := lr.next(); got != want {
			t.Errorf("next = %+v, want %+v", got, want)
		}
	}
}

// Whoever stops reading is not kept waiting by a reader that waits for a line.
func TestReadLinesStops(t *testing.T) {
	r, w := io.Pipe()
	lineCh, stop := readLines(r)
	if _, err := io.WriteString(w, "a\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-lineCh; got.text != "a" {
		t.Errorf("read %+v", got)
	}
	stop()
	stop()
	if _, err := io.WriteString(w, "b\n"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing after stop: %v, want the input to be closed", err)
	}
}
