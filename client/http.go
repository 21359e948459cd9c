package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cim/client/routes"
	cimpb "cim/proto"
)

// api calls /v1 of one of the routes. Each call here is one that may be made twice, so another route is asked whenever
// one gives no answer: GETs change nothing, a log-in that nobody uses costs a place that comes free by itself, and an
// account is made once, whoever asks (only its secret is lost with an answer: see Client.nameTaken).
type api struct {
	routes *routes.List
	access *access
	http   *http.Client
	own    bool // http was made here, and its idle connections are closed here

	// insist, while nobody else has the client: a route that cannot do it now is not the last that is asked.
	insist bool
}

// newAPI is for Options that were validated.
func newAPI(o Options) *api {
	a := &api{routes: routes.MustParse(o.Route), access: newAccess(o.Token), http: o.HTTP}
	if a.http == nil {
		a.own = true
		a.http = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: o.Dialer, TLSClientConfig: o.TLS, IdleConnTimeout: 30 * time.Second,
		}}
	}
	return a
}

func (a *api) close() {
	if a.own {
		a.http.CloseIdleConnections()
	}
}

func (a *api) get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return a.call(ctx, http.MethodGet, path, nil, out)
}

func (a *api) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the request to %s: %w", path, err)
	}
	return a.call(ctx, http.MethodPost, path, body, out)
}

// call makes one request as the user, with a new access token where the old one no longer counts.
// Errors: as once.
func (a *api) call(ctx context.Context, method, path string, body []byte, out any) error {
	token, err := a.access.bearer(ctx)
	if err != nil {
		return err
	}
	err = a.once(ctx, method, path, token, body, out)
	if !a.access.refused(token, err) {
		return err
	}
	if token, err = a.access.bearer(ctx); err != nil {
		return err
	}
	return a.once(ctx, method, path, token, body, out)
}

// once makes one request. Errors: *StatusError for every answer that is not a 2xx; ErrUnreachable.
func (a *api) once(ctx context.Context, method, path, token string, body []byte, out any) error {
	answer, err := a.routes.Do(ctx, a.http, routes.Request{Method: method, Path: path, Body: body, Bearer: token, Insist: a.insist})
	if err != nil {
		return unreachable(err)
	}
	if !answer.OK() {
		return readRefusal(answer, time.Now())
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("the answer of %s is not what a route says; check the URL: %w", answer.URL, err)
	}
	return nil
}

// where names the route that a step went to; of several it is not known.
func (a *api) where() string {
	if all := a.routes.URLs(); len(all) == 1 {
		return all[0]
	}
	return "one of the routes"
}

// refusalBody is the error envelope of /v1.
type refusalBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// readRefusal never fails: a proxy between us and the route answers with pages of its own.
func readRefusal(a *routes.Answer, now time.Time) *StatusError {
	e := &StatusError{HTTPStatus: a.Status, RetryAfter: retryAfter(a.Header.Get("Retry-After"), now), doubt: a.Doubt}
	var body refusalBody
	_ = json.Unmarshal(a.Body, &body)
	e.Text = body.Error.Message
	e.Code, _ = cimpb.ParseCode(body.Error.Code)
	e.Comeback = e.Code.Comeback()
	if e.Text == "" {
		e.Text = fmt.Sprintf("%s answered HTTP %d", a.URL, a.Status)
	}
	return e
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// serverPlace is where /v1/login sends a client.
type serverPlace struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Instance string `json:"instance"`
	TLS      bool   `json:"tls"`
}

func (p serverPlace) addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

type registerAnswer struct {
	Account
	Secret string `json:"secret"` // empty: the route asks for none, or the account was there before
}

type loginRequest struct {
	UserID int64  `json:"user_id,omitempty"`
	Name   string `json:"name,omitempty"`
	Secret string `json:"secret,omitempty"`
	Device string `json:"device"`
}

type loginAnswer struct {
	UserID          int64       `json:"user_id"`
	Name            string      `json:"name"`
	Server          serverPlace `json:"server"`
	Ticket          string      `json:"ticket"`
	NotBeforeMs     int64       `json:"not_before_ms"`     // the server takes nobody earlier
	AccessToken     string      `json:"access_token"`      // empty: the route asks for none
	AccessExpiresIn int64       `json:"access_expires_in"` // seconds

	notBefore time.Time // when NotBeforeMs have passed
}
