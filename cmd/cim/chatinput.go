package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxLine is the longest line of input in bytes; with the frame around it, it stays below the 64 KiB that a
// server takes unless set otherwise.
const maxLine = 60 << 10

var (
	errLineTooLong = fmt.Errorf("the line is over %d KiB: send it in parts", maxLine>>10)
	errNotUTF8     = errors.New("the line is not UTF-8 text")
)

// inputLine is one line of input, or why there is none.
type inputLine struct {
	text string
	err  error
	last bool // nothing comes after err
	raw  bool // it was pasted: a text, whatever it begins with
}

// readLines reads r on a goroutine of its own. stop closes r, if it can be closed, and ends the goroutine as
// soon as its Read returns; nothing can interrupt the Read of a terminal, which ends with the process.
func readLines(r io.Reader) (lineCh <-chan inputLine, stop func()) {
	return handLines(r, func(take func(inputLine) bool) {
		lr := newLineReader(r)
		for l := lr.next(); take(l) && !l.last; l = lr.next() {
		}
	})
}

// handLines runs read on a goroutine of its own. take hands over a line and reports whether more are wanted.
// stop closes r, unless that is nil.
func handLines(r io.Reader, read func(take func(inputLine) bool)) (lineCh <-chan inputLine, stop func()) {
	ch, stopCh := make(chan inputLine), make(chan struct{})
	var once sync.Once
	go read(func(l inputLine) bool {
		select {
		case ch <- l:
			return true
		case <-stopCh:
			return false
		}
	})
	return ch, func() {
		once.Do(func() {
			close(stopCh)
			if c, ok := r.(io.Closer); ok {
				_ = c.Close() // it is not read any more, whatever Close says
			}
		})
	}
}

// lineReader cuts input into lines and never holds more than one.
type lineReader struct {
	r   *bufio.Reader
	end error // the input has ended so
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, maxLine+len("\r\n"))}
}

// next returns a line without its end. The last line need not have one.
func (l *lineReader) next() inputLine {
	if l.end != nil {
		return inputLine{err: l.end, last: true}
	}
	raw, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return l.skip()
	}
	l.end = err
	if err != nil && len(raw) == 0 {
		return l.next()
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case len(line) > maxLine:
		return inputLine{err: errLineTooLong}
	case !utf8.ValidString(line):
		return inputLine{err: errNotUTF8}
	}
	return inputLine{text: line}
}

// skip drops the rest of a line that is too long.
func (l *lineReader) skip() inputLine {
	for {
		_, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		l.end = err
		return inputLine{err: errLineTooLong}
	}
}

// inputKind is what a line asks for.
type inputKind uint8

const (
	inputNothing inputKind = iota // an empty line
	inputText
	inputCommand
)

// input is a line that was understood.
type input struct {
	kind         inputKind
	to, text     string // inputText; to is empty for everyone
	command, arg string // inputCommand, without the colon
}

// parse reads the line.
func (l inputLine) parse() (input, error) {
	if l.raw && strings.TrimSpace(l.text) != "" {
		return parseText(l.text)
	}
	return parseInput(l.text)
}

// parseInput reads one line. Whatever has ";;" is for one user: a private text must not go to everyone
// because of a slip before the semicolons. A blank in front of a colon is such a slip, too.
func parseInput(line string) (input, error) {
	if strings.TrimSpace(line) == "" {
		return input{}, nil
	}
	fromColon := strings.TrimLeft(line, " \t")
	if text, ok := strings.CutPrefix(fromColon, "::"); ok {
		return input{kind: inputText, text: ":" + text}, nil
	}
	if command, ok := strings.CutPrefix(fromColon, ":"); ok {
		command, arg, _ := strings.Cut(strings.TrimSpace(command), " ")
		return input{kind: inputCommand, command: command, arg: strings.TrimSpace(arg)}, nil
	}
	return parseText(line)
}

// parseText reads a line that is no command.
func parseText(line string) (input, error) {
	to, text, private := strings.Cut(line, ";;")
	if !private {
		return input{kind: inputText, text: line}, nil
	}
	to = strings.TrimSpace(to)
	switch {
	case to == "":
		return input{}, errors.New("there is nobody before \";;\": write name;;text or id;;text")
	case strings.TrimSpace(text) == "":
		return input{}, errors.New("there is nothing after \";;\": write name;;text or id;;text")
	}
	return input{kind: inputText, to: to, text: text}, nil
}
