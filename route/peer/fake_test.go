package peer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cim/route"
)

var errStopping = errors.New("it stops")

// fakeServer does as it is told and remembers what it was asked.
type fakeServer struct {
	mu         sync.Mutex
	pushed     []route.Push
	calls      []int // pushes of each call
	broadcasts []route.Broadcast
	kicks      []route.KickReason
	ended      []kick // what those were about
	reserved   []route.Account
	caughtUp   []int64
	within     []time.Duration
	holds      map[int64]uint64
	online     []int64
	results    map[int64]route.PushResult // by user; otherwise written
	load       route.Load
	notBefore  time.Time
	err        error

	gateCh  chan struct{} // not nil: a push waits for it
	comesCh chan struct{} // not nil: a push says here that it waits
}

func newFakeServer() *fakeServer {
	return &fakeServer{holds: map[int64]uint64{}, results: map[int64]route.PushResult{}, load: route.Load{Capacity: 100}}
}

func (s *fakeServer) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	s.mu.Lock()
	gate, comes := s.gateCh, s.comesCh
	s.mu.Unlock()
	if gate != nil {
		if comes != nil {
			comes <- struct{}{}
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = append(s.pushed, pushes...)
	s.calls = append(s.calls, len(pushes))
	results := make([]route.PushResult, len(pushes))
	for i, p := range pushes {
		results[i] = route.PushWritten
		if r, ok := s.results[p.User]; ok {
			results[i] = r
		}
	}
	return results, s.err
}

func (s *fakeServer) Broadcast(_ context.Context, b route.Broadcast) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcasts = append(s.broadcasts, b)
	return len(s.online), s.err
}

func (s *fakeServer) Holds(_ context.Context, user int64, epoch uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds[user] == epoch, s.err
}

func (s *fakeServer) Expect(_ context.Context, _ int64, within time.Duration) (route.Admission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.within = append(s.within, within)
	return route.Admission{NotBefore: s.notBefore}, s.err
}

func (s *fakeServer) Reserve(_ context.Context, a route.Account, epoch uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved = append(s.reserved, a)
	s.holds[a.ID] = epoch
	return s.err
}

func (s *fakeServer) Kick(_ context.Context, user int64, epoch uint64, why route.KickReason) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicks, s.ended = append(s.kicks, why), append(s.ended, kick{user, epoch, why})
	return s.holds[user] == epoch, s.err
}

func (s *fakeServer) CatchUp(_ context.Context, user int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caughtUp = append(s.caughtUp, user)
	return s.holds[user] != 0, s.err
}

func (s *fakeServer) Online(_ context.Context, after int64, limit int) ([]int64, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, _ := slices.BinarySearch(s.online, after+1)
	page := s.online[from:min(len(s.online), from+limit)]
	if from+limit >= len(s.online) {
		return page, 0, s.err
	}
	return page, page[len(page)-1], s.err
}

func (s *fakeServer) Load(context.Context) (route.Load, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load, nil
}

func (s *fakeServer) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load.Draining
}

// set changes what the server does.
func (s *fakeServer) set(change func(*fakeServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// seen is what was pushed, in order.
func (s *fakeServer) seen() []route.Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pushed)
}
