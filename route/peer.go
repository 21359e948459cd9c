package route

import (
	"context"
	"time"
)

// Push is one message for the session of one user.
type Push struct {
	User         int64
	SessionEpoch uint64 // 0: whichever session is there
	Cursor              // zero: not stored
	Body         []byte // must not be changed afterwards
}

// PushResult says what a server did with a Push.
type PushResult uint8

const (
	PushAbsent  PushResult = iota // no such session there
	PushWritten                   // handed to the connection
	PushSlow                      // the connection is full; what is stored stays stored
	PushUnknown                   // the server did not say; what is not stored may have been written, and must not be repeated
)

// Broadcast is one message for all sessions of a server.
type Broadcast struct {
	Body       []byte // must not be changed afterwards
	Except     int64  // its sender; 0: nobody
	PeopleOnly bool
}

// Peer is a server as the Router sees it: the one in this process, or another over the network. Safe for
// concurrent use.
type Peer interface {
	// Push answers each push, in order. For a push that is stored it does not wait for the connection. When ctx ends
	// first, what is stored goes there all the same; pushes must not be changed afterwards.
	Push(ctx context.Context, pushes []Push) ([]PushResult, error)
	// Broadcast returns how many sessions it was queued for. When ctx ends first, it goes there all the same.
	Broadcast(ctx context.Context, b Broadcast) (int, error)
	// Holds reports whether that session lives there (reserved ones do).
	Holds(ctx context.Context, user int64, epoch uint64) (bool, error)
	// Expect asks for a place for a user who is about to log in. within is how late they may be asked to come.
	// The place is kept until 10 s after that. Errors: ErrNoServer when the server is full, drains, or has given
	// away all places within that time.
	Expect(ctx context.Context, user int64, within time.Duration) (Admission, error)
	// Reserve keeps a session that was claimed on the server's behalf, until LOGIN or for ReservationTime,
	// after which the server releases it. Errors: ErrNoServer when it is full.
	Reserve(ctx context.Context, a Account, epoch uint64) error
	// Kick ends that session and tells its client why. When ctx ends first, it does so all the same, and so it does when a
	// server that does not answer answers again.
	Kick(ctx context.Context, user int64, epoch uint64, why KickReason) (bool, error)
	// CatchUp makes the server send what the session has not been sent of its inbox.
	CatchUp(ctx context.Context, user int64) (bool, error)
	// Online lists up to limit users with a session, in an order of the server's own, after the user
	// given (0: from the start); next is 0 at the end.
	Online(ctx context.Context, after int64, limit int) (users []int64, next int64, err error)
	// Load is cheap and may be a moment old.
	Load(ctx context.Context) (Load, error)
	// Draining is what Load last said of that. It asks nobody.
	Draining() bool
}

// Admission says when an expected user may come.
type Admission struct {
	NotBefore time.Time // by the server's clock; zero: at once
}

// Load says how busy a server is.
type Load struct {
	Sessions int // logged in
	Conns    int // that, and connections on their way to it
	Capacity int
	Draining bool
}

// KickReason is why a session ends.
type KickReason uint8

const (
	KickReplaced  KickReason = iota // a newer session took over
	KickLoggedOut                   // by request
	KickDisabled                    // the account may not connect any more
)

// Peers finds the Peer of an instance; false when the instance is not known.
type Peers interface {
	Peer(s Server) (Peer, bool)
}
