package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	httpTimeout    = 30 * time.Second
	maxAnswer      = 4 << 20
	accountsACall  = 1000
	deviceName     = "bench"
	accountsKind   = "device"
	protocolNumber = 1
)

// routeClient calls a route's /v1 over a bounded number of connections that stay open. Safe for concurrent
// use.
type routeClient struct {
	base string
	key  string // of the application; empty: the route asks for none, or this is a worker's
	http *http.Client
}

// newRouteClient takes the address of a route and the number of HTTP connections to it. No proxy of the
// environment comes between: it would be what is measured.
func newRouteClient(base, key string, conns int) *routeClient {
	return &routeClient{
		base: strings.TrimRight(base, "/"), key: key,
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

// metrics reads the route's /metrics.
func (r *routeClient) metrics(ctx context.Context) (map[string]float64, error) {
	text, err := r.call(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return parseMetrics(text), nil
}

func (r *routeClient) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	text, err := r.call(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s%s does not answer as a route: %w", r.base, path, err)
	}
	return nil
}

// call makes one request. Errors: *refusedError.
func (r *routeClient) call(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, readRefusal(resp.StatusCode, text)
	}
	return text, nil
}

// readRefusal takes what it can from an answer that may be some proxy's.
func readRefusal(status int, text []byte) error {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &body)
	return &refusedError{status: status, code: body.Error.Code, message: body.Error.Message}
}
