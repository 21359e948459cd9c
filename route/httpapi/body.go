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

// limitBody is the server's hook between a header and its body.
func (a *API) limitBody(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	const chunked = -1
	n := h.ContentLength()
	if n <= anonymousBody && n != chunked || a.mayBeLarge(h) {
		return fasthttp.RequestConfig{} // as the server has it
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: anonymousBody}
}

// mayBeLarge reports whether the sender of a header is known, or need not be.
func (a *API) mayBeLarge(h *fasthttp.RequestHeader) bool {
	if a.cfg.AuthCIM || a.cfg.Cluster != nil && string(h.RequestURI()) == clusterPath {
		return true
	}
	bearer, f := bearerOf(h)
	if f != nil || bearer == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(a.base, a.cfg.Limits.Handle)
	defer cancel()
	caller, err := a.cfg.Auth.Caller(ctx, bearer)
	return err == nil && caller.Kind != auth.Anonymous
}

// refuseLarge answers a body that was not read. Who may not call at all hears that: the size is not what is wrong.
func (c *call) refuseLarge(e *endpoint) *failure {
	if e != nil {
		if f := c.authorize(e); f != nil {
			return f
		}
	}
	if c.api.mayBeLarge(&c.http.Request.Header) {
		return c.bodyTooLarge()
	}
	return &failure{
		code: cimpb.CodeTooLarge, counter: reasonBody,
		message: fmt.Sprintf("Without a credential, a body may have %d bytes; log in, or send an application key, as Authorization: Bearer.", anonymousBody),
	}
}
