package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	cimpb "cim/proto"
	"cim/route/auth"
)

// maxSegments is more than any path of the table has.
const maxSegments = 8

// call is one request on its way through the API. Bytes of http die with the handler: whatever is kept is
// copied by decoding JSON or by conversion to string.
type call struct {
	api   *API
	http  *fasthttp.RequestCtx
	ctx   context.Context
	route string // path of the endpoint, for metrics and logs
	style style
	param string // what {id} matched
	// caller is who calls, once authorize has said so.
	caller auth.Caller
}

// handle is the server's handler.
func (a *API) handle(rc *fasthttp.RequestCtx) {
	ctx, cancel := context.WithTimeout(a.base, a.cfg.Limits.Handle)
	defer cancel()
	c := &call{api: a, http: rc, ctx: ctx, route: "other"}
	defer func() { a.metrics.count(string(rc.Method()), c.route, rc.Response.StatusCode()) }()
	defer c.recoverPanic()
	methods := c.find(string(rc.Path()))
	e := methods[methodOf(rc)]
	if f := c.check(methods, e); f != nil {
		c.refuse(f)
		return
	}
	e.serve(c)
}

// methodOf takes HEAD for GET; fasthttp leaves the body out.
func methodOf(rc *fasthttp.RequestCtx) string {
	if rc.IsHead() {
		return get
	}
	return string(rc.Method())
}

// find looks up the methods of a path; none when there is no such path.
func (c *call) find(path string) map[string]*endpoint {
	c.style = styleV1
	methods := c.api.endpoints[path]
	if methods == nil {
		path, c.param = c.api.pattern(path)
		methods = c.api.endpoints[path]
	}
	for _, e := range methods {
		c.route, c.style = path, e.style
	}
	return methods
}

// check refuses what no endpoint should see, the cheapest reason first.
func (c *call) check(methods map[string]*endpoint, e *endpoint) *failure {
	if (e == nil || !e.anyHost) && !c.api.hosts.allow(c.http.Host()) {
		return errHost
	}
	if methods == nil {
		return errNoPath
	}
	if e == nil {
		c.http.Response.Header.Set(fasthttp.HeaderAllow, allowed(methods))
		return errMethod
	}
	if c.api.starting.Load() && e.style != styleOps {
		return errStarting
	}
	if f := c.authorize(e); f != nil {
		return f
	}
	if e.method == post && !e.own {
		return c.checkBody(e)
	}
	return nil
}

// pattern is the path in the table in which {id} stands for one segment of path, and that segment.
func (a *API) pattern(path string) (pattern, param string) {
	segments := strings.Split(path, "/")
	if len(segments) > maxSegments {
		return "", ""
	}
	for i := len(segments) - 1; i > 0; i-- {
		segment := segments[i]
		segments[i] = "{id}"
		if pattern = strings.Join(segments, "/"); segment != "" && a.endpoints[pattern] != nil {
			return pattern, segment
		}
		segments[i] = segment
	}
	return "", ""
}

func allowed(methods map[string]*endpoint) string {
	var names []string
	for m := range methods {
		names = append(names, m)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// recoverPanic keeps the process alive: fasthttp would let a panic end it.
func (c *call) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	c.api.log.Error("a handler panicked", "route", c.route, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	c.http.Response.Reset()
	c.refuse(&failure{code: cimpb.CodeInternal})
}

// refuse answers with f in the style of the endpoint, in whose place it speaks.
func (c *call) refuse(f *failure) {
	if c.style == styleCIM {
		c.refuseCIM(f)
		return
	}
	c.refuseV1(f)
}

// defect logs err if it is one, rather than a refusal that the caller understands.
func (c *call) defect(err error) {
	if failureOf(err).code == cimpb.CodeInternal {
		c.api.log.Error("a request failed", "route", c.route, "err", err)
	}
}

// unreadable answers a request that did not arrive whole; the connection is closed after it.
func (a *API) unreadable(rc *fasthttp.RequestCtx, err error) {
	ctx, cancel := context.WithTimeout(a.base, a.cfg.Limits.Handle)
	defer cancel()
	c := &call{api: a, http: rc, ctx: ctx, route: "other"}
	methods := c.find(string(rc.Path()))
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	f := &failure{code: cimpb.CodeBadRequest, counter: reasonUnreadable, message: "This is not an HTTP request that can be read."}
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		f = c.refuseLarge(methods[methodOf(rc)])
	case errors.As(err, &small):
		f = &failure{code: cimpb.CodeTooLarge, status: http.StatusRequestHeaderFieldsTooLarge, counter: reasonHeader, message: "The request's header is too large."}
	case errors.As(err, &timeout) && timeout.Timeout():
		f = &failure{code: cimpb.CodeBadRequest, status: http.StatusRequestTimeout, counter: reasonRead, message: "The request did not arrive in time."}
	}
	c.refuse(f)
	a.metrics.count(string(rc.Method()), c.route, rc.Response.StatusCode())
}

// writeJSON encodes v without escaping HTML and without a newline at the end, as CIM does.
func (c *call) writeJSON(status int, v any) {
	var buf bytes.Buffer
	if err := encodeJSON(&buf, v); err != nil {
		panic(fmt.Sprintf("an answer cannot be encoded: %v", err))
	}
	c.http.Response.Header.SetContentType("application/json")
	c.http.SetStatusCode(status)
	c.http.Response.SetBodyRaw(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}))
}
