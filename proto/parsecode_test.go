package cimpb

import "testing"

func TestParseCodeIsTheInverseOfString(t *testing.T) {
	for code := range codeTexts {
		if got, ok := ParseCode(code.String()); !ok || got != code {
			t.Errorf("ParseCode(%q) = %d, %v; want %d", code.String(), got, ok, code)
		}
	}
	for _, name := range []string{"", "Stored", "code_2", "no_such_code"} {
		if got, ok := ParseCode(name); ok || got != 0 {
			t.Errorf("ParseCode(%q) = %d, %v; want none", name, got, ok)
		}
	}
}
