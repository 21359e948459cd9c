package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// keyNames are short names of keys, as tests write them.
var keyNames = map[keyKind]string{
	keyInvalid: "<bad>", keyEnter: "<enter>", keyTab: "<tab>", keyInterrupt: "<^C>", keyEOF: "<^D>",
	keyBackspace: "<bs>", keyDelete: "<del>", keyLeft: "<left>", keyRight: "<right>", keyWordLeft: "<wleft>",
	keyWordRight: "<wright>", keyHome: "<home>", keyEnd: "<end>", keyUp: "<up>", keyDown: "<down>",
	keyCutWord: "<cutword>", keyCutRight: "<cutright>", keyCutLeft: "<cutleft>", keySwap: "<swap>", keyClear: "<clear>",
	keyPasteBegin: "<paste>", keyPasteEnd: "</paste>",
}

// decoded feeds the chunks and writes down the keys.
func decoded(chunks ...[]byte) string {
	var d keyDecoder
	var b strings.Builder
	for _, c := range chunks {
		d.feed(c, func(k key) {
			if k.kind == keyRune {
				b.WriteRune(k.r)
				return
			}
			b.WriteString(keyNames[k.kind])
		})
	}
	return b.String()
}

func TestKeys(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"text":               {"a 张\U0001f604", "a 张\U0001f604"},
		"control":            {"\x01\x02\x05\x06\x0b\x0c\x0e\x10\x14\x15\x17", "<home><left><end><right><cutright><clear><down><up><swap><cutleft><cutword>"},
		"ends":               {"\r\n\x03\x04\x7f\x08\t", "<enter><enter><^C><^D><bs><bs><tab>"},
		"control without":    {"a\x00\x07\x1fb", "ab"},
		"arrows":             {"\x1b[A\x1b[B\x1b[C\x1b[D\x1bOA\x1bOB\x1bOC\x1bOD", "<up><down><right><left><up><down><right><left>"},
		"home and end":       {"\x1b[H\x1b[F\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[7~\x1b[8~", "<home><end><home><end><home><end><home><end>"},
		"words":              {"\x1b[1;5D\x1b[1;5C\x1b[1;3D\x1b[1;3C\x1bb\x1bf\x1b\x7f", "<wleft><wright><wleft><wright><wleft><wright><cutword>"},
		"delete":             {"\x1b[3~", "<del>"},
		"unknown sequences":  {"a\x1b[15~b\x1b[?1;2cc\x1bOPd\x1bxe", "abcde"},
		"escape, then words": {"\x1b张三李四", "张三李四"},
		"two escapes":        {"\x1b\x1b[A", "<up>"},
		"broken sequence":    {"\x1b[1\ra", "<enter>a"},
		"endless sequence":   {"\x1b[" + strings.Repeat("1", 31) + "a", "1a"},
		"not UTF-8":          {"a\xff\xe9b", "a<bad><bad>b"},
		"paste":              {"\x1b[200~a\rb\nc\r\nd\x1b[201~e", "<paste>a<enter>b<enter>c<enter>d</paste>e"},
		"keys in a paste":    {"\x1b[200~\x03\x04\t\x1b[A\x1b[200~\x1b[201~\x03", "<paste>\x03\x04\t\x1b[A\x1b[200~</paste><^C>"},
		"empty lines pasted": {"\x1b[200~\n\n\r\r\n\x1b[201~", "<paste><enter><enter><enter><enter></paste>"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decoded([]byte(tt.in)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			for i := range len(tt.in) { // a key may come in parts
				if got := decoded([]byte(tt.in[:i]), []byte(tt.in[i:])); got != tt.want {
					t.Errorf("cut at %d: %q, want %q", i, got, tt.want)
				}
			}
		})
	}
}

// Whatever a terminal sends, what is read does not depend on how it was cut, and nothing is kept for ever.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"a张\x1b[A", "\x1b[200~x\r\n\x1b[201~", "\x1b", "\xff\x1b[1;", "\x1b[200~\x1b[20"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		cut = max(0, min(cut, len(in)))
		whole := decoded(in)
		if got := decoded(in[:cut], in[cut:]); got != whole {
			t.Errorf("cut at %d: %q, whole: %q", cut, got, whole)
		}
		if !utf8.ValidString(whole) {
			t.Errorf("%q is not UTF-8", whole)
		}
		var d keyDecoder
		d.feed(in, func(key) {})
		if len(d.rest) > maxSequence {
			t.Errorf("%d bytes are held back", len(d.rest))
		}
	})
}
