package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"cim/internal/filename"
)

// SecretStore keeps the secrets of accounts over restarts of the process. A secret is told once, when its
// account is made: whoever loses it has lost the name. route is Options.Route, or one of the several in it: a secret
// is kept under the first, looked for under each, and never replaced because one of several does not know it. user is the name of the account, or its id in digits where that
// alone is known. It has to be safe for use by several Clients at once.
type SecretStore interface {
	// Load returns "" when nothing was saved. It fails where Save could not work, so that no account is made
	// whose secret cannot be kept.
	Load(route, user string) (string, error)
	// Save returns when the secret is safe, and before it is used.
	Save(route, user, secret string) error
}

// noSecrets is a SecretStore without a memory.
type noSecrets struct{}

func (noSecrets) Load(string, string) (string, error) { return "", nil }
func (noSecrets) Save(string, string, string) error   { return nil }

// maxSecret bounds what is read of a file that should hold a secret of 43 characters.
const maxSecret = 512

// FileSecrets is a SecretStore in a folder, with one file for each route and user that its owner alone can
// read. The content of a file is the secret and nothing else, so it can be carried to another machine.
type FileSecrets struct{ dir string }

// NewFileSecrets keeps the secrets below dir, which need not exist.
func NewFileSecrets(dir string) *FileSecrets { return &FileSecrets{dir: dir} }

// Path is the file of a user's secret. Routes of one origin (scheme, host and port) share it.
func (f *FileSecrets) Path(route, user string) string {
	return filepath.Join(f.dir, filename.Part(origin(route)), filename.Part(user)+".secret")
}

// origin is that of RFC 6454, as text; what is no URL stands for itself.
func origin(route string) string {
	u, err := url.Parse(route)
	if err != nil || u.Host == "" {
		return route
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Port() == map[string]string{"http": "80", "https": "443"}[scheme] {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return scheme + "://" + host
}

// Load reads the file.
func (f *FileSecrets) Load(route, user string) (string, error) {
	path := f.Path(route, user)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", f.tryFolder(filepath.Dir(path))
	}
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	secret := strings.TrimSpace(string(raw))
	if secret == "" || len(secret) > maxSecret || strings.ContainsFunc(secret, notInSecret) {
		return "", fmt.Errorf("the file %s holds no secret: bring the right one, or move it away", path)
	}
	return secret, nil
}

// notInSecret keeps what is no secret out of requests.
func notInSecret(r rune) bool { return r <= ' ' || r > '~' }

// tryFolder makes the folder and finds out whether files can be made there.
func (f *FileSecrets) tryFolder(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, "try.*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("a secret could not be kept: %w", err)
	}
	return nil
}

// PreviousSecret is at the end of the name of a file with the secret that was replaced last.
const PreviousSecret = ".previous"

// Save replaces the file in one step and waits for the disk. The secret that was there before is kept beside it:
// it may be that of another data folder of a route with the same address.
func (f *FileSecrets) Save(route, user, secret string) error {
	path := f.Path(route, user)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = keepPrevious(path)
	}
	if err == nil {
		err = replaceFile(path, []byte(secret+"\n"), waitForDisk)
	}
	if err != nil {
		return fmt.Errorf("save the secret: %w", err)
	}
	return nil
}

func keepPrevious(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return replaceFile(path+PreviousSecret, content, waitForDisk)
}
