// Package embedded keeps accounts, inboxes and the directory of sessions inside one process, on Pebble: the
// store of `cim up`, which needs no other process. It implements route.Accounts, route.Directory, route.Inbox
// and route.Registry, and knows nothing about servers, connections and HTTP.
//
// All changes go through one committer, which writes everything that waits as one group: see monitorQueue.
// Reads go to Pebble directly and are held to what is committed.
package embedded

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

var (
	_ route.Accounts  = (*Store)(nil)
	_ route.Directory = (*Store)(nil)
	_ route.Inbox     = (*Store)(nil)
	_ route.Registry  = (*Registry)(nil)
)

// Store is made by Open and ended by Close. It is safe for concurrent use.
//
// When the disk fails (not: is full), the store stops for good: what a failed fsync left behind can only be
// known by reading it again, so every call returns route.ErrStoreUnavailable until the process, or whoever
// holds the Store, opens it anew. Failed tells when. What was asked for at that moment is in doubt, as it is
// when a caller's context ends: a message sent again under its name is stored once.
type Store struct {
	// immutable after Open
	cfg      Config
	db       *pebble.DB
	lock     *pebble.Lock
	queueCh  chan request
	stopCh   chan struct{}
	endedCh  chan struct{} // closed when the committer has ended
	failedCh chan struct{} // closed by fail
	close    func() error

	// committer
	inboxes  inboxes
	epochs   epochs
	disk     disk
	lastID   int64
	panicked bool // Pebble's commit panicked and left its locks behind

	directory directory
	accounts  accounts

	mu     sync.RWMutex // held for reading while db is read
	closed bool         // guarded by mu

	// atomic
	failure atomic.Pointer[error]
	commits atomic.Uint64
	syncs   atomic.Uint64
}

// Close ends the committer, failing what waits for it, and closes the files. It may be called again.
func (s *Store) Close() error { return s.close() }

func (s *Store) closeOnce() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stopCh)
	<-s.endedCh
	if s.panicked {
		// Pebble's locks are held for ever; Close would wait for them. The folder stays locked as well: its
		// background work may still write.
		return s.unavailable()
	}
	failed := s.failure.Load() != nil
	err := errors.Join(s.db.Close(), s.lock.Close())
	if err != nil && !failed {
		return fmt.Errorf("embedded: close: %w", err)
	}
	return nil
}

// Failed is closed when the disk has failed and the store has stopped; Err then says why.
func (s *Store) Failed() <-chan struct{} { return s.failedCh }

// Err is nil while the store works, and wraps route.ErrStoreUnavailable afterwards.
func (s *Store) Err() error { return s.unavailable() }

// Syncs returns how many group commits there were, and how many of them waited for the disk.
func (s *Store) Syncs() (commits, syncs uint64) { return s.commits.Load(), s.syncs.Load() }

// fail stops the store. The first cause counts.
func (s *Store) fail(cause error) {
	err := fmt.Errorf("%w: %w", route.ErrStoreUnavailable, cause)
	if s.failure.CompareAndSwap(nil, &err) {
		s.cfg.Logger.Error("the store failed and has stopped; check the disk, then restart", "dir", s.cfg.Dir, "err", cause)
		close(s.failedCh)
	}
}

// unavailable returns why the store does not work, or nil.
func (s *Store) unavailable() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("%w: closed", route.ErrStoreUnavailable)
	}
	return nil
}

// read runs fn while the files are surely open.
func (s *Store) read(fn func() error) error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("%w: closed", route.ErrStoreUnavailable)
	}
	return fn()
}

// commit writes a batch. Pebble reports a WAL that cannot be written by Logger.Fatalf (which here calls fail
// and returns) or by a panic; both mean that the store has failed. Committer only.
func (s *Store) commit(b *pebble.Batch, sync bool) (err error) {
	if b.Empty() {
		return nil
	}
	if err := s.failure.Load(); err != nil {
		return *err // after a panic, Pebble would wait for ever
	}
	defer func() {
		if p := recover(); p != nil {
			s.panicked = true
			s.fail(fmt.Errorf("commit: %w", panicError(p)))
			err = *s.failure.Load()
		}
	}()
	options := pebble.NoSync
	if sync {
		options = pebble.Sync
		s.syncs.Add(1)
	}
	s.commits.Add(1)
	s.disk.wrote(b.Len())
	if err := b.Commit(options); err != nil {
		s.fail(fmt.Errorf("commit: %w", err))
	}
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// nowMs is the clock in Unix milliseconds; a clock before 1970 counts as 0.
func (s *Store) nowMs() uint64 { return uint64(max(0, s.cfg.Now().UnixMilli())) }
