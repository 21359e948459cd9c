package token

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzTokens has strangers make tokens up. Nothing counts but what was signed here, as it was signed.
func FuzzTokens(f *testing.F) {
	k := NewKeys()
	ticket, err := k.Ticket(ticketFor(42), noon)
	if err != nil {
		f.Fatal(err)
	}
	access, _, err := k.Access(42, 1, noon)
	if err != nil {
		f.Fatal(err)
	}
	stranger, err := NewKeys().Ticket(ticketFor(42), noon)
	if err != nil {
		f.Fatal(err)
	}
	header, body, signature := parts(ticket)
	for _, seed := range []string{
		ticket, access, stranger, "", "..", header + "." + body + ".", header + "." + body, body + "." + header + "." + signature,
		"eyJhbGciOiJub25lIn0." + body + ".", ticket + "." + signature, " " + ticket, ticket + "=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		_, err := k.CheckTicket(said, "s1", noon)
		checkVerdict(t, "ticket", said, ticket, err)
		_, err = k.CheckAccess(said, noon)
		checkVerdict(t, "access token", said, access, err)
	})
}

func parts(token string) (header, body, signature string) {
	p := strings.SplitN(token, ".", 3)
	return p[0], p[1], p[2]
}

// checkVerdict wants the one good token to count, and whatever does not to be refused with a reason.
func checkVerdict(t *testing.T, what, said, good string, err error) {
	t.Helper()
	known := slices.ContainsFunc([]error{ErrInvalid, ErrExpired, ErrWrongServer, ErrUnknownKey}, func(reason error) bool { return errors.Is(err, reason) })
	switch {
	case said == good && err != nil:
		t.Errorf("the %s that was signed: %v", what, err)
	case said != good && err == nil && !sameToken(said, good):
		t.Errorf("a made-up %s counts: %q", what, said)
	case err != nil && !known:
		t.Errorf("a refused %s: %v", what, err)
	}
}

// sameToken allows for the last letter of a signature, of which two bits mean nothing.
func sameToken(a, b string) bool {
	return len(a) == len(b) && a[:len(a)-1] == b[:len(b)-1]
}
