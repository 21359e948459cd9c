package embedded

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskInterval is how old the figure of free space may be. What the committer itself writes in between is
// subtracted, so only other programs can take by surprise, and the reserve is for them.
const diskInterval = 250 * time.Millisecond

// disk refuses growth before the disk is full. Pebble retries flushes and compactions that find no space, but
// a WAL that cannot be written is fatal to it, so the end must not be reached.
// Confined to the committer.
type disk struct {
	fs      vfs.FS
	dir     string
	reserve uint64
	log     *slog.Logger

	known  bool
	at     time.Time
	free   uint64
	broken bool // the file system does not tell
	wasLow bool
}

// full reports whether less than the reserve is free. A file system that does not tell counts as empty.
func (d *disk) full(now time.Time) bool {
	age := now.Sub(d.at)
	if !d.known || age >= diskInterval || age < 0 {
		d.measure(now)
	}
	low := !d.broken && d.free < d.reserve
	if low != d.wasLow {
		d.wasLow = low
		if low {
			d.log.Error("the disk is full: sends and registrations are refused until there is room", "dir", d.dir, "free", d.free, "reserve", d.reserve)
		} else {
			d.log.Info("the disk has room again", "dir", d.dir, "free", d.free)
		}
	}
	return low
}

func (d *disk) measure(now time.Time) {
	usage, err := d.fs.GetDiskUsage(d.dir)
	if err != nil && !d.broken && !errors.Is(err, vfs.ErrUnsupported) {
		d.log.Warn("free disk space is not known; a full disk will stop the store", "dir", d.dir, "err", err)
	}
	d.known, d.at, d.free, d.broken = true, now, usage.AvailBytes, err != nil
}

// wrote notes bytes that are about to be written.
func (d *disk) wrote(n int) { d.free -= min(d.free, uint64(n)) }
