package client

import (
	"fmt"
	"time"
)

// State is what a StateChange is about.
type State uint8

const (
	// StateConnected says that the server has welcomed this session. It is told for the first one too, and
	// without a StateDisconnected before when the client was asked to move and has done so.
	StateConnected State = iota + 1
	// StateDisconnected says that the connection ended with Err; the next attempt comes in RetryIn.
	StateDisconnected
	// StateClosed says that it is over, by Close (Err is ErrClosed) or because the server said not to come back.
	StateClosed
	// StateLogReset says that the inbox on the server lost its end, which this client has received. What came after
	// that may be lost too; where the server does not know what it has lost, what was handled may come again.
	StateLogReset
	// StateLogGap says that the messages From to To are gone from the inbox (trimmed by its cap).
	StateLogGap
)

var stateNames = map[State]string{
	StateConnected: "connected", StateDisconnected: "disconnected", StateClosed: "closed",
	StateLogReset: "log reset", StateLogGap: "log gap",
}

func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// StateChange tells the application what happened to its session.
type StateChange struct {
	State    State
	Err      error         // StateDisconnected, StateClosed
	RetryIn  time.Duration // StateDisconnected
	Session  Session       // StateConnected
	From, To uint64        // StateLogGap: first and last seq that is gone
}

// and is one change in place of two about a log, the second right behind the first.
func (s *StateChange) and(next StateChange) StateChange {
	switch {
	case s.State == StateLogReset:
		return *s // and what is missing behind it may be lost, too
	case next.State == StateLogGap:
		next.From = s.From
	}
	return next
}

// Session describes the connection of the moment.
type Session struct {
	Connected bool
	Addr      string // of the server
	Instance  string // of the server, random per its start
	Epoch     uint64 // rises with every session of the user
	Heartbeat time.Duration
	Since     time.Time
}

// Stats count since Connect.
type Stats struct {
	Connects   uint64 // sessions, the first included
	Resent     uint64 // sends that were written again after a cut
	Duplicates uint64 // stored messages that had been taken before
	Gaps       uint64 // times that a stored message was ahead of its turn
	Dropped    uint64 // QoS 0 messages that found the queue full
}
