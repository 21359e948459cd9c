package bench

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"cim/client/routes"
	cimpb "cim/proto"
)

const (
	httpTimeout    = 30 * time.Second
	accountsACall  = 1000
	deviceName     = "bench"
	accountsKind   = "device"
	protocolNumber = 1
)

// routeClient calls /v1 of one of the routes, over a bounded number of connections that stay open. All that it asks for
// may be done twice: a secret that was lost with an answer is replaced. Safe for concurrent use.
type routeClient struct {
	routes *routes.List
	key    string // of the application; empty: the route asks for none, or this is a worker's
	http   *http.Client
}

// newRouteClient takes the addresses of routes, which were validated, and the number of HTTP connections to each. No
// proxy of the environment comes between: it would be what is measured.
func newRouteClient(list, key string, conns int) *routeClient {
	return &routeClient{
		routes: routes.MustParse(list), key: key,
		http: &http.Client{
			Timeout:   httpTimeout,
			Transport: &http.Transport{MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns},
		},
	}
}

// trusting has the client speak TLS as cfg says where the URL is https.
func (r *routeClient) trusting(cfg *tls.Config) *routeClient {
	r.http.Transport.(*http.Transport).TLSClientConfig = cfg
	return r
}

// from shares the connections of r, and begins with the i-th route, counted round.
func (r *routeClient) from(i int) *routeClient {
	return &routeClient{routes: r.routes.From(i), key: r.key, http: r.http}
}

func (r *routeClient) close() { r.http.CloseIdleConnections() }

// refusedError is an answer of the route that is not a 2xx.
type refusedError struct {
	status        int
	code, message string
}

func (e *refusedError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("the route answered HTTP %d", e.status)
	}
	return e.message
}

type newAccount struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// account is who logs in, and with what.
type account struct {
	UserID int64  `json:"user_id"`
	Secret string `json:"secret,omitempty"` // empty: the route asks for none
}

// register makes the accounts that do not exist yet, and returns all in the order of names: at most
// accountsACall of them.
func (r *routeClient) register(ctx context.Context, names []string) ([]account, error) {
	in := struct {
		Accounts []newAccount `json:"accounts"`
	}{make([]newAccount, len(names))}
	for i, name := range names {
		in.Accounts[i] = newAccount{name, accountsKind}
	}
	var out struct {
		Accounts []account `json:"accounts"`
	}
	if err := r.post(ctx, "/v1/accounts", in, &out); err != nil {
		return nil, fmt.Errorf("register accounts: %w", err)
	}
	if len(out.Accounts) != len(names) {
		return nil, fmt.Errorf("register accounts: %d were asked for and %d came", len(names), len(out.Accounts))
	}
	for i, a := range out.Accounts {
		if a.UserID == 0 { // the route made some and not others
			return nil, fmt.Errorf("register accounts: %s was not made; run it again when the store works", names[i])
		}
	}
	return out.Accounts, r.replaceSecrets(ctx, out.Accounts)
}

// replaceSecrets gives a secret to accounts of an earlier run: nobody has theirs any more.
func (r *routeClient) replaceSecrets(ctx context.Context, accounts []account) error {
	for i := range accounts {
		a := &accounts[i]
		if r.key == "" || a.Secret != "" {
			continue
		}
		err := r.post(ctx, fmt.Sprintf("/v1/accounts/%d/secret", a.UserID), struct{}{}, a)
		if refused, ok := errors.AsType[*refusedError](err); ok && refused.status == http.StatusNotFound {
			return nil // a route that asks for no secrets has none to give
		}
		if err != nil {
			return fmt.Errorf("replace the secret of an account: %w", err)
		}
	}
	return nil
}

// place is where a device connects, and what it shows there.
type place struct {
	NotBeforeMs int64 `json:"not_before_ms"` // the server takes nobody earlier

	Server struct {
		Host string `json:"host"`
		Port int    `json:"port"`
		TLS  bool   `json:"tls"`
	} `json:"server"`
	Ticket string `json:"ticket"`
}

func (p place) addr() string { return net.JoinHostPort(p.Server.Host, strconv.Itoa(p.Server.Port)) }

// await lets the time pass until the server takes the device. Nobody else's turn comes meanwhile: the server
// would tell them to come later still.
func (p place) await(ctx context.Context) error {
	if p.NotBeforeMs <= 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(p.NotBeforeMs) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// login returns when the device may connect.
func (r *routeClient) login(ctx context.Context, a account) (place, error) {
	in := struct {
		account
		Device string `json:"device"`
	}{a, deviceName}
	var p place
	if err := r.post(ctx, "/v1/login", in, &p); err != nil {
		return place{}, fmt.Errorf("log in: %w", err)
	}
	return p, p.await(ctx)
}

// metrics reads /metrics of the first route: those of another process would not go on from them.
func (r *routeClient) metrics(ctx context.Context) ([]byte, error) {
	first := &routeClient{routes: r.routes.First(), key: r.key, http: r.http}
	answer, err := first.call(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return answer.Body, nil
}

func (r *routeClient) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := r.call(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%s does not answer as a route: %w", answer.URL, err)
	}
	return nil
}

// call makes one request. Errors: *refusedError; *routes.Error.
func (r *routeClient) call(ctx context.Context, method, path string, body []byte) (*routes.Answer, error) {
	answer, err := r.routes.Do(ctx, r.http, routes.Request{Method: method, Path: path, Body: body, Bearer: r.key})
	switch {
	case err != nil && len(r.routes.URLs()) == 1:
		return nil, fmt.Errorf("%s: %w", r.routes, err)
	case err != nil:
		return nil, err
	case !answer.OK():
		return nil, r.refused(answer)
	}
	return answer, nil
}

// refused names the flag where the route asks for a key.
func (r *routeClient) refused(a *routes.Answer) error {
	e := readRefusal(a.Status, a.Body)
	switch {
	case e.code != cimpb.CodeUnauthorized.String():
	case r.key == "":
		e.message = "This route asks for an application key: give the file that holds it with --key-file."
	default:
		e.message = "The route does not know this application key: give the file of its own with --key-file."
	}
	return e
}

// readRefusal takes what it can from an answer that may be some proxy's.
func readRefusal(status int, text []byte) *refusedError {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &body)
	return &refusedError{status: status, code: body.Error.Code, message: body.Error.Message}
}
