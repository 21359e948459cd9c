// Package route is the routing domain of CIM: who has an account, who is connected where, what waits in
// whose inbox, and how a message gets from a sender to a receiver. It declares the interfaces that it needs
// from stores and servers; sub-packages implement them, one per technology. It knows neither sockets nor
// event loops, and must not import them.
package route

import (
	"net"
	"strconv"
	"time"
)

// MaxID bounds every user, group and account id: JavaScript holds no larger integer exactly.
const MaxID = 1<<53 - 1

// Kind tells people from devices.
type Kind uint8

const (
	User   Kind = iota // a person; gets messages to everyone
	Device             // a thing; messages to everyone reach it only from an application
)

// Account is who may connect.
type Account struct {
	ID       int64
	Name     string
	Kind     Kind
	Disabled bool // it may not connect; messages to it are stored
}

// Server is one IM server, as the Registry lists it.
type Server struct {
	Instance string // random per process start
	Host     string // where clients reach it
	Port     int    // of the client wire
	TLS      bool   // the client wire is TLS
	HTTPPort int    // of its peers and of /sendMsg
	PeerHost string // where its peers reach it, if that is not Host
	Version  string
	Zone     string
	Capacity int // connections that it takes
}

// PeerAddr is host:port of what the cluster calls.
func (s Server) PeerAddr() string {
	host := s.PeerHost
	if host == "" {
		host = s.Host
	}
	return net.JoinHostPort(host, strconv.Itoa(s.HTTPPort))
}

// Location is the session that holds a user. The zero Location means nobody.
type Location struct {
	Instance string // of the server; counts only while the Registry lists it
	Epoch    uint64
	Device   string
}

// Held reports whether there is a session at all.
func (l Location) Held() bool { return l.Instance != "" }

// Cursor is a place in an inbox: everything up to and including Seq. Within one log epoch a seq names one message for
// ever. A store that may have lost the end of the log goes on under another log epoch, and remembers how far the last ones
// are the same as the present one (as Kafka does with leader epochs, KIP-101).
type Cursor struct {
	LogEpoch uint64
	Seq      uint64
}

// Position describes an inbox. Messages with Acked < seq <= Last are in it.
type Position struct {
	LogEpoch uint64 // changes when the inbox lost its tail, or may have
	Last     uint64 // seq of the newest message ever stored; 0: none
	Acked    uint64 // everything up to here was handled
}

// QoS is the promise made for one message.
type QoS uint8

const (
	AtMostOnce  QoS = 0 // to connected receivers, never stored
	AtLeastOnce QoS = 1 // in the receiver's inbox before the sender hears of it
)

// Send is one message on its way to a receiver.
type Send struct {
	From        int64 // 0: an application
	FromName    string
	Device      string // of the sender; with From and ClientMsgID it names the message for ever
	ClientMsgID uint64 // 0: the Router chooses one
	To          int64  // receiver's user id; 0: Everyone
	Everyone    bool
	QoS         QoS
	Body        []byte // encoded Frame without what is the receiver's own; see EncodeBody
}

// Outcome says what became of one Send.
type Outcome struct {
	Stored    bool   // in the inbox, at Seq
	Seq       uint64 // place in the inbox; 0: not stored
	LogEpoch  uint64
	Duplicate bool // it was stored before, at Seq
	Online    bool // the receiver has a session
	Reached   int  // sessions it was written to; of a stored message, those it was handed to
	Err       error
}

// Page is a part of an inbox, in order and without gaps.
type Page struct {
	Position
	Shared   Cursor // how far the log of the cursor that was asked with is this one; zero: nothing is known of it
	Messages []Stored
}

// Stored is one message of an inbox.
type Stored struct {
	Seq  uint64
	Body []byte
}

// Limits of the domain.
const (
	MaxNameBytes    = 64
	DedupWindow     = 10 * time.Minute // a client message id is remembered so long
	DedupPerUser    = 1000             // and so many per receiver
	EarlierLogs     = 5                // that an inbox remembers, with how far each is the same as the present one
	ReservationTime = 30 * time.Second // from CIM's /login to its LOGIN
)
