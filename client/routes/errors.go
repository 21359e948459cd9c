package routes

import (
	"errors"
	"net/url"
	"strings"
)

// Failure is why one route gave no answer.
type Failure struct {
	Route string // its base URL, without a slash at the end
	Sent  bool   // the request may have arrived, and have been executed
	Err   error
}

// Error says that none of the routes that were asked gave an answer.
type Error struct{ Failures []Failure }

// Error is the cause alone where one route was asked, for it is known which; else it names each with its cause.
func (e *Error) Error() string {
	if len(e.Failures) == 1 {
		return e.Failures[0].Err.Error()
	}
	all := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		if all[i] = f.Err.Error(); !strings.Contains(all[i], f.Route) {
			all[i] = f.Route + ": " + all[i]
		}
	}
	return strings.Join(all, "; ")
}

// Unwrap returns the cause of each failure.
func (e *Error) Unwrap() []error {
	all := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		all[i] = f.Err
	}
	return all
}

// Sent reports whether any of the routes may have executed the request.
func (e *Error) Sent() bool { return anySent(e.Failures) }

func anySent(failed []Failure) bool {
	for _, f := range failed {
		if f.Sent {
			return true
		}
	}
	return false
}

// withoutURL keeps the cause of a failed request: the failure names the route already.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
