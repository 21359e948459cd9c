package netcore

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// FilesKept is how many file descriptors stay free for everything but connections: stores, logs, listeners.
const FilesKept = 1024

// DefaultMaxConns is the ceiling that the process's file limit allows, when httpConns of it are for HTTP.
// A connection over the ceiling is closed at once: with the file table full, accept fails, and gnet ends
// the whole engine on that.
func DefaultMaxConns(httpConns int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	n := int64(min(limit.Cur, math.MaxInt32)) - FilesKept - int64(httpConns)
	if n < 1 {
		return 0, fmt.Errorf("the limit of %d open files leaves no room for connections; raise it above %d (ulimit -n)", limit.Cur, FilesKept+httpConns)
	}
	return int(n), nil
}
