package client

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// memoryCursors is a CursorStore that outlives a Client, and fails when told.
type memoryCursors struct {
	mu      sync.Mutex
	at      Cursor
	loadErr error
	saveErr error
}

func (m *memoryCursors) Load(int64) (Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at, m.loadErr
}

func (m *memoryCursors) Save(_ int64, c Cursor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saveErr == nil {
		m.at = c
	}
	return m.saveErr
}

func TestFileCursors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	f := NewFileCursors(path)
	if c, err := f.Load(aliceID); err != nil || c != (Cursor{}) {
		t.Fatalf("no file yet: %+v, %v", c, err)
	}
	for seq := range uint64(3) {
		want := Cursor{LogEpoch: 1<<63 + 5, Seq: seq}
		if err := f.Save(aliceID, want); err != nil {
			t.Fatal(err)
		}
		if got, err := NewFileCursors(path).Load(aliceID); err != nil || got != want {
			t.Fatalf("loaded %+v, %v; want %+v", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
	if _, err := f.Load(bobID); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("loaded for another user: %v", err)
	}
}

func TestFileCursorsDamaged(t *testing.T) {
	for _, tt := range []struct {
		name, content, want string
	}{
		{"emptied by a power cut", "", ""},
		{"not JSON", "{", "remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cursor")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := NewFileCursors(path).Load(aliceID)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load: %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestFileCursorsWithoutFolder(t *testing.T) {
	f := NewFileCursors(filepath.Join(t.TempDir(), "missing", "cursor"))
	if err := f.Save(aliceID, Cursor{1, 1}); err == nil || !strings.Contains(err.Error(), "save the cursor") {
		t.Errorf("Save: %v", err)
	}
	dir := t.TempDir()
	if _, err := NewFileCursors(dir).Load(aliceID); err == nil {
		t.Error("a folder was loaded as a file")
	}
}
