package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"cim/route"
)

// reply is a successful answer of /v1.
type reply struct {
	status int
	body   any
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

type v1Error struct {
	Error v1ErrorBody `json:"error"`
}

type v1ErrorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// v1Post reads the body into In for h, refusing fields that In does not have.
func v1Post[In any](a *API, h func(*call, *In) (reply, error)) func(*call) {
	return func(c *call) {
		in := new(In)
		if err := decodeStrict(c.http.PostBody(), in); err != nil {
			c.refuseV1(failureOf(err))
			return
		}
		c.answerV1(h(c, in))
	}
}

// v1Act is a POST that says all in its path; a body may be missing.
func v1Act(a *API, h func(*call) (reply, error)) func(*call) {
	whole := v1Post(a, func(c *call, _ *struct{}) (reply, error) { return h(c) })
	return func(c *call) {
		if len(c.http.PostBody()) == 0 {
			c.answerV1(h(c))
			return
		}
		whole(c)
	}
}

func v1Get(a *API, h func(*call) (reply, error)) func(*call) {
	return func(c *call) { c.answerV1(h(c)) }
}

func (c *call) answerV1(r reply, err error) {
	if err != nil {
		c.defect(err)
		c.refuseV1(failureOf(err))
		return
	}
	c.writeJSON(r.status, r.body)
}

func (c *call) refuseV1(f *failure) {
	c.api.metrics.refuse(f)
	s := f.retryAfter
	if s == 0 {
		s = answers[f.code].retryAfter
	}
	if s != 0 {
		c.http.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(s))
	}
	if f.httpStatus() == http.StatusUnauthorized {
		c.http.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	}
	c.writeJSON(f.httpStatus(), v1Error{v1ErrorBody{Code: f.code.String(), Message: f.sentence()}})
}

// query is a parameter of the address, copied; there is whether it was given at all.
func (c *call) query(name string) (value string, there bool, err error) {
	args := c.http.QueryArgs()
	if !args.Has(name) {
		return "", false, nil
	}
	value = string(args.Peek(name))
	if !utf8.ValidString(value) {
		return "", true, badRequest("%q is not UTF-8.", name)
	}
	return value, true, nil
}

// limit is how many items the caller wants on a page.
func (c *call) limit() (int, error) {
	text, there, err := c.query("limit")
	if err != nil {
		return 0, err
	}
	most := c.api.cfg.Limits.Items
	if !there {
		return min(defaultPage, most), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, tooManyItems(`"limit" has to be between 1 and %d.`, most)
	}
	return n, nil
}

func checkID(field string, id int64) error {
	if id < 1 || id > route.MaxID {
		return badRequest("%q has to be between 1 and %d.", field, int64(route.MaxID))
	}
	return nil
}

// about says which part of a request an error is about.
func about(part string, err error) error {
	f := failureOf(err)
	return &failure{code: f.code, status: f.status, retryAfter: f.retryAfter, counter: f.counter, message: fmt.Sprintf("%s: %s", part, f.sentence()), cause: err}
}
