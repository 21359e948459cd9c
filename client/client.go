package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	cimpb "cim/proto"
)

// Client is one session of one user, over as many connections as it takes. It is safe for concurrent use.
type Client struct {
	opts   Options
	api    *api
	me     Account // set before the goroutines start
	secret string  // likewise; empty: none is asked for
	kept   string  // likewise: the route under which the secret is kept
	doubt  bool    // likewise: the name may have been registered by an answer that was lost
	inbox  *inbox
	acks   *acks
	queue  *queue
	outbox *outbox

	stopCh     chan struct{} // closed: hand nothing more to the Handler, do not connect again
	handlerCh  chan struct{} // closed: the Handler will not be called any more
	doneCh     chan struct{} // closed: everything has ended
	runCtx     context.Context
	endRun     context.CancelFunc // ends attempts to connect
	handlerCtx context.Context
	endHandler context.CancelFunc // asks the Handler to give up
	stopOnce   sync.Once
	wg         sync.WaitGroup // run and monitorQueue

	saveFailed bool // touched only by monitorQueue

	stateMu sync.Mutex // held while the Handler is told, so that it is told one thing at a time

	mu      sync.Mutex
	conn    *conn // nil while there is none
	leaving bool  // the connection has to drain, and so has one that comes
	err     error // why it is closed

	connects   atomic.Uint64
	duplicates atomic.Uint64
	gaps       atomic.Uint64
	dropped    atomic.Uint64
}

// Connect logs in with the secret of the account, or registers the name where there is neither a secret nor an
// id, and returns when the server has welcomed the session. ctx bounds all of that and nothing after. From then on the client connects again by itself
// whenever it is cut off, until Close, or until the server says not to come back. Of several routes, Connect asks all
// before it says that none can take it now; what is done later asks one at a time.
// Errors: *StatusError when the route or the server refused, with CodeNameTaken for the name of somebody else
// and CodeBadCredentials for a wrong secret; ErrUnreachable.
func Connect(ctx context.Context, o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := newClient(o.withDefaults())
	c.api.insist = true
	cn, err := c.first(ctx)
	c.api.insist = false
	if err != nil {
		c.release()
		return nil, err
	}
	c.attach(cn) // before anybody can send
	c.wg.Go(func() { c.run(cn) })
	c.wg.Go(func() { c.monitorQueue(c.handlerCtx) })
	return c, nil
}

func newClient(o Options) *Client {
	c := &Client{
		opts: o, api: newAPI(o), inbox: &inbox{}, acks: &acks{}, queue: newQueue(), outbox: newOutbox(),
		stopCh: make(chan struct{}), handlerCh: make(chan struct{}), doneCh: make(chan struct{}),
	}
	c.runCtx, c.endRun = context.WithCancel(context.Background())
	c.handlerCtx, c.endHandler = context.WithCancel(context.WithValue(context.Background(), clientKey{}, c))
	return c
}

type clientKey struct{}

// FromContext is the Client that calls a Handler, of the context that Message gets; nil for another context.
// A Handler may be called before Connect has returned.
func FromContext(ctx context.Context) *Client {
	c, _ := ctx.Value(clientKey{}).(*Client)
	return c
}

// first does what only the first connection needs, and makes it. A server that sends a newcomer elsewhere is
// draining: the next log-in finds another.
func (c *Client) first(ctx context.Context) (*conn, error) {
	at, err := c.identify(ctx)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		cn, err := c.establish(ctx, at, nil)
		at = nil // its ticket counts once
		e, ok := errors.AsType[*StatusError](err)
		if !ok || e.Comeback != cimpb.Comeback_ELSEWHERE || n == elsewhereTries {
			return cn, err
		}
		if !sleep(ctx, c.stopCh, c.opts.Backoff.reconnect(n, err)) {
			return nil, err
		}
	}
}

// Close ends the session: it waits for the Handler's message in progress, acknowledges what was handled, and
// ends the connection. Sends that are not answered return ErrClosed. When ctx ends first, the Handler's
// context ends and the connection is cut; Close then returns the context's error without waiting for a
// Handler that does not return. Close may be called more than once.
func (c *Client) Close(ctx context.Context) error {
	c.stop()
	select {
	case <-c.handlerCh:
	case <-ctx.Done():
		return c.abort(ctx)
	}
	c.leave(ErrClosed)
	select {
	case <-c.doneCh:
		c.wg.Wait() // nothing is left to do behind doneCh
		return nil
	case <-ctx.Done():
		return c.abort(ctx)
	}
}

// abort cuts everything that can be cut.
func (c *Client) abort(ctx context.Context) error {
	c.endHandler()
	c.leave(ErrClosed)
	if cn := c.current(); cn != nil {
		cn.end(ErrClosed)
	}
	return fmt.Errorf("close: %w", context.Cause(ctx))
}

// stop makes the Handler's goroutine end after its present message, and the client stay away once it is cut.
func (c *Client) stop() { c.stopOnce.Do(func() { close(c.stopCh) }) }

func (c *Client) stopping() bool {
	select {
	case <-c.stopCh:
		return true
	default:
		return false
	}
}

// leave answers all sends with why, and ends the connection or the attempt to get one.
func (c *Client) leave(why error) {
	c.outbox.close(why)
	c.endRun()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	if c.conn != nil {
		c.conn.drain()
	}
}

// release lets go of what the goroutines do not own.
func (c *Client) release() {
	c.endRun()
	c.endHandler()
	c.api.close()
}

// Done is closed when the client has ended: after Close, or when the server said not to come back.
func (c *Client) Done() <-chan struct{} { return c.doneCh }

// Err is nil until Done is closed, and then says why: ErrClosed, and the StatusError if there was one.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Session describes the connection of the moment; the zero Session when there is none.
func (c *Client) Session() Session {
	if cn := c.current(); cn != nil {
		return cn.session
	}
	return Session{}
}

// Stats count since Connect.
func (c *Client) Stats() Stats {
	return Stats{
		Connects: c.connects.Load(), Resent: c.outbox.resends(), Duplicates: c.duplicates.Load(),
		Gaps: c.gaps.Load(), Dropped: c.dropped.Load(),
	}
}

func (c *Client) current() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

func (c *Client) setCurrent(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = cn
	if cn != nil && c.leaving {
		cn.drain()
	}
}

// tell calls the Handler's State.
func (c *Client) tell(s StateChange) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.opts.Handler.State(s)
}
