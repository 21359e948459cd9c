package httpapi

import (
	"bytes"
	"context"
	"time"

	"github.com/valyala/fasthttp"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

// Authenticator knows callers by what they send. Safe for concurrent use; *auth.Authority is one.
type Authenticator interface {
	// Caller says who sent a bearer token. Errors: auth.ErrUnauthorized, token.ErrExpired, route.ErrDisabled.
	Caller(ctx context.Context, bearer string) (auth.Caller, error)
	// Admit gives a user who has proved to be one what they connect with, not before that time, and call with.
	Admit(c route.Credentials, device, instance string, notBefore time.Time) (auth.Pass, error)
}

// access is who may call an endpoint.
type access uint8

const (
	accessOpen        access = iota // anyone
	accessRegister                  // anyone, or applications only: Config.ApplicationsRegister
	accessLogin                     // who proves in the request to be a user
	accessUser                      // users and applications
	accessApplication               // applications
	accessCIM                       // anyone, and only with Config.AuthCIM
)

var (
	errAuthCIM     = &failure{code: cimpb.CodeNotAllowed, message: "This server does not serve CIM's endpoints, which know no authentication; start it with --auth cim to have them."}
	errNoSecrets   = &failure{code: cimpb.CodeUnsupported, message: "This server runs with --auth cim, which knows no secrets; start it with --auth token to have them."}
	errApplication = &failure{code: cimpb.CodeNotAllowed, message: "Only an application may do this: send its key as Authorization: Bearer (cim up says where the key is)."}
	errAnother     = &failure{code: cimpb.CodeNotAllowed, message: "A user may do this for themselves only; an application may do it for any user."}
	errScheme      = &failure{code: cimpb.CodeUnauthorized, message: "The Authorization header has to be: Bearer, a space, and an access token or an application key."}
)

// authorize asks whether this caller may call at all, and notes who it is.
func (c *call) authorize(e *endpoint) *failure {
	switch {
	case e.access == accessOpen:
		return nil // who calls makes no difference, and a bad token must not fail a probe
	case c.api.cfg.AuthCIM && e.tokenOnly:
		return errNoSecrets
	case c.api.cfg.AuthCIM:
		c.caller = auth.Caller{Kind: auth.Application} // anyone may be anyone
		return nil
	case e.access == accessCIM:
		return errAuthCIM
	case e.access == accessLogin:
		return nil // the secret is in the body, or the endpoint asks for the caller
	}
	if f := c.identify(); f != nil {
		return f
	}
	return c.may(e.access)
}

// identify finds out who calls.
func (c *call) identify() *failure {
	bearer, f := bearerOf(&c.http.Request.Header)
	if f != nil || bearer == "" {
		return f
	}
	caller, err := c.api.cfg.Auth.Caller(c.ctx, bearer)
	if err != nil {
		c.defect(err)
		return failureOf(err)
	}
	c.caller = caller
	return nil
}

// bearerOf is the token of the Authorization header; empty when there is none.
func bearerOf(h *fasthttp.RequestHeader) (string, *failure) {
	header := h.Peek(fasthttp.HeaderAuthorization)
	if len(header) == 0 {
		return "", nil
	}
	scheme, token, _ := bytes.Cut(header, []byte{' '})
	token = bytes.TrimSpace(token)
	if !bytes.EqualFold(scheme, []byte("Bearer")) || len(token) == 0 {
		return "", errScheme
	}
	return string(token), nil
}

func (c *call) may(a access) *failure {
	applications := a == accessApplication || a == accessRegister && c.api.cfg.ApplicationsRegister
	switch {
	case c.caller.Kind == auth.Application, a == accessRegister && !applications:
		return nil
	case c.caller.Kind == auth.Anonymous:
		return &failure{code: cimpb.CodeUnauthorized}
	case applications:
		return errApplication
	}
	return nil
}

// asUser refuses a user who acts for another.
func (c *call) asUser(id int64) error {
	if c.caller.Kind == auth.User && c.caller.Account.ID != id {
		return errAnother
	}
	return nil
}
