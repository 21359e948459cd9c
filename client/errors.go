package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cim/client/routes"
	cimpb "cim/proto"
)

// Sentinels. Callers branch with errors.Is.
var (
	// ErrClosed: Close was called, or the server said not to come back; then the StatusError is wrapped too.
	ErrClosed = errors.New("the client is closed")
	// ErrDisconnected: there is no connection, or it was cut before a QoS 0 send was answered. It is not
	// repeated: that would make two of it.
	ErrDisconnected = errors.New("not connected; a QoS 0 message is not sent again")
	// ErrOutcomeUnknown: the message was sent and no answer came before the context ended, which is wrapped
	// too. To ask again without a second delivery, send with the same WithMessageID.
	ErrOutcomeUnknown = errors.New("no answer came in time; the message may have been delivered")
	// ErrNotSent: the context ended before the message was written to any connection.
	ErrNotSent = errors.New("the message was not sent")
	// ErrUnreachable: no route gave an answer; what kept each of them is wrapped too, as a *routes.Error.
	ErrUnreachable = errors.New("the route cannot be reached")
	// ErrDuplicateID: a message with this WithMessageID waits for its answer already.
	ErrDuplicateID = errors.New("a message with this id waits for its answer already")
)

// StatusError is an answer of the server or the route that is not the hoped-for one. Its text is the
// server's own sentence.
type StatusError struct {
	Code       cimpb.Code     // 0: the answer did not name one
	Text       string         // for a person
	RetryAfter time.Duration  // do not try again sooner; 0: not said
	Comeback   cimpb.Comeback // whether and how to connect again
	HTTPStatus int            // of an answer of the route; 0: the answer came over the connection

	offline bool // of a stored message: its receiver is
	doubt   bool // of an answer of a route: another one may have done it before
}

func (e *StatusError) Error() string {
	if e.Text != "" {
		return e.Text
	}
	return e.Code.String()
}

// Is makes errors.Is(err, &StatusError{Code: c}) true for every answer with that code.
func (e *StatusError) Is(target error) bool {
	t, ok := target.(*StatusError)
	return ok && t.Code == e.Code
}

// Retryable reports whether the same send may be repeated, with the same WithMessageID and not sooner than
// RetryAfter. SendTo does so by itself.
func (e *StatusError) Retryable() bool {
	switch e.Code {
	case cimpb.CodeOverloaded, cimpb.CodeRateLimited, cimpb.CodeStoreUnavailable:
		return true
	}
	return false
}

// CodeOf is the code of the StatusError in err, or 0.
func CodeOf(err error) cimpb.Code {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code
	}
	return 0
}

// refusal builds the error for a code that the client finds out by itself.
func refusal(code cimpb.Code) *StatusError {
	return &StatusError{Code: code, Text: code.Sentence(), Comeback: code.Comeback()}
}

// wrapStep names the step that failed, and leaves the server's own sentences alone.
func wrapStep(step string, err error) error {
	if _, ok := errors.AsType[*StatusError](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", step, err)
}

// gaveUp says what is known of a message whose context has ended; last is the latest refusal, if any.
func gaveUp(ctx context.Context, written bool, last error) error {
	what := ErrNotSent
	if written {
		what = ErrOutcomeUnknown
	}
	if last != nil {
		return fmt.Errorf("%w: %w (last answer: %w)", what, context.Cause(ctx), last)
	}
	return fmt.Errorf("%w: %w", what, context.Cause(ctx))
}

// unreachable makes an error of Do one of this package.
func unreachable(err error) error {
	if e, ok := errors.AsType[*routes.Error](err); ok {
		for i, f := range e.Failures {
			e.Failures[i].Err = ExplainTLS(f.Route, f.Err)
		}
	}
	return &unreachableError{err}
}

// unreachableError is ErrUnreachable with the text of its cause alone: the step that failed names the route.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string   { return e.cause.Error() }
func (e *unreachableError) Unwrap() []error { return []error{ErrUnreachable, e.cause} }
