package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	cimpb "cim/proto"
)

// api calls /v1 of a route.
type api struct {
	base   string // without a slash at its end
	access *access
	http   *http.Client
	own    bool // http was made here, and its idle connections are closed here
}

func newAPI(o Options) *api {
	a := &api{base: strings.TrimRight(o.Route, "/"), access: newAccess(o.Token), http: o.HTTP}
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
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the route %q is not a URL: %w", a.base, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return &unreachableError{ExplainTLS(a.base, unwrapURL(err))}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return readRefusal(resp, raw, time.Now())
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("the answer of %s%s is not what a route says; check the URL: %w", a.base, path, err)
	}
	return nil
}

// unwrapURL keeps the cause of a failed request: the step that is added to it names the route already.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// refusalBody is the error envelope of /v1.
type refusalBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// readRefusal never fails: a proxy between us and the route answers with pages of its own.
func readRefusal(resp *http.Response, raw []byte, now time.Time) *StatusError {
	e := &StatusError{HTTPStatus: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	var body refusalBody
	_ = json.Unmarshal(raw, &body)
	e.Text = body.Error.Message
	e.Code, _ = cimpb.ParseCode(body.Error.Code)
	e.Comeback = e.Code.Comeback()
	if e.Text == "" {
		e.Text = fmt.Sprintf("%s answered HTTP %d", resp.Request.URL.Redacted(), resp.StatusCode)
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
