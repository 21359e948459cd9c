package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestWithEmoji(t *testing.T) {
	for text, want := range map[string]string{
		"hi :smile:":          "hi 😄",
		":+1::heart:":         "👍💗",
		"at 12:30:45, a:b:c":  "at 12:30:45, a:b:c",
		":smile :nope: smile": ":smile :nope: smile",
		":smile:smile:":       "😄smile:",
		"":                    "",
	} {
		if got := withEmoji(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestEmojiTables(t *testing.T) {
	var all []string
	for page := 1; ; page++ {
		table, err := emojiTable(fmt.Sprint(page))
		if err != nil {
			t.Fatal(err)
		}
		last := table[len(table)-1]
		more := last[0] == fmt.Sprintf(":emoji %d", page+1)
		if more {
			table = table[:len(table)-1]
		}
		for _, row := range table {
			all = append(all, row[0])
			if withEmoji(row[0]) != row[1] {
				t.Errorf("%s is not %s", row[0], row[1])
			}
		}
		if !more {
			break
		}
	}
	if len(all) != len(emojis) || len(all) < 100 {
		t.Errorf("the pages have %d of %d", len(all), len(emojis))
	}
	first, err := emojiTable("")
	if err != nil || first[0][0] != ":"+emojis[0].name+":" {
		t.Errorf("without a page: %v, %v", first, err)
	}
	for _, arg := range []string{"0", "-1", "99", "x"} {
		if _, err := emojiTable(arg); err == nil || !strings.Contains(err.Error(), "pages 1 to 6") {
			t.Errorf("page %s: %v", arg, err)
		}
	}
}

// Pictures that terminals draw in different widths would move what stands behind them.
func TestEmojisAreTwoColumns(t *testing.T) {
	names := map[string]bool{}
	for _, e := range emojis {
		runes := []rune(e.picture)
		if _, w := drawn(runes[0], 0); len(runes) != 1 || w != 2 {
			t.Errorf("%s has %d characters and %d columns", e.name, len(runes), w)
		}
		if names[e.name] || strings.ContainsAny(e.name, " ;:") {
			t.Errorf("the name %q cannot be", e.name)
		}
		names[e.name] = true
	}
}
