package embedded

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"cim/route"
)

// directoryShards keeps readers of different users from meeting at one lock.
const directoryShards = 64

// directory is who is connected where. It lives in memory only: the instances of a process that ended never
// come back, so neither do its sessions. Epochs are kept by epochs. A user who was connected costs 16 bytes in
// a map until the process ends.
type directory struct {
	shards [directoryShards]directoryShard
}

type directoryShard struct {
	mu     sync.RWMutex
	byUser map[int64]route.Location // guarded by mu; who is connected
	ended  map[int64]uint64         // guarded by mu; last epoch of those who were, so that a renewal cannot bring it back
}

func (d *directory) shard(user int64) *directoryShard {
	return &d.shards[uint64(user)%directoryShards]
}

func (d *directory) holder(user int64) route.Location {
	sh := d.shard(user)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.byUser[user]
}

// claim makes epoch the session of the user, unless one is in the way.
func (d *directory) claim(q *route.ClaimRequest, epoch uint64) (route.Claim, error) {
	sh := d.shard(q.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	previous := sh.byUser[q.User]
	if previous.Held() && !covers(q, previous) {
		return route.Claim{Previous: previous}, route.ErrHeld
	}
	sh.hold(q.User, route.Location{Instance: q.Instance, Epoch: epoch, Device: q.Device})
	return route.Claim{Epoch: epoch, Previous: previous}, nil
}

// hold must run with mu held.
func (sh *directoryShard) hold(user int64, at route.Location) {
	if sh.byUser == nil {
		sh.byUser, sh.ended = map[int64]route.Location{}, map[int64]uint64{}
	}
	at.Device = strings.Clone(at.Device) // it may be cut out of a larger buffer, and an entry lives for months
	sh.byUser[user] = at
	delete(sh.ended, user)
}

func covers(q *route.ClaimRequest, held route.Location) bool {
	switch {
	case q.Takeover == route.TakeoverAny,
		q.Device != "" && q.Device == held.Device,
		q.Takeover == route.TakeoverEpoch && q.ReplaceEpoch == held.Epoch:
		return true
	}
	return false
}

func (d *directory) release(user int64, epoch uint64) {
	sh := d.shard(user)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if at := sh.byUser[user]; at.Held() && at.Epoch == epoch {
		delete(sh.byUser, user)
		sh.ended[user] = epoch
	}
}

func (d *directory) renew(q *route.Renewal) route.RenewState {
	sh := d.shard(q.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at := sh.byUser[q.User]
	switch {
	case at.Held() && at.Epoch == q.Epoch && at.Instance == q.Instance:
		return route.RenewKept
	case q.Epoch <= max(at.Epoch, sh.ended[q.User]):
		return route.RenewLost
	}
	sh.hold(q.User, route.Location{Instance: q.Instance, Epoch: q.Epoch, Device: q.Device})
	return route.RenewRestored
}

// Release implements route.Directory.
func (s *Store) Release(ctx context.Context, user int64, epoch uint64) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.directory.release(user, epoch)
	return nil
}

// Lookup implements route.Directory.
func (s *Store) Lookup(ctx context.Context, users []int64) ([]route.Location, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	found := make([]route.Location, len(users))
	for i, user := range users {
		found[i] = s.directory.holder(user)
	}
	return found, nil
}

// ready returns why a call cannot be served, or nil.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	return s.unavailable()
}
