package auth

import (
	"time"

	"cim/route/token"
)

// Gate checks tickets at one server. Safe for concurrent use.
type Gate struct {
	keys     *token.Keys
	instance string
	now      func() time.Time
	used     token.Used
}

// NewGate makes the gate of the server of that instance.
func NewGate(keys *token.Keys, instance string, now func() time.Time) *Gate {
	return &Gate{keys: keys, instance: instance, now: now}
}

// Expire forgets used tickets that can no longer be valid; it is to be called now and then.
func (g *Gate) Expire() { g.used.Expire(g.now()) }

// Enter takes a ticket and returns the generation that the user's secret had when it was given out, for
// route.Login. Only a ticket that is this user's on this device is used up, so that who merely saw an id
// cannot spend another's.
// Errors: ErrOtherUser, ErrOtherDevice; token.ErrInvalid, ErrExpired, ErrTooEarly, ErrWrongServer, ErrUsed, ErrFull.
func (g *Gate) Enter(ticket string, user int64, device string) (generation uint64, err error) {
	now := g.now()
	t, err := g.keys.CheckTicket(ticket, g.instance, now)
	switch {
	case err != nil:
		return 0, err
	case t.Generation == 0:
		return 0, token.ErrInvalid // to route.Login it would mean that there is no ticket
	case t.User != user:
		return 0, ErrOtherUser
	case t.Device != device:
		return 0, ErrOtherDevice
	}
	return t.Generation, g.used.Note(t, now)
}
