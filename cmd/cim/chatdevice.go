package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"cim/client"
	"cim/internal/filename"
)

const (
	maxDeviceBytes = 64  // as the protocol says
	deviceSlots    = 100 // terminals of one user on one machine
)

// errLocked: another process holds the lock.
var errLocked = errors.New("locked by another process")

// device is who this terminal is to the server, and where it is in the inbox.
type device struct {
	id      string
	cursors client.CursorStore
	secrets *client.FileSecrets // of all users of this machine's user
	release func()              // lets another terminal be this device
}

// openDevice takes the first device of dir that no other process holds, or makes one: a second terminal is
// another device, and a terminal that is started again is the same. A given id is used without a lock, as
// its owner decides who takes over from whom.
func openDevice(dir, id string) (*device, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if id != "" {
		return &device{id: id, cursors: cursorFiles(filepath.Join(dir, "device-"+pathPart(id))), release: func() {}}, nil
	}
	for slot := 1; slot <= deviceSlots; slot++ {
		path := filepath.Join(dir, strconv.Itoa(slot))
		d, err := openSlot(path)
		if !errors.Is(err, errLocked) {
			return d, err
		}
	}
	return nil, fmt.Errorf("%d terminals of this user are open", deviceSlots)
}

// openSlot takes the device at path, or returns errLocked.
func openSlot(path string) (*device, error) {
	f, err := os.OpenFile(path+".device", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	unlock, err := lockFile(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	release := func() {
		unlock()
		_ = f.Close()
	}
	id, err := deviceID(f)
	if err != nil {
		release()
		return nil, err
	}
	return &device{id: id, cursors: cursorFiles(path), release: release}, nil
}

// deviceID reads the id, or writes a new one where there is none that is whole.
func deviceID(f *os.File) (string, error) {
	var id [16]byte
	raw := make([]byte, hex.EncodedLen(len(id)))
	if n, _ := f.ReadAt(raw, 0); n == len(raw) {
		if _, err := hex.Decode(id[:], raw); err == nil {
			return string(raw), nil
		}
	}
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	hex.Encode(raw, id[:])
	if err := f.Truncate(0); err != nil {
		return "", err
	}
	if _, err := f.WriteAt(raw, 0); err != nil {
		return "", err
	}
	return string(raw), nil
}

// cursorFiles keeps a cursor for each user that a name has meant: a server that was started without its old
// data gives the name another id, and its inbox begins anew.
type cursorFiles string

func (c cursorFiles) file(user int64) *client.FileCursors {
	return client.NewFileCursors(fmt.Sprintf("%s.%d.cursor", string(c), user))
}

// Load implements client.CursorStore.
func (c cursorFiles) Load(user int64) (client.Cursor, error) { return c.file(user).Load(user) }

// Save implements client.CursorStore.
func (c cursorFiles) Save(user int64, at client.Cursor) error { return c.file(user).Save(user, at) }

// pathPart makes any string one component of a path.
func pathPart(s string) string { return filename.Part(s) }
