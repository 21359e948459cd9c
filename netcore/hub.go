package netcore

import (
	"slices"
	"sync"
)

const hubShards = 256 // a power of two

// place is where a user's session lives. It holds no pointer, so the collector does not scan the table.
type place struct {
	epoch uint64
	slot  uint32
	loop  uint16
}

// claiming counts the logins of one user that wait for their claim.
type claiming struct {
	epoch   uint64 // of the newest claim that was granted and is on its way to its loop
	ended   uint64 // sessions and reservations up to this epoch were kicked meanwhile
	logins  uint32
	goodbye uint64 // of those, up to here for another reason than that a newer session took over
	why     Reason // of goodbye
	touched bool   // a stored message came for them meanwhile
}

// hub finds the session of a user. Safe for concurrent use; sharded so that loops seldom meet.
type hub struct {
	shards [hubShards]hubShard
}

type hubShard struct {
	mu       sync.RWMutex
	live     map[int64]place
	claiming map[int64]claiming
	reserved map[int64]*reservation
}

func newHub() *hub {
	h := &hub{}
	for i := range h.shards {
		s := &h.shards[i]
		s.live, s.claiming = make(map[int64]place), make(map[int64]claiming)
		s.reserved = make(map[int64]*reservation)
	}
	return h
}

// shardOf spreads ids, which may be consecutive, by Fibonacci hashing (Knuth, TAOCP vol. 3, 6.4).
func shardOf(user int64) int { return int(uint64(user) * 0x9E3779B97F4A7C15 >> (64 - 8)) }

func (h *hub) shard(user int64) *hubShard { return &h.shards[shardOf(user)] }

// beginClaim must come before the claim is sent, so that no message can fall between the store's word and
// the table's. reserved is the epoch of the user's reservation, 0 when there is none: from now on, who ends that one ends
// the claim that came for it.
func (h *hub) beginClaim(user int64) (reserved uint64) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claiming[user]
	c.logins++
	s.claiming[user] = c
	return s.reservedEpoch(user)
}

// answered notes the epoch of a granted claim, so that the session can be proved before its loop has it.
func (h *hub) answered(user int64, epoch uint64) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.claiming[user]; ok {
		c.epoch = max(c.epoch, epoch)
		s.claiming[user] = c
	}
}

// end takes the session of that epoch off the table if it has opened, with the reservation that it came for, and keeps
// it from opening if it is about to. If it is a reservation, that ends, and what a LOGIN that came for it was granted does
// not open. All in one step, or a session could open in between. So the user is gone for everybody who asks from now on,
// although the connection ends a moment later. here reports whether there was such a session or reservation, or somebody
// logs in.
func (h *hub) end(user int64, epoch uint64, why Reason) (at place, live, here bool) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.live[user]; ok && p.epoch == epoch {
		delete(s.live, user)
		s.endReservation(user, epoch)
		return p, true, false
	}
	here = s.cancel(user, epoch)
	c, waits := s.claiming[user]
	if waits {
		c.ended = max(c.ended, epoch)
		if why != reasonReplaced && epoch >= c.goodbye {
			c.goodbye, c.why = epoch, why
		}
		s.claiming[user] = c
	}
	return place{}, false, here || waits
}

// endClaim follows each beginClaim. touched tells that a stored message came meanwhile.
func (h *hub) endClaim(user int64) (touched bool) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endClaim(user)
}

func (s *hubShard) endClaim(user int64) (touched bool) {
	c := s.claiming[user]
	if c.logins--; c.logins == 0 {
		delete(s.claiming, user)
	} else {
		s.claiming[user] = c
	}
	return c.touched
}

// opening is what became of a granted session at the table.
type opening struct {
	ok       bool
	kicked   bool   // not ok: it, or the reservation that it came for, was ended before it could open
	why      Reason // not ok
	touched  bool   // a stored message came meanwhile
	replaced bool
	old      place // the entry that was replaced
}

// install ends a claim with the session at p, which came to fulfil the reservation of an epoch; 0: of none. Only a higher
// epoch replaces an entry. A goodbye to the reservation is one to the session; that a newer session took over from the
// reservation is not, since this one is newer still.
func (h *hub) install(user int64, p place, reserved uint64) opening {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claiming[user]
	o := opening{touched: s.endClaim(user)}
	o.old, o.replaced = s.live[user]
	switch {
	case p.epoch <= c.goodbye || reserved != 0 && reserved <= c.goodbye:
		return opening{kicked: true, why: c.why, touched: o.touched}
	case p.epoch <= c.ended:
		return opening{kicked: true, why: reasonReplaced, touched: o.touched}
	case o.replaced && o.old.epoch >= p.epoch:
		return opening{why: reasonReplaced, touched: o.touched}
	}
	s.live[user], o.ok = p, true
	return o
}

// remove drops the entry of exactly that session, and the reservation that it came for: until it has been sent what
// waits in the inbox it has both.
func (h *hub) remove(user int64, epoch uint64) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.live[user]; ok && p.epoch == epoch {
		delete(s.live, user)
		s.endReservation(user, epoch)
	}
}

// find returns the live session of a user.
func (h *hub) find(user int64) (place, bool) {
	s := h.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.live[user]
	return p, ok
}

// findForStored is find for a stored message: a login that is being claimed is told to look at its inbox,
// and a reservation looks when its LOGIN comes; both count as here.
func (h *hub) findForStored(user int64) (p place, live, here bool) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	p, live = s.live[user]
	c, waits := s.claiming[user]
	if waits {
		c.touched = true
		s.claiming[user] = c
	}
	return p, live, live || waits || s.reserved[user] != nil
}

// holds proves a session of that epoch: a live one, one that was granted and is about to open, or a reservation.
// A login that waits for its claim proves nothing: it may be the one that asks.
func (h *hub) holds(user int64, epoch uint64) bool {
	s := h.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p, ok := s.live[user]; ok && p.epoch == epoch {
		return true
	}
	if r := s.reserved[user]; r != nil && r.epoch == epoch {
		return true
	}
	c, ok := s.claiming[user]
	return ok && c.epoch == epoch && epoch > c.ended
}

// knows reports whether there is anything of a user: a session, a login that is under way, a reservation.
func (h *hub) knows(user int64) bool {
	s := h.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, live := s.live[user]
	_, waits := s.claiming[user]
	return live || waits || s.reserved[user] != nil
}

// online lists up to limit users after the one given, in the order of shard, then id; next is 0 at the end.
func (h *hub) online(after int64, limit int) (users []int64, next int64) {
	if limit < 1 {
		return nil, 0
	}
	first := 0
	if after != 0 {
		first = shardOf(after)
	}
	for i := first; i < hubShards; i++ {
		ids := h.shards[i].users()
		for _, id := range ids {
			if i == first && after != 0 && id <= after {
				continue
			}
			if len(users) == limit {
				return users, users[limit-1]
			}
			users = append(users, id)
		}
	}
	return users, 0
}

// users of one shard, in order: those connected and those expected.
func (s *hubShard) users() []int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]int64, 0, len(s.live)+len(s.reserved))
	for id := range s.live {
		ids = append(ids, id)
	}
	for id := range s.reserved {
		if _, live := s.live[id]; !live {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
