package httpapi

import (
	"context"
	"errors"
	"net/http"

	cimpb "cim/proto"
	"cim/route"
)

// cimCode is a code of CIM's envelope (StatusEnum of crossoverJie/cim).
type cimCode string

const (
	cimSuccess    cimCode = "9000"
	cimFallback   cimCode = "8000"
	cimInvalid    cimCode = "3000"
	cimFailure    cimCode = "4000"
	cimRepeated   cimCode = "5000"
	cimLimited    cimCode = "6000"
	cimOffline    cimCode = "7000"
	cimNoServer   cimCode = "7100"
	cimMismatch   cimCode = "9100"
	cimStoreError cimCode = "9200"
	cimFetchError cimCode = "9201"
)

var cimMessages = map[cimCode]string{
	cimSuccess:    "Success",
	cimFallback:   "FALL_BACK",
	cimInvalid:    "invalid argument",
	cimFailure:    "Failure",
	cimRepeated:   "Repeat login, log out an account please!",
	cimLimited:    "Request limit, please try again later!",
	cimOffline:    "You selected user is offline!, please try again later!",
	cimNoServer:   "cim server is not available, please try again later!",
	cimMismatch:   "The User information you have used is incorrect!",
	cimStoreError: "offline message storage error",
	cimFetchError: "offline message fetch error",
}

// envelope is the answer of each of CIM's endpoints. Its SDK refuses fields that it does not know: add none.
type envelope struct {
	Code     cimCode `json:"code"`
	Message  string  `json:"message"`
	ReqNo    *string `json:"reqNo"`
	DataBody any     `json:"dataBody"`
}

// cimRefusal is a business error of CIM: HTTP 200 and a code.
type cimRefusal struct {
	code    cimCode
	message string // empty: CIM's own
}

func (r *cimRefusal) Error() string { return string(r.code) + " " + r.sentence() }

func (r *cimRefusal) sentence() string {
	if r.message == "" {
		return cimMessages[r.code]
	}
	return r.message
}

// cimSentinels is how CIM says what routing says. What is missing here is the fallback of the endpoint.
var cimSentinels = []struct {
	err  error
	code cimCode
}{
	{route.ErrUnknownUser, cimMismatch},
	{route.ErrNameMismatch, cimMismatch},
	{route.ErrHeld, cimRepeated},
	{route.ErrNoServer, cimNoServer},
	{route.ErrOffline, cimOffline},
	{route.ErrSlow, cimLimited},
	{route.ErrOverloaded, cimLimited},
}

// cimRefusalOf turns any error into CIM's terms; fallback is the endpoint's word for a broken store.
func cimRefusalOf(err error, fallback cimCode) *cimRefusal {
	var r *cimRefusal
	if errors.As(err, &r) {
		return r
	}
	for _, s := range cimSentinels {
		if errors.Is(err, s.err) {
			return &cimRefusal{code: s.code}
		}
	}
	switch f := failureOf(err); f.code {
	case cimpb.CodeBadRequest, cimpb.CodeTooLarge:
		return &cimRefusal{code: cimInvalid, message: f.sentence()}
	case cimpb.CodeInternal:
		return &cimRefusal{code: cimFallback}
	default:
		return &cimRefusal{code: fallback}
	}
}

// cimPost reads the body into In for h and answers with the dataBody that h returns. fallback is the code
// for a store that does not work.
func cimPost[In any](a *API, fallback cimCode, h func(context.Context, *In) (any, error)) func(*call) {
	return func(c *call) {
		in := new(In)
		err := decodeLoose(c.http.PostBody(), in)
		var data any
		if err == nil {
			data, err = h(c.ctx, in)
		}
		c.answerCIM(data, err, fallback)
	}
}

func (c *call) answerCIM(data any, err error, fallback cimCode) {
	if err == nil {
		c.writeJSON(http.StatusOK, envelope{Code: cimSuccess, Message: cimMessages[cimSuccess], DataBody: data})
		return
	}
	c.api.metrics.refuse(failureOf(err))
	r := cimRefusalOf(err, fallback)
	if r.code == cimFallback {
		c.defect(err)
	}
	c.writeJSON(http.StatusOK, envelope{Code: r.code, Message: r.sentence()})
}

// refuseCIM answers what never reached an endpoint; that is the only time that HTTP's status is not 200.
func (c *call) refuseCIM(f *failure) {
	c.api.metrics.refuse(f)
	code := cimInvalid
	switch f.code {
	case cimpb.CodeNotAllowed:
		code = cimFailure
	case cimpb.CodeInternal:
		code = cimFallback
	default:
	}
	c.writeJSON(f.httpStatus(), envelope{Code: code, Message: f.sentence()})
}
