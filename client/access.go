package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// access is the token that calls of /v1 show. The route gives one at each log-in, for a quarter of an hour.
type access struct {
	renew  func(context.Context) error // logs in, which calls set; nil: there is no secret to do it with
	turnCh chan struct{}               // holds one: who has it logs in, and the others wait for that

	mu    sync.Mutex
	token string    // empty: none is asked for
	due   time.Time // when it is renewed; zero: never
}

func newAccess(token string) *access {
	return &access{token: token, turnCh: make(chan struct{}, 1)}
}

// set takes a token and how long it lives; it is renewed a tenth of that before its end.
func (x *access) set(token string, lives time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.token, x.due = token, time.Time{}
	if lives > 0 {
		x.due = time.Now().Add(lives - lives/10)
	}
}

// current is the token, and whether it still does.
func (x *access) current() (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.token, x.due.IsZero() || time.Now().Before(x.due)
}

// bearer is the token to show, renewed where that is due. One caller renews it for all.
func (x *access) bearer(ctx context.Context) (string, error) {
	if token, ok := x.current(); ok || x.renew == nil {
		return token, nil
	}
	select {
	case x.turnCh <- struct{}{}:
		defer func() { <-x.turnCh }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if token, ok := x.current(); ok {
		return token, nil
	}
	if err := x.renew(ctx); err != nil {
		return "", err
	}
	token, _ := x.current()
	return token, nil
}

// refused reports whether err says that the token does not count, and another can be had.
func (x *access) refused(token string, err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	if !ok || e.HTTPStatus != http.StatusUnauthorized || x.renew == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.token == token { // else somebody has renewed it meanwhile
		x.due = time.Unix(1, 0)
	}
	return true
}
