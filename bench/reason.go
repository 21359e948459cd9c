package bench

import (
	"errors"
	"strconv"

	cimpb "cim/proto"
)

// Reasons of a dropped connection besides the codes that a server gives in ERROR, KICK and MOVE, those of a
// refused login (login_CODE) and the names of system errors.
const (
	reasonEOF            = "eof"             // closed by the peer without a word
	reasonReset          = "reset"           // the peer reset it
	reasonRefused        = "connect_refused" // nobody listens
	reasonConnectTimeout = "connect_timeout"
	reasonNoWelcome      = "no_welcome"   // connected, and WELCOME did not come in time
	reasonNoPort         = "no_port"      // no local port is free
	reasonNoFiles        = "no_files"     // the limit of open files
	reasonBadFrame       = "bad_frame_in" // the server's bytes are not frames
	reasonWriteBlocked   = "write_blocked"
	reasonLoginFailed    = "login_failed" // no answer of /v1/login
	reasonTLS            = "tls_failed"   // the two sides do not agree on TLS, or the certificate is not trusted
	reasonWorkerDied     = "worker_died"
	reasonNotTried       = "not_tried" // the worker ended before its turn
)

// connectError is why a connection did not come about that was made together with its login.
type connectError struct {
	reason string
	cause  error
}

func (e *connectError) Error() string { return e.cause.Error() }
func (e *connectError) Unwrap() error { return e.cause }

// loginReason names why a route gave no server.
func loginReason(err error) string {
	if e, ok := errors.AsType[*connectError](err); ok {
		return e.reason
	}
	var refused *refusedError
	switch {
	case !errors.As(err, &refused):
		return reasonLoginFailed
	case refused.code == "":
		return "login_http_" + strconv.Itoa(refused.status)
	}
	return "login_" + refused.code
}

// codeReason names what the server said before it closed.
func codeReason(c cimpb.Code) string { return c.String() }
