package embedded

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"cim/route"
)

// wantOpenError fails unless Open gives this error, in one line that names the folder.
func wantOpenError(t *testing.T, cfg Config, want error) {
	t.Helper()
	s, err := Open(cfg)
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("Open: %v, want %v", err, want)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, cfg.Dir) {
		t.Errorf("not one line with the folder: %q", text)
	}
}

func TestOpenMakesThePrivateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, Config{Dir: dir})
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != dirMode {
		t.Fatalf("folder: %v, %v", info, err)
	}
}

func TestOpenLocked(t *testing.T) {
	dir := t.TempDir()
	first := open(t, Config{Dir: dir})
	wantOpenError(t, Config{Dir: dir}, ErrLocked)
	appendOne(t, first, entry(1, 1))
	fsys := vfs.NewMem()
	open(t, Config{Dir: "/data", FS: fsys})
	wantOpenError(t, Config{Dir: "/data", FS: fsys}, ErrLocked)
}

func TestOpenNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, Config{Dir: file}, ErrNotWritable)
	wantOpenError(t, Config{Dir: filepath.Join(file, "below")}, ErrNotWritable)

	for _, tc := range []struct {
		name string
		kind errorfs.OpKind
		err  error
	}{
		{"folder cannot be made", errorfs.OpMkdirAll, syscall.EROFS},
		{"folder cannot be listed", errorfs.OpList, syscall.EACCES},
		{"lock file cannot be made, read-only mount", errorfs.OpLock, &fs.PathError{Op: "open", Path: "LOCK", Err: syscall.EROFS}},
		{"lock file cannot be made, mode", errorfs.OpLock, &fs.PathError{Op: "open", Path: "LOCK", Err: syscall.EACCES}},
		{"files cannot be made", errorfs.OpCreate, &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			readOnly := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == tc.kind {
					return tc.err
				}
				return nil
			}))
			wantOpenError(t, Config{Dir: "/data", FS: readOnly}, ErrNotWritable)
		})
	}
}

func TestOpenForeign(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, Config{Dir: dir}, ErrForeign)
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Fatalf("the folder was touched: %v, %v", list, err)
		}
	})
	t.Run("another program's database", func(t *testing.T) {
		fsys := vfs.NewMem()
		db, err := pebble.Open("/data", &pebble.Options{FS: fsys, Logger: pebbleLog{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Set([]byte("k"), nil, pebble.Sync), db.Close()); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, Config{Dir: "/data", FS: fsys}, ErrForeign)
	})
}

func TestOpenNewerFormat(t *testing.T) {
	t.Run("of ours", func(t *testing.T) {
		fsys := vfs.NewMem()
		s := openFS(t, fsys)
		if err := s.db.Set(keyFormat, uint64Value(format+1), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		wantOpenError(t, Config{Dir: "/data", FS: fsys}, ErrNewerFormat)
	})
	t.Run("of Pebble", func(t *testing.T) {
		dir := t.TempDir()
		closeStore(t, open(t, Config{Dir: dir}))
		markers, err := filepath.Glob(filepath.Join(dir, "marker.format-version.*"))
		if err != nil || len(markers) != 1 {
			t.Fatalf("markers: %v, %v", markers, err)
		}
		if err := os.Rename(markers[0], filepath.Join(dir, "marker.format-version.000999.999")); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, Config{Dir: dir}, ErrNewerFormat)
	})
}

func TestOpenBeside(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, Config{Dir: dir}))
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, Config{Dir: dir}) // a store is a store, whatever else was put beside it
}

// TestOpenAfterUnfinishedCreation cuts the power at every third file operation of the first Open, then opens
// what is left: synced data only, or all.
func TestOpenAfterUnfinishedCreation(t *testing.T) {
	for _, unsynced := range []int{0, 100} {
		for stop := 0; ; stop += 3 {
			fsys := vfs.NewCrashableMem()
			var left *vfs.MemFS
			operations := 0
			counted := errorfs.Wrap(fsys, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
					if operations++; operations == stop+1 {
						left = fsys.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(1, 1))})
					}
				}
				return nil
			}))
			s := openFS(t, counted)
			opened := operations
			closeStore(t, s)
			if opened <= stop {
				break
			}
			s = openFS(t, left)
			appendOne(t, s, entry(1, 1))
			closeStore(t, s)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no folder":         {},
		"negative messages": {Dir: Memory, InboxMessages: -1},
		"negative bytes":    {Dir: Memory, InboxBytes: -1},
	} {
		if _, err := Open(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got, err := Config{Dir: Memory}.withDefaults()
	if err != nil || got.InboxMessages != 10_000 || got.InboxBytes != 16<<20 || got.ReserveBytes != 128<<20 ||
		got.Now == nil || got.Logger == nil || got.FS == nil {
		t.Errorf("defaults: %+v, %v", got, err)
	}
}

func TestClosed(t *testing.T) {
	s := openFS(t, vfs.NewMem())
	closeStore(t, s)
	closeStore(t, s)
	ctx := t.Context()
	_, _, createErr := s.Create(ctx, "alice", route.User, route.SecretHash{})
	_, byIDErr := s.ByID(ctx, []int64{1})
	_, byNameErr := s.ByName(ctx, "alice")
	_, prefixErr := s.ByPrefix(ctx, "a", 1)
	_, claimErr := s.Claim(ctx, route.ClaimRequest{User: 1, Instance: "i"})
	_, lookupErr := s.Lookup(ctx, []int64{1})
	_, readErr := s.Read(ctx, 1, route.Cursor{}, 1, 1)
	_, positionErr := s.Position(ctx, 1)
	for call, err := range map[string]error{
		"Create": createErr, "ByID": byIDErr, "ByName": byNameErr, "ByPrefix": prefixErr, "Claim": claimErr,
		"Lookup": lookupErr, "Read": readErr, "Position": positionErr, "Release": s.Release(ctx, 1, 1),
		"Append": s.Append(ctx, []route.Entry{entry(1, 1)})[0].Err, "Ack": s.Ack(ctx, []route.Ack{{User: 1}}),
	} {
		if !errors.Is(err, route.ErrStoreUnavailable) {
			t.Errorf("%s after Close: %v", call, err)
		}
	}
}
