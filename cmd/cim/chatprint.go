package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"cim/client"
)

// printer writes whole lines, for people or for programs.
type printer struct {
	human    bool
	zone     *time.Location
	out, err lineWriter // apart, so that a stdout that nobody reads does not hold up stderr
}

// lineWriter keeps what several goroutines write from mixing.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lineWriter) write(s string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, s)
	return err
}

func newPrinter(out, err io.Writer, human bool) *printer {
	return &printer{human: human, zone: time.Local, out: lineWriter{w: out}, err: lineWriter{w: err}}
}

// message prints what a user or an application sent.
func (p *printer) message(m *client.Message) error {
	format := programLine
	if p.human {
		format = p.humanLine
	}
	var b strings.Builder
	for _, text := range textsOf(m) {
		b.WriteString(format(m, text))
		b.WriteByte('\n')
	}
	return p.toStdout(b.String())
}

func (p *printer) toStdout(s string) error {
	if err := p.out.write(s); err != nil {
		return fmt.Errorf("cannot write to stdout: %w", err)
	}
	return nil
}

// note prints a sentence about the conversation. That stderr is gone is nothing to end for.
func (p *printer) note(s string) { _ = p.err.write("-- " + visible(s) + "\n") }

// table prints what a command found.
func (p *printer) table(rows [][2]string) error {
	var b strings.Builder
	if !p.human {
		for _, r := range rows {
			b.WriteString(field(r[0]) + "\t" + field(r[1]) + "\n")
		}
		return p.toStdout(b.String())
	}
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "   %s\t%s\n", visible(r[0]), visible(r[1]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return p.toStdout(b.String())
}

// textsOf are the texts of a message. Device data is shown as the data URL (RFC 2397) that it would be.
func textsOf(m *client.Message) []string {
	switch {
	case len(m.Batch) > 0:
		return m.Batch
	case len(m.Payload) > 0:
		return []string{"data:;base64," + base64.StdEncoding.EncodeToString(m.Payload)}
	}
	return []string{m.Text}
}

// programLine is a contract with scripts: time, sender's id, sender's name, kind, text.
func programLine(m *client.Message, text string) string {
	return strings.Join([]string{
		m.SentAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"), strconv.FormatInt(m.From, 10),
		field(m.FromName), kindNames[m.Kind], field(text),
	}, "\t")
}

var kindNames = map[client.Kind]string{client.Private: "private", client.Everyone: "everyone", client.Group: "group"}

// field makes s a part of a line that ends where it should, and can be turned back.
func field(s string) string { return visible(strings.ReplaceAll(s, `\`, `\\`)) }

// humanLine is read by a person who knows what day it is.
func (p *printer) humanLine(m *client.Message, text string) string {
	from := visible(m.FromName)
	if m.From == 0 && from == "" {
		from = "(application)"
	}
	switch m.Kind {
	case client.Private:
		from += " -> you"
	case client.Group:
		from += " in group " + strconv.FormatInt(m.Group, 10)
	}
	return m.SentAt.In(p.zone).Format(time.TimeOnly) + " " + from + ": " + visible(text)
}
