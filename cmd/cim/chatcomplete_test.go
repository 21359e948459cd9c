package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	for name, tt := range map[string]struct{ typed, line, above string }{
		"nothing":               {"\t", "|", "alice;;  bob;;  bobby;;  李雷;;"},
		"a command":             {":ol\t", ":olu|", ""},
		"a command with more":   {":e\t", ":emoji |", ""},
		"several commands":      {":\t", ":|", ":all  :delay  :emoji  :info  :olu  :pu  :q"},
		"no command":            {":zq\t", ":zq|", ""},
		"a name":                {"al\t", "alice;;|", ""},
		"as far as it is clear": {"b\t", "bob|", ""},
		"then the choice":       {"b\t\t", "bob|", "bob;;  bobby;;"},
		"another script":        {"李\t", "李雷;;|", ""},
		"a name to find":        {":pu al\t", ":pu alice|", ""},
		"not in a text":         {"bob;;al\t", "bob;;al|", ""},
		"a picture":             {"bob;;so :smile\t", "bob;;so :smile|", ":smile:  :smiley:"},
		"the picture":           {"good :roc\t", "good :rocket:|", ""},
		"a picture in front":    {":roc\t", ":rocket:|", ""},
		"keeps what is behind":  {"xyz\x01al\t", "alice;;|xyz", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, v := newTestConsole(t, 80, 5)
			c.complete.names = &nameBook{}
			c.complete.names.add("bobby", "alice", "李雷", "bob", "alice", "")
			c.press([]byte(tt.typed))
			want := []string{"alice> " + tt.line}
			if tt.above != "" {
				want = []string{"   " + tt.above, want[0]}
			}
			v.shows(want...)
		})
	}
}

func TestCompleteShowsOnlySome(t *testing.T) {
	c, v := newTestConsole(t, 200, 5)
	c.complete.names = &nameBook{}
	for i := range 30 {
		c.complete.names.add(fmt.Sprintf("u%02d", i))
	}
	c.press([]byte("u\t"))
	if first, _, _ := strings.Cut(v.text(), "\n"); strings.Count(first, ";;") != shownNames || !strings.HasSuffix(first, "u19;; ...") {
		t.Errorf("the choice is %q", first)
	}
}

// Names that are not known are asked for, and completed when they come if the line is still the same.
func TestCompleteAsks(t *testing.T) {
	c, v := newTestConsole(t, 80, 5)
	var asked []string
	book := &nameBook{}
	c.complete = completer{names: book, ask: func(prefix string) { asked = append(asked, prefix) }}
	c.press([]byte("car\t"))
	book.add("carol")
	c.namesCame()
	v.shows("alice> carol;;|")
	c.press([]byte("\x15da\t"))
	book.add("dave")
	c.press([]byte("x"))
	c.namesCame()
	v.shows("alice> dax|")
	c.press([]byte("\x15:pu er\t\x15bob;;er\t"))
	if want := []string{"car", "da", "er"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	c.close()
	c.namesCame()
}

// What the names of others hold does not get to the screen.
func TestCompleteShowsNamesSafely(t *testing.T) {
	c, v := newTestConsole(t, 80, 5)
	c.complete.names = &nameBook{}
	c.complete.names.add("x\x1b[2Ja", "x\u202eb")
	c.press([]byte("x\t"))
	v.shows(`   x\x1b[2Ja;;  x\u202eb;;`, "alice> x|")
}

func TestNameBookIsBounded(t *testing.T) {
	var b nameBook
	for i := range knownNames + 2 {
		b.add(fmt.Sprintf("u%d", i), "kept")
	}
	if len(b.names) != knownNames || len(b.with("kept")) != 1 || len(b.with("u0")) != 0 {
		t.Errorf("%d names, %v, %v", len(b.names), b.with("kept"), b.with("u0"))
	}
}

func TestCommonPrefixIsOfWholeCharacters(t *testing.T) {
	if got := commonPrefix([]string{"a你x", "a你", "a好"}); got != "a" { // 你 and 好 begin with the same byte
		t.Errorf("%q", got)
	}
}
