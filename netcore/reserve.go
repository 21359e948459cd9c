package netcore

import "time"

// reservation keeps a session that CIM's /login has claimed on the server's behalf, until the client's
// LOGIN or for reservationTime. The user counts as online, so what is not stored is kept for them; stored
// messages are in their inbox anyway. It lasts until the session has been sent what waited in the inbox.
// Guarded by its hub shard.
type reservation struct {
	epoch   uint64
	device  bool
	expires time.Time
	bodies  [][]byte // MESSAGE bodies, in order
	bytes   int      // that bodies hold
}

// reserve replaces an older reservation of the user.
func (h *hub) reserve(user int64, r *reservation) bool {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.reserved[user]; old != nil && old.epoch > r.epoch {
		return false
	}
	s.reserved[user] = r
	return true
}

// reservedEpoch is the epoch of a user's reservation; 0: there is none. The reservation stays, and keeps
// messages, until the LOGIN that it waits for has its session.
func (h *hub) reservedEpoch(user int64) uint64 {
	s := h.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reservedEpoch(user)
}

// reservedEpoch must run with mu held.
func (s *hubShard) reservedEpoch(user int64) uint64 {
	if r := s.reserved[user]; r != nil {
		return r.epoch
	}
	return 0
}

// fulfil ends the reservation in favour of its session, whose epoch is newer; nil: there is none.
func (h *hub) fulfil(user int64, session uint64) *reservation {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endReservation(user, session)
}

// endReservation must run with mu held.
func (s *hubShard) endReservation(user int64, session uint64) *reservation {
	r := s.reserved[user]
	if r == nil || r.epoch > session {
		return nil
	}
	delete(s.reserved, user)
	return r
}

// keepOne gives a message that is not stored to a user who is expected. here is false when nobody is.
func (h *hub) keepOne(user int64, body []byte) (kept, here bool) {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reserved[user]
	if r == nil {
		return false, false
	}
	return r.keep(body), true
}

// keep must run with the shard's mu held.
func (r *reservation) keep(body []byte) bool {
	if len(r.bodies) >= reservationFrames || r.bytes+len(body) > reservationBytes {
		return false
	}
	r.bodies, r.bytes = append(r.bodies, body), r.bytes+len(body)
	return true
}

// cancel ends the reservation of that epoch and reports whether there was one.
func (h *hub) cancel(user int64, epoch uint64) bool {
	s := h.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancel(user, epoch)
}

// cancel must run with mu held.
func (s *hubShard) cancel(user int64, epoch uint64) bool {
	if r := s.reserved[user]; r == nil || r.epoch != epoch {
		return false
	}
	delete(s.reserved, user)
	return true
}

// keepForReserved gives a message to everyone to the users who are expected; it returns those who keep it and
// how many had no room.
func (h *hub) keepForReserved(b Broadcast) (kept []int64, full int) {
	for i := range h.shards {
		kept, full = h.shards[i].keep(b, kept, full)
	}
	return kept, full
}

func (s *hubShard) keep(b Broadcast, kept []int64, full int) ([]int64, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user, r := range s.reserved {
		switch {
		case user == b.Except || b.PeopleOnly && r.device:
		case r.keep(b.Body):
			kept = append(kept, user)
		default:
			full++
		}
	}
	return kept, full
}

// expire removes the reservations that are over and returns their sessions, to be released.
func (h *hub) expire(now time.Time) []SessionRef {
	var over []SessionRef
	for i := range h.shards {
		over = h.shards[i].expire(now, over)
	}
	return over
}

func (s *hubShard) expire(now time.Time, over []SessionRef) []SessionRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user, r := range s.reserved {
		if now.After(r.expires) {
			over = append(over, SessionRef{user, r.epoch})
			delete(s.reserved, user)
		}
	}
	return over
}
