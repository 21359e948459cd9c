package token

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ticketFor(user int64) Ticket { return Ticket{User: user, Device: "phone", Instance: "s1"} }

func signTicket(t *testing.T, k *Keys, ticket Ticket) string {
	t.Helper()
	signed, err := k.Ticket(ticket, noon)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestAccess(t *testing.T) {
	k := NewKeys()
	signed, expires, err := k.Access(42, 3, noon)
	if err != nil || expires != noon.Add(AccessTime) {
		t.Fatal(expires, err)
	}
	for name, tc := range map[string]struct {
		at  time.Time
		err error
	}{
		"at once":       {noon, nil},
		"at its end":    {expires.Add(clockSkew - time.Second), nil},
		"after its end": {expires.Add(clockSkew + time.Second), ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := k.CheckAccess(signed, tc.at)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err == nil && (got.User != 42 || got.Generation != 3 || !got.Issued.Equal(noon) || !got.Expires.Equal(expires)) {
				t.Errorf("token %+v", got)
			}
		})
	}
}

func TestTicket(t *testing.T) {
	k := NewKeys()
	later := ticketFor(42)
	later.NotBefore = noon.Add(30 * time.Second)
	for name, tc := range map[string]struct {
		ticket   Ticket
		instance string
		at       time.Time
		err      error
	}{
		"at once":          {ticketFor(42), "s1", noon, nil},
		"another server":   {ticketFor(42), "s2", noon, ErrWrongServer},
		"too old":          {ticketFor(42), "s1", noon.Add(TicketTime + clockSkew + time.Second), ErrExpired},
		"admitted later":   {later, "s1", noon, ErrTooEarly},
		"its time is come": {later, "s1", noon.Add(30 * time.Second), nil},
		"nobody's":         {ticketFor(0), "s1", noon, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := k.CheckTicket(signTicket(t, k, tc.ticket), tc.instance, tc.at)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err == nil && (got.User != 42 || got.Device != "phone" || got.ID == "") {
				t.Errorf("ticket %+v", got)
			}
		})
	}
}

// One kind of token is not the other, and nothing but our own signature counts.
func TestForgeries(t *testing.T) {
	k, other := NewKeys(), NewKeys()
	access, _, err := k.Access(42, 3, noon)
	if err != nil {
		t.Fatal(err)
	}
	ticket := signTicket(t, k, ticketFor(42))
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"aud": "route", "sub": "42", "exp": noon.Add(time.Hour).Unix()}).
		SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	confused := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": "route", "sub": "42", "exp": noon.Add(time.Hour).Unix()})
	confused.Header["kid"] = k.current.Load().id
	byPublicKey, err := confused.SignedString([]byte(k.current.Load().signing.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := other.Access(42, 3, noon)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.LastIndexByte(access, '.')
	for name, forged := range map[string]string{
		"a ticket": ticket, "unsigned": unsigned, "signed with the public key as a secret": byPublicKey,
		"signed by a stranger": foreign, "without signature": access[:cut+1], "nothing": "", "not a token": "a.b.c",
	} {
		if got, err := k.CheckAccess(forged, noon); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s passes as access token of %d: %v", name, got.User, err)
		}
	}
	if _, err := k.CheckTicket(access, "s1", noon); !errors.Is(err, ErrInvalid) {
		t.Errorf("an access token passes as ticket: %v", err)
	}
}

// The header of a token is the sender's to write: it chooses among the keys that we have, and brings none.
func TestHeadersChooseNoKey(t *testing.T) {
	k := NewKeys()
	own := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	valid := jwt.MapClaims{"aud": "route", "sub": "42", "gen": 3, "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}
	for name, header := range map[string]map[string]any{
		"no kid":                {},
		"another kid":           {"kid": keyID(own.Public().(ed25519.PublicKey))},
		"our kid":               {"kid": k.ID()},
		"a kid that is a path":  {"kid": "../../../dev/null"},
		"a kid that is no text": {"kid": []string{k.ID()}},
		"a key in the header":   {"kid": k.ID(), "jwk": map[string]string{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
		"an address of keys":    {"kid": k.ID(), "jku": "http://evil.example/keys", "x5u": "http://evil.example/cert"},
	} {
		forged := jwt.NewWithClaims(jwt.SigningMethodEdDSA, valid)
		for field, value := range header {
			forged.Header[field] = value
		}
		signed, err := forged.SignedString(own)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.CheckAccess(signed, noon)
		if unknown := header["kid"] != k.ID(); !errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnknownKey) != unknown {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where the clock is set back, a used ticket would be valid again.
func TestUsedTicketsAfterTheClockIsSetBack(t *testing.T) {
	var u Used
	a := Ticket{ID: "a"}
	if err := u.Note(a, noon); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{-time.Hour, -time.Hour + 10*time.Minute, -time.Second} {
		if err := u.Note(a, noon.Add(at)); !errors.Is(err, ErrUsed) {
			t.Errorf("at %v: %v", at, err)
		}
	}
}

func TestTicketsAreUsedOnce(t *testing.T) {
	var u Used
	a, b := Ticket{ID: "a"}, Ticket{ID: "b"}
	if err := u.Note(a, noon); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, time.Second, TicketTime, TicketTime + clockSkew} {
		if err := u.Note(a, noon.Add(after)); !errors.Is(err, ErrUsed) {
			t.Errorf("again after %v: %v", after, err)
		}
	}
	if err := u.Note(b, noon.Add(TicketTime)); err != nil {
		t.Errorf("another: %v", err)
	}
	// Noted at the very end of a generation, it is still known in the next.
	last := Ticket{ID: "last"}
	at := u.turnsAt.Add(-time.Second)
	if err := u.Note(last, at); err != nil {
		t.Fatal(err)
	}
	if err := u.Note(last, at.Add(TicketTime+clockSkew)); !errors.Is(err, ErrUsed) {
		t.Errorf("again in the next generation: %v", err)
	}
	if u.Expire(at.Add(time.Hour)); len(u.now)+len(u.before) != 0 {
		t.Errorf("kept for ever: %d and %d", len(u.now), len(u.before))
	}
}

func TestUsedIsBounded(t *testing.T) {
	u := Used{now: map[usedID]struct{}{}, turnsAt: noon.Add(time.Minute)}
	for i := range usedMax / 2 {
		u.now[usedID{byte(i), byte(i >> 8), byte(i >> 16)}] = struct{}{}
	}
	if err := u.Note(Ticket{ID: "one more"}, noon); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
}

func TestKeysOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := signTicket(t, k, ticketFor(1))
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, signingFile): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	reader, err := OpenKeys(dir) // another process
	if err != nil {
		t.Fatal(err)
	}
	check := func(k *Keys, signed string, want error) {
		t.Helper()
		if _, err := k.CheckTicket(signed, "s1", noon); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	check(reader, first, nil)
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	second := signTicket(t, k, ticketFor(2))
	check(k, first, nil)
	check(reader, second, ErrInvalid) // it has not looked again
	if err := reader.Reload(); err != nil {
		t.Fatal(err)
	}
	check(reader, first, nil)
	check(reader, second, nil)
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	check(k, first, ErrInvalid) // signed by a key that is gone
	check(k, second, nil)
}

func TestBadKeyFiles(t *testing.T) {
	good := t.TempDir()
	if _, err := OpenKeys(good); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(good, signingFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"not PEM":             {signingFile: "hello"},
		"not a key":           {signingFile: "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n"},
		"previous is broken":  {signingFile: string(key), previousFile: "hello"},
		"previous is private": {signingFile: string(key), previousFile: string(key)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := OpenKeys(dir); !errors.Is(err, ErrKey) {
				t.Errorf("error %v", err)
			}
		})
	}
	k, err := OpenKeys(good)
	if err != nil {
		t.Fatal(err)
	}
	signed := signTicket(t, k, ticketFor(1))
	if err := os.WriteFile(filepath.Join(good, signingFile), []byte("spoilt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); !errors.Is(err, ErrKey) {
		t.Errorf("reload: %v", err)
	}
	if _, err := k.CheckTicket(signed, "s1", noon); err != nil {
		t.Errorf("a failed reload lost the keys: %v", err)
	}
}
