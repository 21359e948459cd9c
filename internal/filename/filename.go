// Package filename makes names of files out of any text. It must not know what the files are for.
package filename

import (
	"fmt"
	"strings"
)

// Part makes any string one component of a path, different strings different ones, also where file systems do
// not tell a from A.
func Part(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}
