package route

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// SecretBytes is how much chance a secret holds: too much to guess, so that a plain SHA-256 keeps it as well as a
// slow hash would, at no cost for a storm of logins.
const SecretBytes = 32

// SecretHash is what is kept of a secret. The zero SecretHash is that of no secret.
type SecretHash [sha256.Size]byte

// NewSecret makes a secret: 43 characters of base64url, to be shown once.
func NewSecret() string {
	var b [SecretBytes]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret is what to keep of a secret.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// None reports whether there is no secret, so that nothing can be equal.
func (h SecretHash) None() bool { return h == SecretHash{} }

// Equal compares in constant time. What has no secret equals nothing, not even another without.
func (h SecretHash) Equal(other SecretHash) bool {
	same := subtle.ConstantTimeCompare(h[:], other[:])
	var none SecretHash
	return same&^subtle.ConstantTimeCompare(h[:], none[:]) == 1
}
