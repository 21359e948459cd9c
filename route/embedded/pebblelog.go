package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLog takes what Pebble says. Its running commentary is dropped, its errors go on, and its fatal errors
// stop the store instead of the process.
type pebbleLog struct {
	store *Store
	paced *atomic.Int64 // Unix second of the last background error that was logged
}

// Infof implements pebble.Logger; what it gets is of use to Pebble's authors only.
func (pebbleLog) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l pebbleLog) Errorf(format string, args ...any) {
	l.warn("pebble", "msg", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. Pebble expects the process to end here; for errors of the disk it goes on
// to return what it was called with (read in v2.1.7: DB.Apply, versionSet), which nobody believes any more.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.store.fail(fmt.Errorf(format, args...))
}

func (l pebbleLog) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: l.backgroundError,
		DiskSlow:        func(i pebble.DiskSlowInfo) { l.warn("the disk is slow", "path", i.Path, "for", i.Duration) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { l.warn("the store waits for the disk", "reason", i.Reason) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			l.store.fail(fmt.Errorf("the data is damaged: %s: %w", i.Path, i.Details))
		},
	}
}

// backgroundError logs once a second at most: Pebble tries again at once, for as long as it takes.
func (l pebbleLog) backgroundError(err error) {
	now := time.Now().Unix()
	if l.paced.Swap(now) != now {
		l.warn("the store's background work failed and is tried again", "err", err)
	}
}

func (l pebbleLog) warn(msg string, args ...any) {
	l.store.cfg.Logger.Log(context.Background(), slog.LevelWarn, msg, append(args, "dir", l.store.cfg.Dir)...)
}
