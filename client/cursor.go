package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Cursor is a place in the inbox: everything up to and including Seq was handled. The zero Cursor is nowhere.
type Cursor struct {
	LogEpoch uint64 `json:"log_epoch"` // another one: the inbox lost its tail, and counts anew
	Seq      uint64 `json:"seq"`
}

// CursorStore keeps what was handled over restarts of the process, so that a message whose ACK did not
// arrive is not handed over again. One Client uses it, from one goroutine at a time.
type CursorStore interface {
	// Load returns the zero Cursor when nothing was saved for the user.
	Load(user int64) (Cursor, error)
	// Save is called after the Handler has taken the message at c, and before its ACK.
	Save(user int64, c Cursor) error
}

// noCursors is a CursorStore without a memory; the Client itself remembers while it lives.
type noCursors struct{}

func (noCursors) Load(int64) (Cursor, error) { return Cursor{}, nil }
func (noCursors) Save(int64, Cursor) error   { return nil }

// FileCursors is a CursorStore in one file for one user. It replaces the file in one step, so that a process
// killed at any moment leaves the old cursor or the new one. It does not wait for the disk: after a power
// cut the cursor may be older, or none, and the server's own is used.
type FileCursors struct{ path string }

// NewFileCursors keeps the cursor at path. The folder has to exist; the file need not.
func NewFileCursors(path string) *FileCursors { return &FileCursors{path: path} }

// cursorFile is the content of the file.
type cursorFile struct {
	User int64 `json:"user"`
	Cursor
}

// Load reads the file. A file of another user is an error: two users would overwrite each other.
func (f *FileCursors) Load(user int64) (Cursor, error) {
	raw, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(raw) == 0 {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("read the cursor: %w", err)
	}
	var c cursorFile
	if err := json.Unmarshal(raw, &c); err != nil {
		return Cursor{}, fmt.Errorf("the cursor file %s is damaged; remove it: %w", f.path, err)
	}
	if c.User != user {
		return Cursor{}, fmt.Errorf("the cursor file %s belongs to user %d: give each user a file", f.path, c.User)
	}
	return c.Cursor, nil
}

// Save replaces the file, readable by its owner alone.
func (f *FileCursors) Save(user int64, c Cursor) error {
	raw, err := json.Marshal(cursorFile{User: user, Cursor: c})
	if err != nil {
		return fmt.Errorf("encode the cursor: %w", err)
	}
	if err := replaceFile(f.path, raw, leaveToSystem); err != nil {
		return fmt.Errorf("save the cursor: %w", err)
	}
	return nil
}
