package route

import (
	"context"
	"time"
)

// Accounts keeps who may connect. Safe for concurrent use.
type Accounts interface {
	// Create makes an account with the hash of its secret (zero: none), or returns the existing one of that
	// name, unchanged, with created false. Two concurrent calls with one name get the same account. The id
	// is in 1..MaxID and never given twice, over all routes and restarts. Durable when it returns.
	// Errors: ErrInvalidName; ErrDiskFull; ErrStoreUnavailable.
	Create(ctx context.Context, name string, kind Kind, secret SecretHash) (a Account, created bool, err error)
	// ByID returns the accounts of ids, in that order; an unknown id gives the zero Account at its place.
	ByID(ctx context.Context, ids []int64) ([]Account, error)
	// ByName finds one account. Errors: ErrUnknownUser.
	ByName(ctx context.Context, name string) (Account, error)
	// Credentials returns an account with its secret's hash. A change is seen by every call that begins after
	// it was answered. Errors: ErrUnknownUser.
	Credentials(ctx context.Context, id int64) (Credentials, error)
	// SetSecret replaces the hash, also that of an account without one, and raises the generation. Durable when
	// it returns. Errors: ErrUnknownUser; ErrStoreUnavailable.
	SetSecret(ctx context.Context, id int64, secret SecretHash) error
	// SetDisabled changes whether the account may connect. Disabling raises the generation, enabling and what
	// changes nothing does not. Durable when it returns. Errors: ErrUnknownUser; ErrStoreUnavailable.
	SetDisabled(ctx context.Context, id int64, disabled bool) error
	// ByPrefix lists up to limit accounts whose name begins with prefix, ordered by name.
	ByPrefix(ctx context.Context, prefix string, limit int) ([]Account, error)
}

// Takeover says what a claim may replace.
type Takeover uint8

const (
	TakeoverSameDevice Takeover = iota // a session of the same, non-empty device
	TakeoverEpoch                      // that, and the session whose epoch is ClaimRequest.ReplaceEpoch
	TakeoverAny                        // whichever there is
)

// ClaimRequest asks for the session of a user.
type ClaimRequest struct {
	User         int64
	Device       string
	Instance     string // the claiming server
	Takeover     Takeover
	ReplaceEpoch uint64
	Cursor       Cursor        // acknowledged in the same step, as by Inbox.Ack; zero: none
	Check        *AccountCheck // nil: the account is not looked at
}

// AccountCheck has a claim look at the account in the same step: it has to exist and must not be disabled.
type AccountCheck struct {
	Name       string // has to be the account's; empty: any
	Generation uint64 // has to be that of Credentials; 0: any
}

// Claim is the answer to a ClaimRequest.
type Claim struct {
	Epoch    uint64   // higher than every earlier one of this user
	Previous Location // the session that was replaced, or that refused the claim
	Inbox    Position
	Shared   Cursor        // how far the log of ClaimRequest.Cursor is the inbox's; zero: nothing is known of it
	Account  Account       // with ClaimRequest.Check
	HeldFor  time.Duration // with ErrHeld: the age of Previous by the store's clock, in ms, at least 0
}

// Renewal asks whether a session is still its server's.
type Renewal struct {
	User     int64
	Epoch    uint64
	Instance string
	Device   string
	// Written is how far the session has been written to, handled or not. Above Last of the log that it is in, it proves a lost
	// tail, as with Inbox.Ack. Zero: nothing.
	Written Cursor
}

// RenewState is what a Renewal found.
type RenewState uint8

const (
	RenewKept     RenewState = iota // still that session's
	RenewRestored                   // the store had lost it: it is published again
	RenewLost                       // a newer session took over, or this one was released: the server ends it
)

// Renewed answers one Renewal.
type Renewed struct {
	State RenewState
	Inbox Position // with RenewKept and RenewRestored
	Err   error    // ErrStoreUnavailable; then nothing else is said, and it is to be asked again
}

// Directory keeps who is connected where. Safe for concurrent use.
type Directory interface {
	// Claim makes the caller the holder of the user's session with a new epoch: the larger of the last
	// epoch + 1 and the store's clock in ms. When a session is in the way that Takeover does not cover, it
	// changes nothing and returns ErrHeld together with Previous and HeldFor. A session of an instance that no
	// longer runs is the caller's business (see Router). With Check, the account is looked at first, in the
	// same step: a claim that begins after a change of the account was answered sees it, and a claim that was
	// answered is found by every Lookup that begins after the change.
	// Errors: with Check, in this order, ErrUnknownUser, ErrNameMismatch, ErrDisabled and ErrReplacedSecret;
	// ErrHeld; ErrStoreUnavailable.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)
	// Release clears the holder if epoch is still its session's, and is a no-op otherwise. It keeps the epoch.
	Release(ctx context.Context, user int64, epoch uint64) error
	// Lookup returns the holders of users, in that order; the zero Location where nobody is.
	Lookup(ctx context.Context, users []int64) ([]Location, error)
	// Renew answers each renewal, in order, and each in one step of its own. Its epoch against the last one that
	// the store knows of the user:
	//   - the same, held by Instance: RenewKept;
	//   - higher, or the store knows nothing of the user: RenewRestored, the session holds the user again;
	//   - lower, or the same and not held by Instance: RenewLost, nothing is changed.
	// A restored epoch counts as given: every later claim's is higher.
	Renew(ctx context.Context, renewals []Renewal) []Renewed
}

// Entry is one message to be stored.
type Entry struct {
	Receiver    int64
	Sender      int64 // Sender, Device and ClientMsgID name the message: see Appended.Duplicate
	Device      string
	ClientMsgID uint64 // never 0
	Body        []byte // the store copies what it keeps
	MustExist   bool   // ErrUnknownUser when no account has the receiver's id, seen in the same step
}

// Appended answers one Entry.
type Appended struct {
	Seq       uint64 // consecutive per receiver, from 1
	LogEpoch  uint64
	Duplicate bool     // the same message was stored at Seq within DedupWindow and DedupPerUser
	Holder    Location // the receiver's session at that moment
	Err       error    // ErrUnknownUser, ErrInboxFull, ErrDiskFull, ErrStoreUnavailable; then nothing was stored
}

// Ack acknowledges a user's messages up to Cursor.Seq.
type Ack struct {
	User   int64
	Cursor Cursor
}

// Inbox keeps what has been acknowledged to a sender and not yet by its receiver. Safe for concurrent use.
// A store that may have lost the end of a log without being told begins a new one before it stores more: see Cursor.
// It remembers EarlierLogs of them.
type Inbox interface {
	// Append stores entries and answers each, in order; entries of one receiver keep their order. When it
	// returns, what it answered without Err survives a kill and a power cut, including the memory of
	// the message's name that finds a Duplicate. An entry that was answered with an Err has left no trace,
	// except when ctx ended or the store failed meanwhile: then sending it again under its name settles it.
	Append(ctx context.Context, entries []Entry) []Appended
	// Ack drops messages up to each cursor. It is cumulative and may come late or twice. A cursor of an earlier log
	// counts as far as that is the same as the present one; one of a log that is not known is ignored. One of the
	// present log above Last proves a lost tail: a new log begins behind Last, and what is stored and was not
	// acknowledged before stays. A lost Ack may reappear after a crash. A caller may pass only what was handled.
	Ack(ctx context.Context, acks []Ack) error
	// Read returns messages after a place, at most limit of them and about maxBytes (at least one). A place of an earlier
	// log is taken for its part that is the same as the present one, and a place below Acked for Acked.
	Read(ctx context.Context, user int64, after Cursor, limit, maxBytes int) (Page, error)
	// Position describes the inbox without reading it.
	Position(ctx context.Context, user int64) (Position, error)
}

// Registry lists the servers that run. Safe for concurrent use.
type Registry interface {
	// Join announces s until leave is called or the process dies.
	Join(ctx context.Context, s Server) (leave func(), err error)
	// Servers is the last known list, ordered by host, port and instance. It never blocks.
	Servers() []Server
	// Server finds one by its instance. It never blocks.
	Server(instance string) (Server, bool)
}
