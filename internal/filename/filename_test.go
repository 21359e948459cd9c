package filename

import (
	"strings"
	"testing"
)

func TestPart(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{"", "%", "a", "A", ".", "..", "a.b", ".a", "a/b", `a\b`, "a:b", "%41", "a b", "ä", "\x00", "NUL"} {
		got := Part(s)
		if other, ok := seen[strings.ToLower(got)]; ok {
			t.Errorf("%q and %q are both %q", s, other, got)
		}
		seen[strings.ToLower(got)] = s
		if got == "" || strings.HasPrefix(got, ".") || strings.ContainsAny(got, `/\:`) {
			t.Errorf("Part(%q) = %q", s, got)
		}
	}
}
