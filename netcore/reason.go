package netcore

import (
	"errors"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Reason is why a connection was closed, as the counters show it.
type Reason uint8

const (
	reasonClient        Reason = iota // the client closed, or its network failed
	reasonProbe                       // closed by the client before a byte was sent
	reasonCeiling                     // the table is full
	reasonLoginTimeout                // no LOGIN in time
	reasonIdle                        // silent for the idle time-out
	reasonFrameTimeout                // a frame was begun and not completed in time
	reasonPartialBudget               // the loop holds too many incomplete frames
	reasonFrameTooLarge               // a length over the limit
	reasonVarint                      // a length of more than 5 bytes
	reasonEmptyFrame                  // a length of 0
	reasonUTF8                        // a string that is not UTF-8
	reasonMalformed                   // not a Frame
	reasonNotLogin                    // the first frame was not LOGIN
	reasonBadLogin                    // LOGIN of an impossible user or device
	reasonNoHello                     // LOGIN without hello where it is required
	reasonVersion                     // hello of another protocol version
	reasonRefused                     // the claim was refused
	reasonBusy                        // too many logins wait
	reasonClaimTimeout                // the claim was not answered in time
	reasonReplaced                    // a newer session of the user
	reasonLoggedOut                   // ended by request
	reasonDisabled                    // the account was disabled
	reasonSessionLost                 // the store knows no such session
	reasonMoved                       // the server drains
	reasonSlowReader                  // more waited than the hard limit
	reasonStopping                    // the server stops
	reasonBadTLS                      // the TLS handshake failed, or a record was not right
	reasonTLSTimeout                  // the TLS handshake was not done in time
	reasonTLSBusy                     // too many TLS handshakes are under way
	reasonBadProxy                    // a proxy's connection did not begin with a PROXY header
	reasonCount
)

// reasons gives each Reason its name in the metrics and the code that a hello session is told; 0: none.
var reasons = [reasonCount]struct {
	name string
	code cimpb.Code
}{
	reasonClient:        {"client", 0},
	reasonProbe:         {"probe", 0},
	reasonCeiling:       {"ceiling", 0},
	reasonLoginTimeout:  {"login_timeout", cimpb.CodeLoginTimeout},
	reasonIdle:          {"idle_timeout", cimpb.CodeIdleTimeout},
	reasonFrameTimeout:  {"frame_timeout", cimpb.CodePartialFrame},
	reasonPartialBudget: {"partial_budget", cimpb.CodeBusy},
	reasonFrameTooLarge: {"frame_too_large", cimpb.CodeFrameTooLarge},
	reasonVarint:        {"bad_length", cimpb.CodeBadFrame},
	reasonEmptyFrame:    {"empty_frame", cimpb.CodeBadFrame},
	reasonUTF8:          {"bad_utf8", cimpb.CodeBadFrame},
	reasonMalformed:     {"malformed", cimpb.CodeBadFrame},
	reasonNotLogin:      {"login_required", cimpb.CodeLoginRequired},
	reasonBadLogin:      {"bad_login", cimpb.CodeBadLogin},
	reasonNoHello:       {"hello_required", cimpb.CodeHelloRequired},
	reasonVersion:       {"bad_version", cimpb.CodeBadVersion},
	reasonRefused:       {"refused", 0},
	reasonBusy:          {"busy", cimpb.CodeBusy},
	reasonClaimTimeout:  {"claim_timeout", cimpb.CodeStoreDown},
	reasonReplaced:      {"replaced", cimpb.CodeReplaced},
	reasonLoggedOut:     {"logged_out", cimpb.CodeLoggedOut},
	reasonDisabled:      {"account_disabled", cimpb.CodeAccountDisabled},
	reasonSessionLost:   {"session_lost", cimpb.CodeSessionLost},
	reasonMoved:         {"moved", cimpb.CodeMoved},
	reasonSlowReader:    {"slow_reader", cimpb.CodeSlowReader},
	reasonStopping:      {"stopping", cimpb.CodeStopping},
	reasonBadTLS:        {"bad_tls", 0}, // who hears nothing yet cannot be told
	reasonTLSTimeout:    {"tls_timeout", 0},
	reasonTLSBusy:       {"tls_busy", 0},
	reasonBadProxy:      {"bad_proxy", 0},
}

// String is the name that metrics use.
func (r Reason) String() string { return reasons[r].name }

// frameReason names what is wrong with a frame.
func frameReason(err error) Reason {
	switch {
	case errors.Is(err, frame.ErrTooLarge):
		return reasonFrameTooLarge
	case errors.Is(err, frame.ErrVarint):
		return reasonVarint
	case errors.Is(err, frame.ErrEmpty):
		return reasonEmptyFrame
	case errors.Is(err, frame.ErrUTF8):
		return reasonUTF8
	}
	return reasonMalformed
}
