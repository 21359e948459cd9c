package zkregistry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// bufferBytes is for one packet to ZooKeeper; the library's largest, one that sets watches, has 128 KiB.
// maxAnswerBytes is what ZooKeeper sends at most unless its jute.maxbuffer says otherwise.
const (
	bufferBytes    = 256 << 10
	maxAnswerBytes = 1 << 20
)

// conn bounds the library's calls, which have neither context nor time-out and wait as long as there is no connection.
// Calls are made from one goroutine at a time.
type conn struct {
	zk      *zk.Conn
	timeout time.Duration
	auth    string   // as in Config
	acl     []zk.ACL // of the nodes that are made
	dialer  *dialer
	cancel  context.CancelFunc // the dialer's
	events  <-chan zk.Event    // closed when the library has ended
	calls   sync.WaitGroup

	authenticated bool // owned by the loop; the library says it again at each new connection
}

// connect returns at once; the library goes on trying until Close.
func connect(cfg Config, events *events) (*conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{timeout: cfg.CallTimeout, auth: cfg.Auth, acl: aclFor(cfg.Auth), cancel: cancel}
	// A quarter lets a client that noticed silence after two thirds of the time-out try another server in time.
	c.dialer = &dialer{ctx: ctx, handshake: max(cfg.SessionTimeout/4, time.Second)}
	var err error
	c.zk, c.events, err = zk.Connect(cfg.Servers, cfg.SessionTimeout,
		zk.WithDialer(c.dialer.dial), zk.WithHostProvider(&hosts{}), zk.WithEventCallback(events.renew()),
		zk.WithLogger(debugLog{cfg.Logger}), zk.WithMaxBufferSize(maxAnswerBytes), zk.WithMaxConnBufferSize(bufferBytes))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Close ends the session, and with it the nodes that it made, if ZooKeeper can be told within a second.
func (c *conn) Close() {
	c.zk.Close()
	c.cancel()
	c.dialer.breakOff()
	for range c.events { // until it is closed
	}
	c.calls.Wait()
}

// call runs f, which calls the library, for at most the call time-out. A connection that did not answer is
// broken off: the library then answers f, so that no call stays behind for long.
func call[T any](ctx context.Context, c *conn, f func(*zk.Conn) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	c.calls.Go(func() {
		v, err := f(c.zk)
		done <- result{v, err}
	})
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	var none T
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		c.dialer.breakOff()
		return none, errCallTimeout
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// read is a node's content.
type read struct {
	data []byte
	stat *zk.Stat
}

func (c *conn) children(ctx context.Context, path string, watch bool) ([]string, error) {
	return call(ctx, c, func(z *zk.Conn) (names []string, err error) {
		if watch {
			names, _, _, err = z.ChildrenW(path)
		} else {
			names, _, err = z.Children(path)
		}
		return names, err
	})
}

func (c *conn) get(ctx context.Context, path string, watch bool) (read, error) {
	return call(ctx, c, func(z *zk.Conn) (r read, err error) {
		if watch {
			r.data, r.stat, _, err = z.GetW(path)
		} else {
			r.data, r.stat, err = z.Get(path)
		}
		return r, err
	})
}

func (c *conn) create(ctx context.Context, path string, data []byte, flags int32) error {
	_, err := call(ctx, c, func(z *zk.Conn) (string, error) { return z.Create(path, data, flags, c.acl) })
	return err
}

// replace deletes a node and makes an ephemeral one in its place, in one step: readers see one or the other.
func (c *conn) replace(ctx context.Context, path string, version int32, data []byte) error {
	_, err := call(ctx, c, func(z *zk.Conn) ([]zk.MultiResponse, error) {
		return z.Multi(&zk.DeleteRequest{Path: path, Version: version},
			&zk.CreateRequest{Path: path, Data: data, Acl: c.acl, Flags: zk.FlagEphemeral})
	})
	return err
}

func (c *conn) delete(ctx context.Context, path string, version int32) error {
	_, err := call(ctx, c, func(z *zk.Conn) (struct{}, error) { return struct{}{}, z.Delete(path, version) })
	return err
}

// debugLog takes the library's lines, of which there are several per connect.
type debugLog struct{ log *slog.Logger }

// Printf implements zk.Logger.
func (l debugLog) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("zookeeper: " + fmt.Sprintf(format, args...))
	}
}
