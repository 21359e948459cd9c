package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Request is one call of a route's HTTP API.
type Request struct {
	Method, Path string
	Body         []byte // JSON; nil: none
	Bearer       string // the credential; empty: none

	// Once says that executing it twice is not executing it once: what may have been executed goes to no other route.
	Once bool
	// Insist asks another route also when one answers that it cannot do it now (HTTP 503), for a caller who would not
	// come again. Where nobody can, the last of those answers counts.
	Insist bool
}

// Answer is what a route said, whatever that is.
type Answer struct {
	URL    string // that answered, without a password
	Status int
	Header http.Header
	Body   []byte
	// Doubt says that another route was asked before, and may have executed the request too.
	Doubt bool
}

// OK reports whether the route did what it was asked to do.
func (a *Answer) OK() bool { return a.Status/100 == 2 }

// Do has one of the routes answer. It begins with the one that answered last and goes on to the others, each at most
// once, while there is none: no connection comes about, it breaks, no answer comes within a share of the time, or a
// proxy answers that there is no route behind it (502, 503 and 504 without the error of /v1 in it). A refusal is an
// answer. After one that says that this route cannot do it now (503), the next Do begins with the next route, so that
// nobody who tries again stays with a route that is cut off from its store or from the servers; asking all of them at
// once would only multiply the requests of a cluster that has too many.
// Errors: *Error.
func (l *List) Do(ctx context.Context, c *http.Client, r Request) (*Answer, error) {
	var failed []Failure
	var declined *Answer
	first := int(l.current.Load())
	for n := range l.urls {
		at := (first + n) % len(l.urls)
		left := len(l.urls) - 1 - n
		a, f := l.attempt(ctx, c, r, at, left)
		switch {
		case f != nil:
			failed = append(failed, *f)
		case r.Insist && !r.Once && left > 0 && a.Status == http.StatusServiceUnavailable:
			declined = a
			continue
		default:
			l.settle(at, a)
			a.Doubt = declined != nil || anySent(failed)
			return a, nil
		}
		if ctx.Err() != nil || r.Once && f.Sent {
			break
		}
	}
	if declined != nil {
		return declined, nil
	}
	return nil, &Error{failed}
}

// settle remembers whom to ask next time.
func (l *List) settle(at int, a *Answer) {
	if a.Status == http.StatusServiceUnavailable {
		at = (at + 1) % len(l.urls)
	}
	l.current.Store(int64(at))
}

// attempt asks one route; left others can be asked after it.
func (l *List) attempt(ctx context.Context, c *http.Client, r Request, at, left int) (*Answer, *Failure) {
	base := l.base(at)
	w := newWatch(ctx, left, r.Once)
	defer w.end()
	a, err := r.send(w.ctx, c, base)
	switch {
	case err != nil:
		return nil, &Failure{Route: base, Sent: w.sent(err), Err: withoutURL(err)}
	case len(l.urls) > 1 && a.ofProxy():
		return nil, &Failure{Route: base, Sent: a.Status != http.StatusServiceUnavailable, Err: fmt.Errorf("HTTP %d", a.Status)}
	}
	return a, nil
}

func (r *Request) send(ctx context.Context, c *http.Client, base string) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", r.Path, err)
	}
	return &Answer{URL: req.URL.Redacted(), Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// ofProxy reports whether somebody says that there is no route behind them.
func (a *Answer) ofProxy() bool {
	switch a.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return false
	}
	var own struct {
		Error struct{ Code string }
	}
	return json.Unmarshal(a.Body, &own) != nil || own.Error.Code == ""
}
