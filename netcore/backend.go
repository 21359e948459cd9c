package netcore

import (
	"context"

	cimpb "cim/proto"
)

// Backend is what the server needs of routing. Its methods are called from the server's workers, never on
// an event loop; they may block until ctx ends. Slices are answered in order, entry by entry.
type Backend interface {
	// Claim authenticates logins and claims their sessions. A user occurs once in a call.
	Claim(ctx context.Context, claims []Claim) []ClaimResult
	// Release ends claimed sessions. It is not told of sessions that were replaced.
	Release(ctx context.Context, refs []SessionRef)
	// Renew says whether sessions are still this server's, and publishes again those that were forgotten.
	Renew(ctx context.Context, refs []RenewRef) []RenewResult
	// Deliver routes messages of connected senders.
	Deliver(ctx context.Context, sends []Send) []SendResult
	// Acknowledge drops what receivers have handled.
	Acknowledge(ctx context.Context, acks []Ack)
	// Backlog reads a session's inbox after a place, at most limit messages and about maxBytes. Of a place in an earlier
	// log that part counts which is the same in the present one.
	Backlog(ctx context.Context, user int64, after Cursor, limit, maxBytes int) (Backlog, error)
}

// SessionRef names one session of one user.
type SessionRef struct {
	User  int64
	Epoch uint64
}

// Claim asks for the session of a user who sent LOGIN.
type Claim struct {
	User     int64
	Name     string // as LOGIN said; may be empty with a token
	Hello    bool
	Token    string
	Device   string
	Cursor   Cursor // what the client says it has handled; zero: it does not say
	Reserved uint64 // epoch of the reservation that this LOGIN fulfils; 0: none
	Remote   string // client address, for logs and limits
}

// ClaimResult is a session, or why there is none.
type ClaimResult struct {
	User   int64
	Name   string
	Device bool // the account is a device's
	Epoch  uint64
	Inbox  Inbox
	Shared Cursor     // how far the log of Claim.Cursor is the inbox's; zero: nothing is known of it
	Code   cimpb.Code // 0: granted
	// RetryAfterMs accompanies codes that allow to come back later.
	RetryAfterMs uint32
}

// Cursor is a place in an inbox. Another LogEpoch than before is another log: the store lost the end of the one before, or may
// have.
type Cursor struct {
	LogEpoch uint64
	Seq      uint64
}

// Inbox describes an inbox: messages with Acked < seq <= Last wait in it.
type Inbox struct {
	LogEpoch uint64
	Last     uint64
	Acked    uint64
}

// Send is a message of a connected sender.
type Send struct {
	From        int64
	FromName    string
	Device      string
	ClientMsgID uint64
	To          int64 // 0: everyone
	Everyone    bool
	Stored      bool   // QoS 1
	Body        []byte // partial MESSAGE frame; the Backend may keep it
}

// SendResult is what became of a Send.
type SendResult struct {
	Code cimpb.Code // CodeWritten, CodeStored or a refusal
	Cursor
	RetryAfterMs uint32
	Offline      bool // it was stored for a receiver who is not connected
}

// Ack says that a user has handled everything up to Cursor.
type Ack struct {
	User int64
	Cursor
}

// Backlog is a part of an inbox, in order and without gaps.
type Backlog struct {
	Inbox
	Shared   Cursor // how far the log that was asked with is this one; zero: nothing is known of it
	Messages []Stored
}

// Stored is one message of an inbox.
type Stored struct {
	Seq  uint64
	Body []byte
}
