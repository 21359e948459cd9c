package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"cim/client/routes"
)

// Limits, each with its reason.
const (
	maxFrame        = 1<<20 + 64<<10         // largest frame taken from a server: 1 MiB of content and room around it
	maxDevice       = 64                     // bytes, as the wire says
	queueMessages   = 1024                   // messages between reader and Handler
	queueBytes      = 8 << 20                // and what they may weigh, so that 1,024 large ones do not take 1 GiB
	ackEvery        = 64                     // an ACK for so many handled messages,
	ackWithin       = 20 * time.Millisecond  // or after so long
	pongWithin      = 10 * time.Second       // a PING is answered sooner than that, or the connection is dead
	syncAgain       = 5 * time.Second        // a gap that is still open after so long is asked for again
	stableAfter     = 10 * time.Second       // a connection that lived so long resets the back-off
	drainWithin     = time.Second            // Close waits so long for the server to take what was written
	elsewhereWithin = 250 * time.Millisecond // "come back at once" is spread over so much
	elsewhereTries  = 3                      // and becomes an ordinary back-off after so many in a row
	defaultBeat     = 60 * time.Second       // when the server grants no heartbeat
	defaultCredit   = 32                     // when the server grants no send credit
)

// Options say who connects where. Route, Handler and one of Name and UserID are required; the zero value of
// everything else has a good default.
type Options struct {
	// Route is the base URL of a route, as http://127.0.0.1:8083, or those of several of one cluster with commas between
	// them: any of them will do. The Client begins with one at random, stays with it while it answers, and asks the next
	// one, in the same call, when it does not. What routes.List.Do says holds: a refusal is an answer.
	Route  string
	Name   string      // of the account; it is registered when UserID is 0
	UserID int64       // 0: the account of Name, made if there is none
	Kind   AccountKind // of an account that is registered; default AccountUser
	// Secret of the account. Empty: as Secrets has it; and where that has none, Name is registered, which gives it
	// one. Routes that ask for no secrets ignore it.
	Secret  string
	Secrets SecretStore // of accounts made here, over restarts; nil: while the Client lives
	// Token is an access token in place of a secret. Each log-in while it counts gives the next one. Empty: none.
	Token string
	// Device names this installation, 1 to 64 bytes: it takes over its own older session at once, where another
	// device may be refused. Default: random per process, the same for all its Clients.
	Device  string
	Handler Handler

	Heartbeat time.Duration // wanted distance of PINGs; 0: the server's choice
	Cursors   CursorStore   // what was handled, over restarts; nil: in memory only
	Backoff   Backoff       // between connections, and between attempts of a failing Handler
	Logger    *slog.Logger  // default: discards

	// Dialer connects to servers, and to the route unless HTTP is set. Default: net.Dialer.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	HTTP   *http.Client // default: one of its own
	// TLS says whom to trust, and has servers speak TLS even if the route does not say that they do, as behind a proxy
	// that takes TLS off. The route uses it too when its URL is https and HTTP is not set. nil: the system's
	// authorities, and TLS with the servers of which the route says that they speak it.
	TLS *tls.Config

	ConnectTimeout time.Duration // log in, connect, WELCOME: all of one attempt; default 15 s
	WriteTimeout   time.Duration // one write to the connection; default 10 s
}

// Validate reports the first thing that keeps the options from working, and what to do about it.
func (o Options) Validate() error {
	if o.Route == "" {
		return errors.New("the route is missing: set Options.Route to its base URL, as http://127.0.0.1:8083")
	}
	_, err := routes.Parse(o.Route)
	switch {
	case err != nil:
		return fmt.Errorf("the route %w", err)
	case o.Name == "" && o.UserID == 0:
		return errors.New("nobody to log in: set Options.Name or Options.UserID")
	case o.UserID < 0:
		return fmt.Errorf("the user id %d is below zero: leave it out to register the name", o.UserID)
	case o.Kind != "" && o.Kind != AccountUser && o.Kind != AccountDevice:
		return fmt.Errorf("the kind %q is unknown: use AccountUser or AccountDevice", o.Kind)
	case len(o.Device) > maxDevice:
		return fmt.Errorf("the device id has %d bytes: use at most %d", len(o.Device), maxDevice)
	case o.Handler == nil:
		return errors.New("nobody takes the messages: set Options.Handler (HandlerFuncs{} drops them)")
	case o.Heartbeat < 0 || o.ConnectTimeout < 0 || o.WriteTimeout < 0:
		return errors.New("a duration is below zero: leave it out for its default")
	}
	return o.Backoff.validate()
}

// withDefaults fills in whatever was left out.
func (o Options) withDefaults() Options {
	if o.Kind == "" {
		o.Kind = AccountUser
	}
	if o.Device == "" {
		o.Device = processDevice()
	}
	if o.Secrets == nil {
		o.Secrets = noSecrets{}
	}
	if o.Cursors == nil {
		o.Cursors = noCursors{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dialer == nil {
		o.Dialer = (&net.Dialer{}).DialContext
	}
	o.Backoff = o.Backoff.withDefaults()
	o.ConnectTimeout = orDuration(o.ConnectTimeout, 15*time.Second)
	o.WriteTimeout = orDuration(o.WriteTimeout, 10*time.Second)
	return o
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// processDevice is one id for the whole process: two Clients of one account in it are one device.
var processDevice = sync.OnceValue(func() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // documented never to fail
	return hex.EncodeToString(id[:])
})
