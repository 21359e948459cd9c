package cimpb

import "fmt"

// Code is a status code of the client wire and of /v1. The range says what it means for the connection:
//
//	  1 to  99  the outcome of one request; the connection stays
//	100 to 199  come back after a while (Status.retry_after_ms, with jitter)
//	200 to 299  come back at once, by way of a route
//	300 to 399  do not come back: a person or an operator has to change something first
type Code uint32

// Outcomes of one request.
const (
	CodeWritten          Code = 1  // handed to the receivers' connections
	CodeStored           Code = 2  // in the receiver's inbox; delivered now or when they are back
	CodeUnknownUser      Code = 10 // no account has this id or name
	CodeOffline          Code = 11 // not connected, and QoS 0 is not stored
	CodeSlow             Code = 12 // the receiver does not read fast enough; QoS 0 was dropped
	CodeInboxFull        Code = 13 // the receiver's inbox is at its cap
	CodeTooLarge         Code = 14 // the content is over the limit
	CodeBadRequest       Code = 15 // the request does not say what it must
	CodeRateLimited      Code = 16 // too many of these; again after retry_after_ms
	CodeOverloaded       Code = 17 // a queue of the server is full; again after retry_after_ms
	CodeStoreUnavailable Code = 18 // the store does not answer; again with the same client_msg_id
	CodeNotAllowed       Code = 19 // this caller may not do this
	CodeUnsupported      Code = 20 // this server does not offer it
	CodeDiskFull         Code = 21 // the server's disk is full; nothing was stored
	CodeNoServer         Code = 22 // no server can take a connection now
	CodeInternal         Code = 23 // a defect of the server; its log has the cause
	CodeUnauthorized     Code = 24 // no credential that counts came with the request
	CodeBadCredentials   Code = 25 // no such account, or another secret: which of them is not told
	CodeNameTaken        Code = 26 // an account has this name already
)

// Come back after a while.
const (
	CodeBusy         Code = 100 // too many logins wait
	CodeServerFull   Code = 101 // the connection table is full
	CodeStoreDown    Code = 102 // the session could not be claimed: the store does not answer
	CodeLoginTimeout Code = 103 // no LOGIN in time
	CodeIdleTimeout  Code = 104 // no complete frame in time
	CodeSlowReader   Code = 105 // more waited for this connection than the hard limit
	CodeStopping     Code = 106 // the server stops
	CodePartialFrame Code = 107 // a frame was not complete in time
)

// Come back at once, by way of a route.
const (
	CodeMoved        Code = 200 // the server drains
	CodeTokenExpired Code = 201 // the ticket is too old
	CodeWrongServer  Code = 202 // the ticket is for another server
	CodeSessionLost  Code = 203 // the store no longer knows this session
)

// Do not come back.
const (
	CodeBadToken         Code = 300 // the ticket is not valid
	CodeDuplicateSession Code = 301 // the user is connected from another device
	CodeReplaced         Code = 302 // a newer session of the user took over
	CodeLoggedOut        Code = 303 // the session was ended by request
	CodeAccountDisabled  Code = 304 // the account may not connect
	CodeUnknownAccount   Code = 305 // LOGIN of an id without an account, or with another name
	CodeBadFrame         Code = 306 // a frame that cannot be read
	CodeFrameTooLarge    Code = 307 // a frame over the limit
	CodeBadVersion       Code = 308 // hello of a version that the server does not speak
	CodeHelloRequired    Code = 309 // CIM's bare LOGIN under --auth token
	CodeLoginRequired    Code = 310 // the first frame was not LOGIN
	CodeBadLogin         Code = 311 // LOGIN of an impossible user, or with an impossible hello
)

type codeText struct {
	name, sentence string
}

// codeTexts is the table of docs/protocol.md; a test holds the two together.
var codeTexts = map[Code]codeText{
	CodeWritten:          {"written", "Handed to the receiver's connection."},
	CodeStored:           {"stored", "Stored in the receiver's inbox."},
	CodeUnknownUser:      {"unknown_user", "No such user: register the name, or look up the id with /v1/accounts."},
	CodeOffline:          {"offline", "The receiver is not connected; send with QoS 1 to have it stored."},
	CodeSlow:             {"slow", "The receiver reads too slowly and the message was dropped; send with QoS 1 to have it stored."},
	CodeInboxFull:        {"inbox_full", "The receiver's inbox is full; send again when they have read it."},
	CodeTooLarge:         {"too_large", "The content is over the limit; send it in smaller parts."},
	CodeBadRequest:       {"bad_request", "The request is not complete or contradicts itself."},
	CodeRateLimited:      {"rate_limited", "Too many requests; slow down and try again."},
	CodeOverloaded:       {"overloaded", "The server is busy; try again in a moment."},
	CodeStoreUnavailable: {"store_unavailable", "The store does not answer; try again in a moment."},
	CodeNotAllowed:       {"not_allowed", "This caller may not do this."},
	CodeUnsupported:      {"unsupported", "This server does not offer that."},
	CodeDiskFull:         {"disk_full", "The server's disk is full; make room in its data folder."},
	CodeNoServer:         {"no_server", "No server can take a connection now: none runs, none can be reached, or all are full; try again later."},
	CodeInternal:         {"internal", "The server failed at this; its log says why."},
	CodeUnauthorized:     {"unauthorized", "This needs a credential: log in, or send an application key."},
	CodeBadCredentials:   {"bad_credentials", "No account has this name or id with this secret: check both."},
	CodeNameTaken:        {"name_taken", "The name belongs to somebody: choose another, or log in with its secret."},

	CodeBusy:         {"busy", "Too many logins at once; come back later."},
	CodeServerFull:   {"server_full", "The server holds as many connections as it may: come back later, or raise --max-conns and ulimit -n."},
	CodeStoreDown:    {"store_down", "The store does not answer; come back later."},
	CodeLoginTimeout: {"login_timeout", "No LOGIN arrived in time."},
	CodeIdleTimeout:  {"idle_timeout", "No frame arrived in time; send a PING at each heartbeat."},
	CodeSlowReader:   {"slow_reader", "The connection was not read for too long; come back and the inbox goes on."},
	CodeStopping:     {"stopping", "The server stops; come back later."},
	CodePartialFrame: {"partial_frame", "A frame was begun and not completed in time."},

	CodeMoved:        {"moved", "The server drains; log in again."},
	CodeTokenExpired: {"token_expired", "The ticket has expired; log in again."},
	CodeWrongServer:  {"wrong_server", "The ticket is for another server; log in again."},
	CodeSessionLost:  {"session_lost", "The session is no longer known; log in again."},

	CodeBadToken:         {"bad_token", "The ticket is not valid."},
	CodeDuplicateSession: {"duplicate_session", "You are connected from another device: close it there first, or start the server with --duplicate kick."},
	CodeReplaced:         {"replaced", "A newer session of yours took over."},
	CodeLoggedOut:        {"logged_out", "The session was ended by request."},
	CodeAccountDisabled:  {"account_disabled", "The account is disabled; ask the operator."},
	CodeUnknownAccount:   {"unknown_account", "No account has this id and name: register first."},
	CodeBadFrame:         {"bad_frame", "A frame could not be read."},
	CodeFrameTooLarge:    {"frame_too_large", "A frame is over the limit."},
	CodeBadVersion:       {"bad_version", "The server does not speak this protocol version; update the client."},
	CodeHelloRequired:    {"hello_required", "This server asks for a ticket; use a client that sends hello."},
	CodeLoginRequired:    {"login_required", "The first frame has to be a LOGIN."},
	CodeBadLogin:         {"bad_login", "LOGIN needs a user id, a name of at most 64 bytes and, in hello, a device of 1 to 64 bytes."},
}

// String is the stable name of the code, as /v1 and the metrics show it.
func (c Code) String() string {
	if t, ok := codeTexts[c]; ok {
		return t.name
	}
	return fmt.Sprintf("code_%d", uint32(c))
}

// Sentence tells a person what happened and what to do.
func (c Code) Sentence() string { return codeTexts[c].sentence }

// Comeback derives from the range of the code.
func (c Code) Comeback() Comeback {
	switch {
	case c >= 300:
		return Comeback_NEVER
	case c >= 200:
		return Comeback_ELSEWHERE
	case c >= 100:
		return Comeback_LATER
	}
	return Comeback_COMEBACK_UNSPECIFIED
}

// Status builds the wire form. retryAfterMs is 0 where the code needs none.
func (c Code) Status(retryAfterMs uint32) *Status {
	return &Status{Code: uint32(c), Text: c.Sentence(), RetryAfterMs: retryAfterMs, Comeback: c.Comeback()}
}

var codeNames = func() map[string]Code {
	names := make(map[string]Code, len(codeTexts))
	for c, t := range codeTexts {
		names[t.name] = c
	}
	return names
}()

// ParseCode finds the code that String names so; 0 and false when the table has none.
func ParseCode(name string) (Code, bool) {
	c, ok := codeNames[name]
	return c, ok
}
