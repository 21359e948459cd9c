package embedded

import (
	"context"
	"fmt"

	"cim/route"
)

var _ route.Reporter = (*Store)(nil)

// Problems implements route.Reporter. It looks at the disk itself: the committer does so only when there is something to
// write, and who is told that the disk is full may send nothing more.
func (s *Store) Problems(context.Context) []route.Problem {
	usage, err := s.cfg.FS.GetDiskUsage(s.cfg.Dir)
	if err != nil || usage.AvailBytes >= s.cfg.ReserveBytes {
		return nil // a file system that does not tell counts as empty
	}
	const mib = 1 << 20
	return []route.Problem{{Component: "store", Detail: fmt.Sprintf(
		"disk full: %d MiB are free and %d are kept; sends and registrations are refused until there is room", usage.AvailBytes/mib, s.cfg.ReserveBytes/mib)}}
}
