package client

import (
	"errors"
	"os"
	"path/filepath"
)

// syncing says whether a file is on the disk when it is said to be written.
type syncing bool

const (
	leaveToSystem syncing = false // a power cut may take the last change back
	waitForDisk   syncing = true
)

// replaceFile writes beside path and renames: whoever reads sees the old content or the new one. CreateTemp
// makes the file 0600.
func replaceFile(path string, content []byte, s syncing) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(content)
	if s == waitForDisk {
		err = errors.Join(err, tmp.Sync())
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil && s == waitForDisk {
		err = syncFolder(filepath.Dir(path))
	}
	return err
}

// syncFolder puts the names of the files of a folder on the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
