package peer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
)

// minSecretBytes is what cannot be guessed, even if it is text rather than random bytes.
const minSecretBytes = 32

// Secrets are what the servers and routes of a cluster know and nobody else does: the one that signs, and
// another that counts as well while the secret is being replaced. Safe for concurrent use.
type Secrets struct{ keys atomic.Pointer[secretPair] }

type secretPair struct{ current, previous []byte }

// ParseSecrets reads a secret file: the current secret on the first line, the other one that counts on the second,
// which may be missing. To replace a secret without a pause, put the new one on the second line of every file,
// then exchange the lines, then delete the second; each step when all processes have read the one before.
// Errors: ErrSecrets.
func ParseSecrets(text []byte) (*Secrets, error) {
	s := &Secrets{}
	if err := s.Replace(text); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace puts the content of a changed secret file in place. After an error the old one stays. Errors: ErrSecrets.
func (s *Secrets) Replace(text []byte) error {
	first, second, _ := bytes.Cut(bytes.TrimRight(text, "\r\n"), []byte("\n"))
	pair := &secretPair{current: bytes.Clone(bytes.TrimRight(first, "\r")), previous: bytes.Clone(second)}
	switch {
	case len(pair.current) < minSecretBytes, bytes.ContainsAny(pair.previous, "\r\n"):
		return ErrSecrets
	case len(pair.previous) == 0:
		pair.previous = nil
	case len(pair.previous) < minSecretBytes:
		return ErrSecrets
	}
	s.keys.Store(pair)
	return nil
}

// Current is the secret that signs. It must not be changed.
func (s *Secrets) Current() []byte { return s.keys.Load().current }

// Previous is the other secret that counts; nil when there is none. It must not be changed.
func (s *Secrets) Previous() []byte { return s.keys.Load().previous }

// signature is HMAC-SHA256 over the parts, joined by newlines, in hexadecimal.
func signature(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for i, p := range parts {
		if i > 0 {
			mac.Write([]byte{'\n'})
		}
		mac.Write(p)
	}
	return hex.AppendEncode(nil, mac.Sum(nil))
}

func signRequest(key, sentAt, body []byte) []byte {
	return signature(key, []byte("POST"), []byte(Path), sentAt, body)
}

// signReply binds a reply to the one request that has that signature.
func signReply(key, request, body []byte) []byte {
	return signature(key, []byte("REPLY"), []byte(Path), request, body)
}

// signer is the secret that made the signature of a request; nil when none did.
func (s *Secrets) signer(given, sentAt, body []byte) []byte {
	pair := s.keys.Load()
	if equal(given, signRequest(pair.current, sentAt, body)) {
		return pair.current
	}
	if pair.previous != nil && equal(given, signRequest(pair.previous, sentAt, body)) {
		return pair.previous
	}
	return nil
}

// equal compares signatures in constant time.
func equal(a, b []byte) bool { return hmac.Equal(a, b) }
