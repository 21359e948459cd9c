package token

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
)

// derivedFor keeps the keys of tokens apart from whatever else is made of the same secret.
const derivedFor = "cim token signing key 1"

// Derive makes keys that everyone has who knows a cluster's secret: no key has to travel between its routes. Tokens that
// were signed under the previous secret (empty: none) stay valid. Keys of a server only check: sign is false, and making
// a token is ErrKey. The private key is made by HKDF with SHA-256 (RFC 5869).
func Derive(secret, previous []byte, sign bool) *Keys {
	k := &Keys{}
	k.Follow(secret, previous, sign)
	return k
}

// Follow replaces derived keys after the cluster's secret has changed.
func (k *Keys) Follow(secret, previous []byte, sign bool) {
	var old ed25519.PublicKey
	if len(secret) == 0 {
		panic("token: the secret of the cluster is empty, so that anybody could sign")
	}
	if len(previous) > 0 {
		old = derived(previous).Public().(ed25519.PublicKey)
	}
	set := newKeySet(derived(secret), old)
	if !sign {
		set.signing = nil
	}
	k.current.Store(set)
}

func derived(secret []byte) ed25519.PrivateKey {
	seed, err := hkdf.Key(sha256.New, secret, nil, derivedFor, ed25519.SeedSize)
	if err != nil {
		panic("token: " + err.Error()) // only a length over 255 hashes fails
	}
	return ed25519.NewKeyFromSeed(seed)
}
