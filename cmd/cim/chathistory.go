package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"cim/client"
)

const (
	historyFile  = 4 << 20 // bytes, when the file makes room for a new one; the one before it is kept
	historyShown = 50      // matches of :q word
	historyLimit = 1 << 20 // bytes of one record, however its text is escaped
)

// record is a message in the history: a line of JSON.
type record struct {
	At    time.Time `json:"at"`
	Sent  bool      `json:"sent,omitempty"` // by this user; otherwise received
	Kind  string    `json:"kind"`           // as in the lines that programs read
	User  int64     `json:"user,omitempty"` // the other one, where its id is known
	Name  string    `json:"name,omitempty"`
	Group int64     `json:"group,omitempty"`
	Text  string    `json:"text"`
}

// history is what a user has sent and received by one route, on this machine. Terminals share it: each record
// is appended with one write. It holds at most two files of historyFile bytes each.
type history struct {
	path  string // immutable
	limit int64  // immutable; bytes of a file

	mu   sync.Mutex
	file *os.File // guarded by mu
}

// openHistory makes the file where there is none. Only its owner can read it.
func openHistory(path string) (*history, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	h := &history{path: path, limit: historyFile}
	if err := h.reopen(); err != nil {
		return nil, err
	}
	return h, nil
}

// reopen must be called with mu held, or before anybody else knows h.
func (h *history) reopen() error {
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil { // it may be older than this rule
		_ = f.Close()
		return err
	}
	if h.file != nil {
		_ = h.file.Close()
	}
	h.file = f
	return nil
}

// Close lets go of the file.
func (h *history) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.file.Close()
}

// add appends a record.
func (h *history) add(r record) error {
	r.Text = cutText(r.Text, maxLine)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.makeRoom(); err != nil {
		return err
	}
	_, err = h.file.Write(append(line, '\n'))
	return err
}

// makeRoom puts a full file aside. Another terminal may have done so: then the file of that name is not full.
// Two that do it at the same moment are kept apart by a lock; who does not get it writes on. It must be called
// with mu held.
func (h *history) makeRoom() error {
	info, err := h.file.Stat()
	if err != nil || info.Size() < h.limit {
		return err
	}
	l, err := os.OpenFile(h.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer l.Close()
	unlock, err := lockFile(l)
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if info, err = os.Stat(h.path); err == nil && info.Size() >= h.limit {
		if err := os.Rename(h.path, h.path+".1"); err != nil {
			return err
		}
	}
	return h.reopen()
}

// each calls fn for the records, the oldest first. Lines that are not whole are passed over.
func (h *history) each(fn func(record)) error {
	for _, path := range []string{h.path + ".1", h.path} {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for line := range bytes.Lines(raw) {
			var r record
			if len(line) <= historyLimit && json.Unmarshal(line, &r) == nil && !r.At.IsZero() {
				fn(r)
			}
		}
	}
	return nil
}

// search returns the last records with word in their text or name, whatever the case, and how many there are
// in all.
func (h *history) search(word string) (found []record, all int, err error) {
	word = strings.ToLower(word)
	err = h.each(func(r record) {
		if !strings.Contains(strings.ToLower(r.Text), word) && !strings.Contains(strings.ToLower(r.Name), word) {
			return
		}
		all++
		if found = append(found, r); len(found) > historyShown {
			found = found[1:]
		}
	})
	return found, all, err
}

// sent are the last lines that this user sent, as they were typed.
func (h *history) sent(n int) (lines []string, err error) {
	err = h.each(func(r record) {
		line := r.Text
		switch {
		case !r.Sent:
			return
		case r.Name != "":
			line = r.Name + ";;" + r.Text
		case isCommand(line):
			line = ":" + strings.TrimLeft(line, " \t") // a text
		}
		if lines = append(lines, line); len(lines) > n {
			lines = lines[1:]
		}
	})
	return lines, err
}

// cutText is at most n bytes of s, in whole characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// receivedRecords are a message as the history keeps it.
func receivedRecords(m *client.Message) []record {
	var records []record
	for _, text := range textsOf(m) {
		records = append(records, record{
			At: m.SentAt.UTC(), Kind: kindNames[m.Kind], User: m.From, Name: m.FromName, Group: m.Group, Text: text,
		})
	}
	return records
}

// sentRecord is what this user has sent just now.
func sentRecord(o outgoing, now time.Time) record {
	r := record{At: now.UTC(), Sent: true, Kind: kindNames[client.Private], Name: o.to, Text: o.text}
	if o.to == "" {
		r.Kind = kindNames[client.Everyone]
	}
	return r
}

// historyFileOf is where the history of a name at a route is kept, in the folder home.
func historyFileOf(home, host, name string) string {
	return filepath.Join(home, "history", pathPart(host), pathPart(name)+".jsonl")
}
