package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"cim/client"
	"cim/client/routes"
	cimpb "cim/proto"
)

const (
	itemsACall  = 1000                   // accounts or receivers in one request, as a route takes them
	callTries   = 5                      // of one request
	callPause   = 200 * time.Millisecond // before the second try; it doubles
	callPatient = 30 * time.Second       // no longer is waited for what Retry-After asks
	callTimeout = 30 * time.Second       // of one try
	maxKeyFile  = 4 << 10                // bytes; a key has 48
)

// applicationFlags say which route to call, and as whom.
type applicationFlags struct {
	Route   routeURLs `help:"Base URL of a route, or of several of one cluster with commas between them: when one gives no answer, the next is asked." default:"http://127.0.0.1:8083"`
	KeyFile string    `name:"key-file" help:"File with the application key: application.key in the data folder of the route. Routes with --auth cim need none." placeholder:"FILE" type:"path"`
	clientTLSFlags
}

func (f *applicationFlags) check() error {
	return firstOf(f.Route.check(), f.clientTLSFlags.check(f.Route))
}

// open reads the key.
func (f *applicationFlags) open() (*application, error) {
	key, err := readKeyFile(f.KeyFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = f.config(f.Route); err != nil {
		return nil, err
	}
	return &application{
		routes: f.Route.list(), key: key, pause: waitAWhile, trust: f.clientTLSFlags,
		http: &http.Client{Timeout: callTimeout, Transport: transport},
	}, nil
}

// readKeyFile takes an application key from a file; no file is no key.
func readKeyFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := readSmallFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("--key-file %s is missing: cim up makes cim-data/application.key, and a route of a cluster makes application.key beside its secret file", path)
	}
	if err != nil {
		return "", fmt.Errorf("--key-file: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("--key-file %s holds no application key", path)
	}
	return key, nil
}

// readSmallFile reads a file with a key or a secret.
func readSmallFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// application calls /v1 of one of the routes as a back end does.
type application struct {
	routes *routes.List
	key    string
	http   *http.Client
	trust  clientTLSFlags                             // as http has it
	pause  func(context.Context, time.Duration) error // between tries
}

func waitAWhile(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// repeating says whether a request may be sent again, to the same route or another, when its answer was lost.
type repeating bool

const (
	onceOnly repeating = false
	asOften  repeating = true // doing it twice is doing it once
)

// errNoAnswer: the request was sent, and what became of it is not known.
var errNoAnswer = errors.New("no answer came")

// post makes one request and tries again while no route can be reached, or the one that answers is busy.
// Errors: *client.StatusError; client.ErrUnreachable; errNoAnswer.
func (a *application) post(ctx context.Context, path string, in, out any, r repeating) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	q := routes.Request{Method: http.MethodPost, Path: path, Body: body, Bearer: a.key, Once: r == onceOnly}
	return a.try(ctx, r, func() error { return a.once(ctx, q, out) })
}

func (a *application) get(ctx context.Context, path string, out any) error {
	q := routes.Request{Method: http.MethodGet, Path: path, Bearer: a.key}
	return a.try(ctx, asOften, func() error { return a.once(ctx, q, out) })
}

func (a *application) try(ctx context.Context, r repeating, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == callTries || ctx.Err() != nil || !worthAnother(err, r) {
			return err
		}
		if a.pause(ctx, pauseAfter(n, err)) != nil {
			return err
		}
	}
}

func worthAnother(err error, r repeating) bool {
	if onlyTLS(err) {
		return false // it would be the same
	}
	if e, ok := errors.AsType[*client.StatusError](err); ok {
		return e.HTTPStatus == http.StatusServiceUnavailable || e.HTTPStatus == http.StatusTooManyRequests
	}
	return errors.Is(err, client.ErrUnreachable) || bool(r) && errors.Is(err, errNoAnswer)
}

// pauseAfter is what the route asked for, or a random part of a time that doubles; the jitter keeps scripts
// apart that were refused together.
func pauseAfter(n int, err error) time.Duration {
	d := callPause << (n - 1)
	if e, ok := errors.AsType[*client.StatusError](err); ok && e.RetryAfter > 0 {
		return min(e.RetryAfter, callPatient) + rand.N(d)
	}
	return d/2 + rand.N(d/2)
}

// once makes one try.
func (a *application) once(ctx context.Context, q routes.Request, out any) error {
	answer, err := a.routes.Do(ctx, a.http, q)
	if err != nil {
		return a.failed(err)
	}
	if !answer.OK() {
		return a.refused(answer)
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%s does not answer as a route; check --route: %w", answer.URL, err)
	}
	return nil
}

// failed tells a request that did not leave from one that may have arrived.
func (a *application) failed(err error) error {
	e, ok := errors.AsType[*routes.Error](err)
	if !ok {
		return err
	}
	if e, _ = a.trust.advised(e); e.Sent() {
		advice := ""
		if len(e.Failures) == 1 && speaksNoHTTP(e.Failures[0].Err) {
			advice = "; what answers there may be no route"
		}
		return fmt.Errorf("%w from %s (%s)%s", errNoAnswer, a.routes, e.Error(), advice) // another route may be a client.ErrUnreachable
	}
	return a.trust.explain(err)
}

// refused reads the error envelope of /v1, or does without: a proxy answers with pages of its own.
func (a *application) refused(answer *routes.Answer) error {
	var body struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(answer.Body, &body)
	e := &client.StatusError{HTTPStatus: answer.Status, Text: body.Error.Message}
	e.Code, _ = cimpb.ParseCode(body.Error.Code)
	if s, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	switch {
	case e.Code == cimpb.CodeUnauthorized && a.key == "":
		e.Text = "This route asks for an application key: give the file that holds it with --key-file."
	case e.Code == cimpb.CodeUnauthorized:
		e.Text = "The route does not know this application key: give the file of its own with --key-file."
	case e.Text == "":
		e.Text = fmt.Sprintf("%s answered HTTP %d", answer.URL, answer.Status)
	}
	return e
}

// account finds who is meant by an id or a name. Errors: StatusError with CodeUnknownUser.
func (a *application) account(ctx context.Context, who string) (int64, error) {
	if id, ok := accountID(who); ok {
		return id, nil
	}
	var found struct {
		UserID int64 `json:"user_id"`
	}
	err := a.get(ctx, "/v1/accounts?"+url.Values{"name": {who}}.Encode(), &found)
	return found.UserID, err
}
