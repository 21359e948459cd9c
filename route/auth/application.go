package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"cim/route"
	"cim/route/token"
)

// applicationPrefix tells an application key from an access token.
const applicationPrefix = "cimk_"

// NewApplicationKey makes a key for back ends.
func NewApplicationKey() string { return applicationPrefix + route.NewSecret() }

// ApplicationKey reads the key of back ends from a file, which has to be in an existing folder, and makes it with
// mode 0600 when it is missing. Errors: ErrKeyFile, and those of the file system.
func ApplicationKey(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := NewApplicationKey()
		if err = token.CreateSecretFile(path, []byte(key+"\n")); !errors.Is(err, fs.ErrExist) {
			return key, err
		}
		text, err = os.ReadFile(path) // another route was faster
	}
	if err != nil {
		return "", fmt.Errorf("read the application key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if !strings.HasPrefix(key, applicationPrefix) || len(key) < len(applicationPrefix)+43 {
		return "", fmt.Errorf("%w: %s", ErrKeyFile, path)
	}
	return key, nil
}
