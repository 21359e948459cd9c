package route

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckNameAccepts(t *testing.T) {
	for _, name := range []string{
		"a", "alice", "Alice Smith", "zs", "login-status", "cim-route:5", "张三", "caf\u00e9", "3com", "x:y,z.w",
		"o'neil", "emoji 🙂", "a\u00a0b", strings.Repeat("x", MaxNameBytes), strings.Repeat("é", MaxNameBytes/2),
	} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}

func TestCheckNameRefuses(t *testing.T) {
	for _, tc := range []struct{ why, name string }{
		{"empty", ""},
		{"too long", strings.Repeat("x", MaxNameBytes+1)},
		{"too long in bytes", strings.Repeat("é", MaxNameBytes/2) + "x"},
		{"not UTF-8", "a\xff"},
		{"cut rune", "a\xc3"},
		{"encoded surrogate", "a\xed\xa0\x80"},
		{"not NFC", "cafe\u0301"},
		{"compatibility singleton not NFC", "\u212b"},
		{"digits", "1547028929407"},
		{"one digit", "0"},
		{"digits of another script", "\u0661\u0662"},
		{"semicolon", "a;b"},
		{"newline", "a\nb"},
		{"NUL", "a\x00b"},
		{"escape", "a\x1b[31m"},
		{"delete", "a\x7f"},
		{"C1 control", "a\u0085b"},
		{"right-to-left override", "a\u202eb"},
		{"isolate", "a\u2066b"},
		{"left-to-right mark", "a\u200eb"},
		{"Arabic letter mark", "a\u061cb"},
		{"line separator", "a\u2028b"},
		{"paragraph separator", "a\u2029b"},
		{"leading space", " a"},
		{"trailing space", "a "},
		{"trailing wide space", "a\u3000"},
		{"only a space", " "},
	} {
		t.Run(tc.why, func(t *testing.T) {
			if err := CheckName(tc.name); !errors.Is(err, ErrInvalidName) {
				t.Errorf("CheckName(%q) = %v, want ErrInvalidName", tc.name, err)
			}
		})
	}
}
