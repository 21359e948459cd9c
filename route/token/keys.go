package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Files of a key folder. The previous public key stays so that tokens that it signed live out their time.
const (
	signingFile  = "signing.key"  // PKCS #8 in PEM, mode 0600
	previousFile = "previous.pub" // PKIX in PEM
)

// Keys signs with the current key and knows the previous one. Safe for concurrent use; Reload and Rotate
// take effect at once.
type Keys struct {
	dir     string // immutable
	current atomic.Pointer[keySet]
}

type keySet struct {
	id      string // of signing
	signing ed25519.PrivateKey
	public  map[string]ed25519.PublicKey // by id: current and previous
}

// OpenKeys reads the key folder, and makes it with a first key when it is missing: mode 0700, files 0600.
// Errors: ErrKey, and those of the file system.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the key folder: %w", err)
	}
	k := &Keys{dir: dir}
	err := k.Reload()
	if errors.Is(err, fs.ErrNotExist) {
		err = k.Rotate()
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// NewKeys makes keys that live in memory only.
func NewKeys() *Keys {
	k := &Keys{}
	_, private, _ := ed25519.GenerateKey(nil) // crypto/rand never fails since Go 1.24
	k.current.Store(newKeySet(private, nil))
	return k
}

// Reload reads the folder again, after another process has rotated. On an error the old keys stay.
func (k *Keys) Reload() error {
	if k.dir == "" {
		return nil
	}
	private, err := readSigning(filepath.Join(k.dir, signingFile))
	if err != nil {
		return err
	}
	previous, err := readPublic(filepath.Join(k.dir, previousFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	k.current.Store(newKeySet(private, previous))
	return nil
}

// ID names the current key, as the header of a token does.
func (k *Keys) ID() string { return k.current.Load().id }

// Rotate makes a new signing key. Tokens of the one before stay valid for their time; those of the one before
// that do not. The order of the two files lets a reader in between see a state that works.
func (k *Keys) Rotate() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	var previous ed25519.PublicKey
	if now := k.current.Load(); now != nil {
		previous = now.signing.Public().(ed25519.PublicKey)
	}
	if k.dir != "" {
		if err := k.write(private, previous); err != nil {
			return err
		}
	}
	k.current.Store(newKeySet(private, previous))
	return nil
}

func (k *Keys) write(private ed25519.PrivateKey, previous ed25519.PublicKey) error {
	if previous != nil {
		der, err := x509.MarshalPKIXPublicKey(previous)
		if err != nil {
			return fmt.Errorf("encode a key: %w", err)
		}
		if err := writePEM(filepath.Join(k.dir, previousFile), "PUBLIC KEY", der); err != nil {
			return err
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	return writePEM(filepath.Join(k.dir, signingFile), "PRIVATE KEY", der)
}

func newKeySet(private ed25519.PrivateKey, previous ed25519.PublicKey) *keySet {
	public := private.Public().(ed25519.PublicKey)
	set := &keySet{id: keyID(public), signing: private, public: map[string]ed25519.PublicKey{keyID(public): public}}
	if previous != nil {
		set.public[keyID(previous)] = previous
	}
	return set
}

// keyID names a key by the beginning of its SHA-256.
func keyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// writePEM replaces the file as a whole: a crash leaves the old one or the new one.
func writePEM(path, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return WriteSecretFile(path, text)
}

// WriteSecretFile replaces a file as a whole and durably, with mode 0600.
func WriteSecretFile(path string, text []byte) error { return placeSecretFile(path, text, os.Rename) }

// CreateSecretFile is WriteSecretFile for a file that is not there yet. Of several processes that create it at the same time
// one does, where the file system has hard links. Errors: fs.ErrExist.
func CreateSecretFile(path string, text []byte) error {
	return placeSecretFile(path, text, func(from, to string) error {
		switch err := os.Link(from, to); {
		case errors.Is(err, fs.ErrExist):
			return err
		case err != nil:
			return os.Rename(from, to)
		}
		return os.Remove(from)
	})
}

// placeSecretFile writes a file beside path and has place give it that name.
func placeSecretFile(path string, text []byte, place func(from, to string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = place(f.Name(), path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path)) // or the name may still be the old file's after a crash
	}
	return err
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readSigning(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: %s holds no Ed25519 private key", ErrKey, path)
	}
	return private, nil
}

func readPublic(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	public, ok := key.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: %s holds no Ed25519 public key", ErrKey, path)
	}
	return public, nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: %s is not PEM", ErrKey, path)
	}
	return block.Bytes, nil
}
