package httpapi

import (
	"context"
	"fmt"

	"github.com/valyala/fasthttp"

	cimpb "cim/proto"
	"cim/route/auth"
)

// anonymousBody is how much is read of a body before it is known whose it is: a name and a secret are less. fasthttp takes
// the memory that a header announces before a byte of the body has come, so a thousand connections that say "2 MiB"
// and nothing more would hold 2 GiB.
const anonymousBody = 16 << 10

// userBody is the same for a user, of whom there may be as many as like to register: 1,000 receivers and a text whose every
// byte is written as \u0000 are less. Applications have Limits.Body.
const userBody = 512 << 10

// limitBody is the server's hook between a header and its body.
func (a *API) limitBody(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	const chunked = -1
	if n := h.ContentLength(); n <= anonymousBody && n != chunked {
		return fasthttp.RequestConfig{} // as the server has it
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: a.bodyOf(h)}
}

// bodyOf is what the sender of a header may send; 0 is what the server's limit allows.
func (a *API) bodyOf(h *fasthttp.RequestHeader) int {
	if a.cfg.AuthCIM || a.cfg.Cluster != nil && string(h.RequestURI()) == clusterPath {
		return 0
	}
	bearer, f := bearerOf(h)
	if f != nil || bearer == "" {
		return anonymousBody
	}
	ctx, cancel := context.WithTimeout(a.base, a.cfg.Limits.Handle)
	defer cancel()
	caller, err := a.cfg.Auth.Caller(ctx, bearer)
	switch {
	case err != nil || caller.Kind == auth.Anonymous:
		return anonymousBody
	case caller.Kind == auth.User:
		return min(userBody, a.cfg.Limits.Body)
	}
	return 0
}

// refuseLarge answers a body that was not read. Who may not call at all hears that: the size is not what is wrong.
func (c *call) refuseLarge(e *endpoint) *failure {
	if e != nil {
		if f := c.authorize(e); f != nil {
			return f
		}
	}
	switch n := c.api.bodyOf(&c.http.Request.Header); n {
	case 0:
		return c.bodyTooLarge()
	case anonymousBody:
		return &failure{
			code: cimpb.CodeTooLarge, counter: reasonBody,
			message: fmt.Sprintf("Without a credential, a body may have %d bytes; log in, or send an application key, as Authorization: Bearer.", n),
		}
	default:
		return &failure{code: cimpb.CodeTooLarge, counter: reasonBody, message: fmt.Sprintf("A user's body may have %d bytes; send less at a time.", n)}
	}
}
