package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cim/route"
)

const (
	// straysMax bounds the users who are remembered: 2 MB. Of those beyond it, whoever logs in finds out.
	straysMax  = 1 << 14
	strayLook  = time.Second
	strayBatch = 512 // users in one look
	// straySure is how long nobody has to have a session before it is released: one that CIM's /login has claimed may be on
	// its way here for that long.
	straySure = 2 * time.Second
)

// strays are users of whom the Directory may name a session of this server that nobody has: the store did not answer a
// claim, and may have made it all the same, with an epoch that nobody knows, or it did not answer a release. Messages
// would be pushed here in vain until the user logs in again. So the store is asked when it answers, and what nobody has
// is released.
type strays struct {
	instance string // immutable

	mu    sync.Mutex
	users map[int64]*stray // guarded by mu
}

// stray belongs to whoever looks.
type stray struct {
	user   int64
	looked bool
	epoch  uint64    // of the session that the Directory named then
	due    time.Time // of the next look
}

// sessionTable is what this server knows of a user; a netcore.Server is one.
type sessionTable interface {
	Holds(user int64, epoch uint64) bool
	Knows(user int64) bool
}

// holders is what the Directory knows; a route.Router is one.
type holders interface {
	Holders(ctx context.Context, users []int64) ([]route.Location, error)
	Release(ctx context.Context, user int64, epoch uint64) error
}

func newStrays(instance string) *strays {
	return &strays{instance: instance, users: make(map[int64]*stray)}
}

func (s *strays) add(user int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.users[user]; known || len(s.users) < straysMax {
		s.users[user] = &stray{user: user} // a new one: the look that is under way may have come too early
	}
}

// due are those to look at.
func (s *strays) due(now time.Time) []*stray {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*stray
	for _, u := range s.users {
		if len(due) == strayBatch {
			break
		}
		if !now.Before(u.due) {
			due = append(due, u)
		}
	}
	return due
}

func (s *strays) forget(u *stray) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[u.user] == u {
		delete(s.users, u.user)
	}
}

// monitorStrays runs until ctx ends.
func (s *strays) monitorStrays(ctx context.Context, directory holders, table sessionTable, log *slog.Logger) {
	tick := time.NewTicker(strayLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if n := s.look(ctx, directory, table, now); n > 0 {
				log.Info("released sessions that nobody has: the store had not answered when they were claimed or ended", "count", n)
			}
		}
	}
}

// look asks the Directory once, and returns how many sessions it released. What the Directory does not answer stays due.
func (s *strays) look(ctx context.Context, directory holders, table sessionTable, now time.Time) (released int) {
	due := s.due(now)
	if len(due) == 0 {
		return 0
	}
	users := make([]int64, len(due))
	for i, u := range due {
		users[i] = u.user
	}
	at, err := directory.Holders(ctx, users)
	if err != nil {
		return 0
	}
	for i, u := range due {
		switch {
		case s.abandoned(u, at[i], table):
			if directory.Release(ctx, u.user, at[i].Epoch) != nil {
				return released
			}
			released++
			s.forget(u)
		case u.looked && s.settled(u, at[i], table):
			s.forget(u)
		default:
			u.looked, u.epoch, u.due = true, at[i].Epoch, now.Add(straySure)
		}
	}
	return released
}

// settled: the session is somebody's, here or elsewhere, or there is none.
func (s *strays) settled(u *stray, at route.Location, table sessionTable) bool {
	return at.Instance != s.instance || table.Holds(u.user, at.Epoch)
}

// abandoned reports whether nobody has that session, and nobody will. The Directory has said that it is this server's, now
// and at the last look, and the server knows nothing of the user. The order matters: the table is asked after the Directory.
// A login that has claimed the session is in the table from before it asked until it has it; one that begins later gets
// another epoch, which is not released.
func (s *strays) abandoned(u *stray, at route.Location, table sessionTable) bool {
	return u.looked && at.Epoch == u.epoch && at.Instance == s.instance && !table.Knows(u.user)
}
