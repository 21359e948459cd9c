package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
	"cim/route/token"
)

var (
	// ErrConfig is a Config that cannot work.
	ErrConfig = errors.New("httpapi: invalid configuration")
	// ErrClosed is Serve after Shutdown.
	ErrClosed = errors.New("httpapi: shut down")
)

// failure is an answer that is not the one that was asked for.
type failure struct {
	code    cimpb.Code
	status  int    // 0: as answers has it for code
	message string // for a person; empty: the sentence of code
	cause   error  // for the log; may be nil
	// retryAfter, in seconds, overrules what answers has for code.
	retryAfter int
	counter    string // its name among the refusals; empty: that of code
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.sentence() + " (" + f.cause.Error() + ")"
	}
	return f.sentence()
}

func (f *failure) Unwrap() error { return f.cause }

func (f *failure) sentence() string {
	if f.message == "" {
		return f.code.Sentence()
	}
	return f.message
}

func (f *failure) httpStatus() int {
	if f.status != 0 {
		return f.status
	}
	return answers[f.code].status
}

func badRequest(format string, args ...any) error {
	return &failure{code: cimpb.CodeBadRequest, message: fmt.Sprintf(format, args...)}
}

// tooManyItems refuses a list, in a request or asked for, that is over the limit.
func tooManyItems(format string, args ...any) error {
	return &failure{code: cimpb.CodeBadRequest, counter: reasonItems, message: fmt.Sprintf(format, args...)}
}

// refusals are the codes of answers to callers who may not or who have to wait; they are counted by reason. A failure
// that has a counter of its own is counted there instead.
var refusals = map[cimpb.Code]bool{
	cimpb.CodeUnauthorized: true, cimpb.CodeTokenExpired: true, cimpb.CodeBadCredentials: true, cimpb.CodeNotAllowed: true,
	cimpb.CodeAccountDisabled: true, cimpb.CodeNameTaken: true, cimpb.CodeNoServer: true, cimpb.CodeDuplicateSession: true,
	cimpb.CodeTooLarge: true, cimpb.CodeOverloaded: true, cimpb.CodeStoreUnavailable: true, cimpb.CodeDiskFull: true,
}

// Names of refusals that are counted apart from others of their code. docs/limits.md explains them.
const (
	reasonHost          = "host"
	reasonContentType   = "content_type"
	reasonBody          = "body_too_large"
	reasonHeader        = "header_too_large"
	reasonRead          = "read_timeout"
	reasonUnreadable    = "unreadable"
	reasonItems         = "too_many_items"
	reasonRateRegister  = "rate_limited_register"
	reasonRateBadLogins = "rate_limited_login"
	reasonRateLogins    = "rate_limited_user_login"
	reasonRateSends     = "rate_limited_send"
	reasonRateEveryone  = "rate_limited_everyone"
)

// reasons are all of them.
var reasons = []string{
	reasonHost, reasonContentType, reasonBody, reasonHeader, reasonRead, reasonUnreadable, reasonItems,
	reasonRateRegister, reasonRateBadLogins, reasonRateLogins, reasonRateSends, reasonRateEveryone,
}

// answer is how a code travels over HTTP.
type answer struct {
	status     int
	retryAfter int // seconds; 0: trying again would not help
}

// answers has each code that /v1 gives, as a whole answer or as the result of one receiver.
var answers = map[cimpb.Code]answer{
	cimpb.CodeWritten:          {status: http.StatusOK},
	cimpb.CodeStored:           {status: http.StatusOK},
	cimpb.CodeUnknownUser:      {status: http.StatusNotFound},
	cimpb.CodeUnknownAccount:   {status: http.StatusNotFound},
	cimpb.CodeOffline:          {status: http.StatusConflict},
	cimpb.CodeSlow:             {status: http.StatusConflict},
	cimpb.CodeInboxFull:        {status: http.StatusConflict},
	cimpb.CodeDuplicateSession: {status: http.StatusConflict},
	cimpb.CodeTooLarge:         {status: http.StatusRequestEntityTooLarge},
	cimpb.CodeBadRequest:       {status: http.StatusBadRequest},
	cimpb.CodeNotAllowed:       {status: http.StatusForbidden},
	cimpb.CodeUnsupported:      {status: http.StatusNotFound},
	cimpb.CodeOverloaded:       {status: http.StatusServiceUnavailable, retryAfter: 1},
	cimpb.CodeStoreUnavailable: {status: http.StatusServiceUnavailable, retryAfter: 1},
	cimpb.CodeNoServer:         {status: http.StatusServiceUnavailable, retryAfter: 2},
	cimpb.CodeDiskFull:         {status: http.StatusInsufficientStorage},
	cimpb.CodeUnauthorized:     {status: http.StatusUnauthorized},
	cimpb.CodeTokenExpired:     {status: http.StatusUnauthorized},
	cimpb.CodeBadCredentials:   {status: http.StatusUnauthorized},
	cimpb.CodeAccountDisabled:  {status: http.StatusForbidden},
	cimpb.CodeNameTaken:        {status: http.StatusConflict},
	cimpb.CodeRateLimited:      {status: http.StatusTooManyRequests, retryAfter: 1},
	cimpb.CodeInternal:         {status: http.StatusInternalServerError},
}

// sentinelCodes are looked through in order: an error may wrap several.
var sentinelCodes = []struct {
	err     error
	code    cimpb.Code
	message string
}{
	{auth.ErrUnauthorized, cimpb.CodeUnauthorized, "The credential does not count: log in again, or send the application key as it stands in its file."},
	{token.ErrExpired, cimpb.CodeTokenExpired, "The access token has expired; log in again."},
	{route.ErrBadCredentials, cimpb.CodeBadCredentials, ""},
	{route.ErrDisabled, cimpb.CodeAccountDisabled, ""},
	{route.ErrUnknownUser, cimpb.CodeUnknownUser, ""},
	{route.ErrNameMismatch, cimpb.CodeUnknownAccount, ""},
	{route.ErrInvalidName, cimpb.CodeBadRequest, "The name does not do: " + route.ErrInvalidName.Error() + "."},
	{route.ErrInvalidCursor, cimpb.CodeBadRequest, `"after" has to be the "next" of an earlier page.`},
	{route.ErrInvalidBody, cimpb.CodeBadRequest, "A message needs a text, a batch of texts or a payload, and only one of them."},
	{route.ErrHeld, cimpb.CodeDuplicateSession, ""},
	{route.ErrNoServer, cimpb.CodeNoServer, ""},
	{route.ErrInboxFull, cimpb.CodeInboxFull, ""},
	{route.ErrOffline, cimpb.CodeOffline, ""},
	{route.ErrSlow, cimpb.CodeSlow, ""},
	{route.ErrDiskFull, cimpb.CodeDiskFull, ""},
	{route.ErrOverloaded, cimpb.CodeOverloaded, ""},
	{route.ErrStoreUnavailable, cimpb.CodeStoreUnavailable, ""},
	{context.DeadlineExceeded, cimpb.CodeOverloaded, "The request took too long; try again in a moment."},
	{context.Canceled, cimpb.CodeOverloaded, "The server stops; try again in a moment."},
}

// failureOf turns any error into an answer. What it does not know is a defect: CodeInternal.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	for _, s := range sentinelCodes {
		if errors.Is(err, s.err) {
			return &failure{code: s.code, message: s.message}
		}
	}
	return &failure{code: cimpb.CodeInternal}
}
