//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import (
	"errors"
	"io/fs"
	"os"
)

// lockFile makes a file beside f that only one process can make. A process that is killed leaves it behind;
// the next one is another device then, which the server treats as such.
// Errors: errLocked.
func lockFile(f *os.File) (unlock func(), err error) {
	path := f.Name() + ".lock"
	l, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_ = l.Close()
		_ = os.Remove(path)
	}, nil
}
