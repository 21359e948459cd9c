package token

import (
	"sync"
	"time"
)

// usedMax bounds the memory of used tickets at about 100 bytes each: 100 MB, at 15,000 logins a second for
// as long as a ticket lives.
const usedMax = 1 << 20

// Used remembers the tickets that a server has taken, for as long as they would be valid: two generations,
// of which the older is dropped as a whole. Only tickets that were checked may be noted, so that a peer
// cannot fill it. Safe for concurrent use. The zero value is ready.
type Used struct {
	mu      sync.Mutex
	now     map[string]struct{}
	before  map[string]struct{}
	turnsAt time.Time
}

// Note takes a ticket. Errors: ErrUsed; ErrFull.
func (u *Used) Note(t Ticket, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn(now)
	if _, ok := u.now[t.ID]; ok {
		return ErrUsed
	}
	if _, ok := u.before[t.ID]; ok {
		return ErrUsed
	}
	if len(u.now) >= usedMax/2 {
		return ErrFull
	}
	u.now[t.ID] = struct{}{}
	return nil
}

// turn must run with mu held. A generation lasts longer than any ticket, with skew on both sides.
func (u *Used) turn(now time.Time) {
	if now.Before(u.turnsAt) {
		return
	}
	if now.Sub(u.turnsAt) < TicketTime+2*clockSkew {
		u.before = u.now
	} else {
		u.before = nil
	}
	u.now = make(map[string]struct{})
	u.turnsAt = now.Add(TicketTime + 2*clockSkew)
}
