package route

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CheckName reports whether an account may have this name: valid UTF-8 in NFC (so that two names that look
// the same are the same), 1 to MaxNameBytes bytes, no control, bidi and line-breaking characters (a name is
// printed in terminals and logs), no `;` (chat writes `name;;text`), not digits alone (that is an id), no
// space at either end.
// Errors: ErrInvalidName.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > MaxNameBytes,
		!utf8.ValidString(name),
		!norm.NFC.IsNormalString(name),
		strings.TrimSpace(name) != name,
		strings.ContainsFunc(name, forbiddenInName),
		!strings.ContainsFunc(name, notDigit):
		return ErrInvalidName
	}
	return nil
}

func forbiddenInName(r rune) bool {
	return r == ';' || unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

func notDigit(r rune) bool { return !unicode.IsDigit(r) }
