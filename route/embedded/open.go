package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
)

// What Pebble may use. An embedded store shares its process with a server, whose memory and files are for
// connections: 16 MiB a memtable (two at most: 32 MiB), 16 MiB of cache, and few open files.
const (
	memTableBytes = 16 << 20
	cacheSize     = 16 << 20
	maxOpenFiles  = 256
	dirMode       = 0o700
)

// pebbleFormat is pinned: a newer Pebble must not make folders unreadable for the last release unasked.
const pebbleFormat = pebble.FormatTableFormatV6

// Open opens the store in cfg.Dir, making it when the folder is missing or empty.
// Errors: ErrLocked, ErrNotWritable, ErrForeign, ErrNewerFormat.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(cfg)
	if err != nil {
		return nil, err
	}
	s := newStore(cfg, lock)
	if s.db, err = s.openFiles(); err != nil {
		_ = lock.Close() // the first error is the one to tell
		return nil, explain(cfg.Dir, err)
	}
	if err := errors.Join(s.load(), s.unavailable()); err != nil {
		_ = errors.Join(s.db.Close(), lock.Close()) // likewise
		return nil, explain(cfg.Dir, err)
	}
	go s.monitorQueue() // ends when Close closes stopCh, and closes endedCh
	return s, nil
}

func newStore(cfg Config, lock *pebble.Lock) *Store {
	s := &Store{
		cfg: cfg, lock: lock,
		queueCh:  make(chan request, queueLength),
		stopCh:   make(chan struct{}),
		endedCh:  make(chan struct{}),
		failedCh: make(chan struct{}),
		inboxes:  inboxes{byUser: map[int64]*inbox{}},
		accounts: accounts{cache: map[int64]route.Credentials{}},
		disk:     disk{fs: cfg.FS, dir: cfg.Dir, reserve: cfg.ReserveBytes, log: cfg.Logger},
	}
	s.close = sync.OnceValue(s.closeOnce)
	return s
}

// lockFolder makes the folder and takes its lock, before anything in it is read.
func lockFolder(cfg Config) (*pebble.Lock, error) {
	if err := cfg.FS.MkdirAll(cfg.Dir, dirMode); err != nil {
		return nil, notWritable(cfg.Dir, err)
	}
	if err := checkFolder(cfg.FS, cfg.Dir); err != nil {
		return nil, explain(cfg.Dir, err)
	}
	lock, err := pebble.LockDirectory(cfg.Dir, cfg.FS)
	if err != nil {
		return nil, explainLock(cfg.Dir, err)
	}
	return lock, nil
}

// checkFolder refuses a folder that holds files, but no store. A store that was begun and not finished has
// only files with Pebble's names and is gone on with.
func checkFolder(fsys vfs.FS, dir string) error {
	list, err := fsys.List(dir)
	if err != nil {
		return err
	}
	foreign := ""
	for _, file := range list {
		if strings.HasPrefix(file, "marker.manifest.") {
			return nil
		}
		if !ours(file) {
			foreign = file
		}
	}
	if foreign != "" {
		return fmt.Errorf("%w (%q and no store)", ErrForeign, foreign)
	}
	return nil
}

// ours reports whether a file may be in a store's folder before its manifest is. Hidden files and the
// lost+found of a mount point are nobody's data.
func ours(file string) bool {
	for _, prefix := range []string{".", "lost+found", "LOCK", "marker.", "MANIFEST-", "OPTIONS-", "temporary."} {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return strings.HasSuffix(file, ".log") || strings.HasSuffix(file, ".dbtmp")
}

// openFiles opens the database. Where creating a file fails Pebble may panic, which becomes an error here.
func (s *Store) openFiles() (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, panicError(p)
		}
	}()
	log := pebbleLog{store: s, paced: new(atomic.Int64)}
	return pebble.Open(s.cfg.Dir, &pebble.Options{
		FS: s.cfg.FS, Lock: s.lock,
		FormatMajorVersion: pebbleFormat,
		MemTableSize:       memTableBytes,
		CacheSize:          cacheSize,
		MaxOpenFiles:       maxOpenFiles,
		Logger:             log,
		EventListener:      log.events(),
	})
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return err
	}
	return fmt.Errorf("%v", p)
}

// load reads what the store knows of itself, or writes it into an empty one.
func (s *Store) load() error {
	written, err := readUint64(s.db, keyFormat)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return s.initialize()
	case err != nil:
		return err
	case written > format:
		return fmt.Errorf("%w (format %d, this one knows %d)", ErrNewerFormat, written, format)
	}
	if written < format {
		// Older records stay as they are and can be read; older code must not read new ones.
		if err := s.db.Set(keyFormat, uint64Value(format), pebble.Sync); err != nil {
			return err
		}
	}
	lastID, err := s.loadUint64(keyLastAccount)
	if err != nil {
		return err
	}
	s.lastID = int64(lastID)
	s.accounts.durable.Store(s.lastID)
	s.epochs.limit, err = s.loadUint64(keyEpochLimit)
	s.epochs.last = s.epochs.limit
	return err
}

// loadUint64 reads a number of the store; a missing one is 0.
func (s *Store) loadUint64(key []byte) (uint64, error) {
	v, err := readUint64(s.db, key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	return v, err
}

func (s *Store) initialize() error {
	empty := true
	err := scan(s.db, nil, nil, func([]byte, []byte) (bool, error) {
		empty = false
		return false, nil
	})
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("%w (the database of another program)", ErrForeign)
	}
	return s.db.Set(keyFormat, uint64Value(format), pebble.Sync)
}

// explain turns what Pebble says into one line with a remedy.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, ErrForeign):
		return fmt.Errorf("embedded: %s: %w: choose an empty folder", dir, err)
	case errors.Is(err, ErrNewerFormat), strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("embedded: %s: %w: use that version, or another folder", dir, newer(err))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return notWritable(dir, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("embedded: %s: %w: make room: %w", dir, route.ErrDiskFull, err)
	case strings.Contains(err.Error(), "comparer name"), strings.Contains(err.Error(), "merger name"):
		return fmt.Errorf("embedded: %s: %w (the database of another program): choose an empty folder", dir, ErrForeign)
	}
	return fmt.Errorf("embedded: %s cannot be opened: %w", dir, err)
}

func newer(err error) error {
	if errors.Is(err, ErrNewerFormat) {
		return err
	}
	return ErrNewerFormat
}

func notWritable(dir string, err error) error {
	return fmt.Errorf("embedded: %s: %w: check its owner, mode and mount, or choose another: %w", dir, ErrNotWritable, err)
}

// explainLock tells a lock that is held from a lock file that cannot be made: only the latter names a path.
func explainLock(dir string, err error) error {
	var path *fs.PathError
	held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "held by current process")
	if held && !errors.As(err, &path) {
		return fmt.Errorf("embedded: %s: %w: stop it, or choose another folder", dir, ErrLocked)
	}
	return explain(dir, err)
}
