package token

import (
	"crypto/sha256"
	"sync"
	"time"
)

// usedMax bounds the memory of used tickets at about 40 bytes each: 40 MB, at 15,000 logins a second for as
// long as a ticket lives.
const usedMax = 1 << 20

// Used remembers the tickets that a server has taken, for as long as they would be valid: two generations,
// of which the older is dropped as a whole. Only tickets that were checked may be noted, so that a peer
// cannot fill it. Safe for concurrent use. The zero value is ready.
type Used struct {
	mu      sync.Mutex
	now     map[usedID]struct{}
	before  map[usedID]struct{}
	turnsAt time.Time
}

// usedID stands for a ticket's id: 128 bits of its SHA-256.
type usedID [16]byte

func usedIDOf(t Ticket) usedID {
	sum := sha256.Sum256([]byte(t.ID))
	return usedID(sum[:16])
}

// Note takes a ticket. Errors: ErrUsed; ErrFull.
func (u *Used) Note(t Ticket, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn(now)
	id := usedIDOf(t)
	if _, ok := u.now[id]; ok {
		return ErrUsed
	}
	if _, ok := u.before[id]; ok {
		return ErrUsed
	}
	if len(u.now) >= usedMax/2 {
		return ErrFull
	}
	u.now[id] = struct{}{}
	return nil
}

// Expire forgets tickets that can no longer be valid. Without it their memory lasts until the next Note.
func (u *Used) Expire(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn(now)
}

// turn must run with mu held. A generation lasts longer than any ticket, with skew on both sides. It goes by the wall clock, as
// the validity of a ticket does: where that is set back, tickets are remembered for longer.
func (u *Used) turn(now time.Time) {
	now = now.Round(0)
	if now.Before(u.turnsAt) {
		return
	}
	if now.Sub(u.turnsAt) < TicketTime+2*clockSkew {
		u.before = u.now
	} else {
		u.before = nil
	}
	u.now = make(map[usedID]struct{})
	u.turnsAt = now.Add(TicketTime + 2*clockSkew)
}
