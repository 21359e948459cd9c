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
	paint    painter    // of what people read
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
func (p *printer) note(s string) { _ = p.err.write(p.paint.faint("-- "+visible(s)) + "\n") }

// own prints what this user has entered, where it is not on the screen as it was typed. state is what has to
// be known about it, if anything.
func (p *printer) own(to, text, state string, at time.Time) error {
	if state != "" {
		state = p.paint.faint(" [" + state + "]")
	}
	return p.toStdout(p.stamp(at, time.TimeOnly+" ") + p.ownLine(to, state, text))
}

func (p *printer) ownLine(to, state, text string) string {
	if to != "" {
		to = p.paint.strong(" -> ") + p.paint.strong(visible(to))
	}
	return p.paint.strong("you") + to + state + ": " + visible(text) + "\n"
}

// echo prints a command that was entered.
func (p *printer) echo(line string) error {
	return p.toStdout(p.paint.faint("> "+visible(line)) + "\n")
}

// past prints records of the history.
func (p *printer) past(records []record) error {
	var b strings.Builder
	for _, r := range records {
		if !p.human {
			b.WriteString(pastLine(&r))
			continue
		}
		b.WriteString(p.stamp(r.At, "2006-01-02 15:04 "))
		if r.Sent {
			b.WriteString(p.ownLine(r.Name, "", r.Text))
			continue
		}
		m := client.Message{From: r.User, FromName: r.Name, Group: r.Group, Kind: kindOfName(r.Kind)}
		b.WriteString(p.sender(&m) + ": " + visible(r.Text) + "\n")
	}
	return p.toStdout(b.String())
}

// pastLine is a contract with scripts, as programLine is: one field more, so that nobody takes it for a message
// that came just now.
func pastLine(r *record) string {
	direction := "received"
	if r.Sent {
		direction = "sent"
	}
	return strings.Join([]string{
		r.At.UTC().Format(programTime), direction, strconv.FormatInt(r.User, 10), field(r.Name), field(r.Kind), field(r.Text),
	}, "\t") + "\n"
}

func kindOfName(name string) client.Kind {
	for kind, n := range kindNames {
		if n == name {
			return kind
		}
	}
	return client.Private
}

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

// programTime is RFC 3339 with milliseconds.
const programTime = "2006-01-02T15:04:05.000Z07:00"

// programLine is a contract with scripts: time, sender's id, sender's name, kind, text.
func programLine(m *client.Message, text string) string {
	return strings.Join([]string{
		m.SentAt.UTC().Format(programTime), strconv.FormatInt(m.From, 10),
		field(m.FromName), kindNames[m.Kind], field(text),
	}, "\t")
}

var kindNames = map[client.Kind]string{client.Private: "private", client.Everyone: "everyone", client.Group: "group"}

// field makes s a part of a line that ends where it should, and can be turned back.
func field(s string) string { return visible(strings.ReplaceAll(s, `\`, `\\`)) }

// humanLine is read by a person who knows what day it is.
func (p *printer) humanLine(m *client.Message, text string) string {
	return p.stamp(m.SentAt, time.TimeOnly+" ") + p.sender(m) + ": " + visible(text)
}

func (p *printer) stamp(at time.Time, format string) string {
	return p.paint.faint(at.In(p.zone).Format(format))
}

// sender is who sent a message, and to whom.
func (p *printer) sender(m *client.Message) string {
	from := visible(m.FromName)
	if m.From == 0 && from == "" {
		from = "(application)"
	}
	from = p.paint.name(m.From, m.FromName, from)
	switch m.Kind {
	case client.Private:
		return from + p.paint.strong(" -> you")
	case client.Group:
		return from + " in group " + strconv.FormatInt(m.Group, 10)
	}
	return from
}
