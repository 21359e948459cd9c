package embedded

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory is the Dir of a store that lives in memory and is gone after Close.
const Memory = ":memory:"

// Config says where a Store lives and what it may hold. Dir is required; the zero value of every other field
// stands for its default.
type Config struct {
	Dir           string           // the store's own folder, made with mode 0700 if missing; or Memory
	Logger        *slog.Logger     // default: nothing is logged
	InboxMessages int              // unacknowledged messages per user; default 10,000
	InboxBytes    int64            // bytes of their bodies per user; default 16 MiB
	ReserveBytes  uint64           // of free disk that sends and registrations leave untouched; default 128 MiB
	Now           func() time.Time // default time.Now
	FS            vfs.FS           // default: the system's, or a new one in memory for Memory

	cacheBytes int // of inboxes; tests make it small
}

const (
	defaultInboxMessages = 10_000
	defaultInboxBytes    = 16 << 20
	// defaultReserveBytes holds two memtables, their flush and a compaction beside them, so that Pebble does
	// not meet the end of the disk, which it treats as fatal.
	defaultReserveBytes = 128 << 20
)

var (
	errNoDir    = errors.New("embedded: Dir is empty: name a folder, or use " + Memory + " to keep nothing")
	errBadLimit = errors.New("embedded: InboxMessages and InboxBytes must not be negative")
)

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errNoDir
	}
	if c.InboxMessages < 0 || c.InboxBytes < 0 {
		return c, errBadLimit
	}
	setDefault(&c.InboxMessages, defaultInboxMessages)
	setDefault(&c.InboxBytes, defaultInboxBytes)
	setDefault(&c.cacheBytes, cacheBytes)
	setDefault(&c.ReserveBytes, defaultReserveBytes)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.FS == nil {
		c.FS = vfs.Default
		if c.Dir == Memory {
			c.FS = vfs.NewMem()
		}
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
