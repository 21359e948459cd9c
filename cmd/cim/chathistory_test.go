package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cim/client"
)

func newHistory(t *testing.T) *history {
	t.Helper()
	h, err := openHistory(historyFileOf(t.TempDir(), "127.0.0.1:8083", "alice"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (h *history) has(t *testing.T, word string, want ...string) {
	t.Helper()
	found, all, err := h.search(word)
	var texts []string
	for _, r := range found {
		texts = append(texts, r.Text)
	}
	if err != nil || all != len(want) || !slices.Equal(texts, want) {
		t.Errorf("search %q: %q, %d in all, %v; want %q", word, texts, all, err, want)
	}
}

func (h *history) put(t *testing.T, records ...record) {
	t.Helper()
	for _, r := range records {
		if r.At.IsZero() {
			r.At = nine
		}
		if err := h.add(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHistoryOfOneUserAndRoute(t *testing.T) {
	home := t.TempDir()
	paths := map[string]bool{}
	for _, of := range [][2]string{{"a:1", "alice"}, {"a:2", "alice"}, {"a:1", "bob"}, {"a:1", "../alice"}} {
		h, err := openHistory(historyFileOf(home, of[0], of[1]))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		h.put(t, record{Text: "x"})
		h.has(t, "x", "x")
		paths[h.path] = true
		for path, want := range map[string]os.FileMode{h.path: 0o600, filepath.Dir(h.path): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
	if len(paths) != 4 {
		t.Errorf("the files are %v", paths)
	}
}

func TestHistorySearch(t *testing.T) {
	h := newHistory(t)
	m := client.Message{From: 7, FromName: "Bob", Batch: []string{"Grüße\n\x1b[31m", "two"}, SentAt: nine}
	h.put(t, receivedRecords(&m)...)
	h.put(t, sentRecord(outgoing{to: "carol", text: "to you"}, nine), sentRecord(outgoing{text: "to all"}, nine))
	h.has(t, "GRÜSSE")
	h.has(t, "grüße", "Grüße\n\x1b[31m")
	h.has(t, "bob", "Grüße\n\x1b[31m", "two")
	h.has(t, "to ", "to you", "to all")
	h.has(t, "CAROL", "to you")
	h.has(t, "nothing")
	raw, err := os.ReadFile(h.path)
	want := `{"at":"2026-03-04T09:05:06.0789Z","kind":"private","user":7,"name":"Bob","text":"Grüße\n\u001b[31m"}`
	if first, _, _ := strings.Cut(string(raw), "\n"); err != nil || first != want {
		t.Errorf("the first line is %s, want %s", first, want)
	}
}

func TestHistoryShowsTheLatest(t *testing.T) {
	h := newHistory(t)
	for i := range historyShown + 5 {
		h.put(t, record{Text: fmt.Sprintf("word %d", i)})
	}
	found, all, err := h.search("word")
	if err != nil || all != historyShown+5 || len(found) != historyShown || found[0].Text != "word 5" {
		t.Errorf("%d of %d, %v", len(found), all, err)
	}
}

// A history that was cut off by a crash, or is not one, is read as far as it can be.
func TestHistoryThatIsBroken(t *testing.T) {
	h := newHistory(t)
	h.put(t, record{Text: "word before"})
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"at":"2026-03-04T09:05:06Z","text":"word c` + "\n\x00\x00word\n" + strings.Repeat("word", historyLimit) + "\n[1]\n\n")
	_ = f.Close()
	h.put(t, record{Text: "word after"})
	h.has(t, "word", "word before", "word after")
}

// An older file that others could read is closed to them.
func TestHistoryFileModeIsMended(t *testing.T) {
	h := newHistory(t)
	if err := os.Chmod(h.path, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := openHistory(h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if info, err := os.Stat(h.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Two terminals share a history, which stays below its bound and keeps the latest.
func TestHistoryIsBoundedAndShared(t *testing.T) {
	const each, limit = 300, 4096
	one := newHistory(t)
	two, err := openHistory(one.path)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	var wg sync.WaitGroup
	for n, h := range []*history{one, two} {
		h.limit = limit
		wg.Go(func() {
			for i := range each {
				if err := h.add(record{At: nine, Text: fmt.Sprintf("%d: %d", n, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	one.put(t, record{Text: "the last of one"})
	two.put(t, record{Text: "the last of two"})
	one.has(t, "the last", "the last of one", "the last of two")
	for _, path := range []string{one.path, one.path + ".1"} {
		info, err := os.Stat(path)
		if err != nil || info.Size() > 2*limit {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	_, all, err := one.search(": ")
	if err != nil || all < limit/2/60 || all >= 2*each {
		t.Errorf("%d records are left of %d, %v", all, 2*each, err)
	}
}

func TestHistoryCutsLongTexts(t *testing.T) {
	h := newHistory(t)
	h.put(t, record{Text: strings.Repeat("\x01", maxLine+1)}, record{Text: strings.Repeat("好", maxLine)})
	found, _, err := h.search("")
	if err != nil || len(found) != 2 || len(found[0].Text) != maxLine || found[1].Text != strings.Repeat("好", maxLine/3) {
		t.Errorf("%d records, %v", len(found), err)
	}
}

func TestHistoryOfTheUpKey(t *testing.T) {
	h := newHistory(t)
	h.put(t, record{Text: "heard"}, sentRecord(outgoing{text: "first"}, nine), sentRecord(outgoing{to: "bob", text: "psst"}, nine),
		sentRecord(outgoing{text: ":)"}, nine))
	lines, err := h.sent(2)
	if want := []string{"bob;;psst", "::)"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v, want %q", lines, err, want)
	}
}

func TestHistoryWithoutAFolder(t *testing.T) {
	c, _, _ := newScreenChat(t)
	c.cmd.Home = writeFile(t, "home", "a file")
	if err := c.openHistory(); err == nil || !strings.Contains(err.Error(), "no history is kept: ") {
		t.Errorf("%v", err)
	}
}

func TestPastLines(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out, &out, true)
	p.zone = time.FixedZone("", 3600)
	err := p.past([]record{
		{At: nine, Kind: "private", User: 7, Name: "b\x1bb", Text: "x\x07"},
		{At: nine, Kind: "everyone", User: 7, Name: "bob", Text: "x"},
		{At: nine, Kind: "group", Group: 3, User: 7, Name: "bob", Text: "x"},
		sentRecord(outgoing{to: "bob", text: "y"}, nine), sentRecord(outgoing{text: "y"}, nine),
	})
	const stamp = "2026-03-04 10:05 "
	want := stamp + `b\x1bb -> you: x\a` + "\n" + stamp + "bob: x\n" + stamp + "bob in group 3: x\n" +
		stamp + "you -> bob: y\n" + stamp + "you: y\n"
	if err != nil || out.String() != want {
		t.Errorf("%q, %v, want %q", out.String(), err, want)
	}
}

// For a script, what :q word finds has a field more than what arrives.
func TestPastLinesOfScripts(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out, &out, false)
	err := p.past([]record{
		{At: nine, Kind: "private", User: 7, Name: "bob", Text: "x\ty\n\x1b"}, sentRecord(outgoing{to: "bob", text: "y"}, nine),
	})
	const stamp = "2026-03-04T09:05:06.078Z\t"
	want := stamp + `received	7	bob	private	x\ty\n\x1b` + "\n" + stamp + "sent\t0\tbob\tprivate\ty\n"
	if err != nil || out.String() != want {
		t.Errorf("%q, %v, want %q", out.String(), err, want)
	}
}
