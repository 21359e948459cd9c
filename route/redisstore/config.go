package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"cim/route"
)

// Config says where Redis is and what the store may do. URL is required; the zero value of every other field
// stands for its default.
type Config struct {
	// URL is one of
	//
	//	redis://[user:password@]host:port[/db]                                   one Redis
	//	redis+sentinel://[user:password@]host:port,host:port/master-name[/db]    Sentinels; ?sentinel_user= and ?sentinel_password= are theirs
	//	redis+cluster://[user:password@]host:port,host:port                      some nodes of a Redis Cluster
	//
	// and rediss in place of redis for TLS. A port that is missing is 6379, for Sentinels 26379.
	URL    string
	TLS    *tls.Config  // for rediss; default: the system's certificate authorities
	Prefix string       // of every key, so that several systems can share a Redis; default "cim"
	Logger *slog.Logger // default: nothing is logged

	Timeout  time.Duration // of a call, with all that it tries; default 2 s
	PoolSize int           // connections to a node at most; default 32

	// WaitReplicas has stored messages and changed accounts answered only when so many replicas have them; 0: none.
	WaitReplicas int
	WaitTimeout  time.Duration // how long replicas may take; default 500 ms, less than Timeout

	InboxMessages int   // unacknowledged messages per user; default 10,000
	InboxBytes    int64 // bytes of their bodies per user, at most 1 GiB; default 16 MiB

	dial  func(ctx context.Context, network, addr string) (net.Conn, error) // tests count with it
	newID func() int64                                                      // tests have ids collide
}

const (
	defaultPrefix        = "cim"
	defaultTimeout       = 2 * time.Second
	defaultWaitTimeout   = 500 * time.Millisecond
	defaultPoolSize      = 32
	defaultInboxMessages = 10_000
	defaultInboxBytes    = 16 << 20
	// maxInboxBytes leaves room below 2^32, which the byte counts of an inbox wrap at.
	maxInboxBytes = 1 << 30
)

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Prefix, defaultPrefix)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.PoolSize, defaultPoolSize)
	setDefault(&c.WaitTimeout, min(defaultWaitTimeout, c.Timeout/2))
	setDefault(&c.InboxMessages, defaultInboxMessages)
	setDefault(&c.InboxBytes, defaultInboxBytes)
	if c.newID == nil {
		c.newID = randomID
	}
	err := c.check()
	return c, err
}

func (c *Config) check() error {
	switch {
	case strings.ContainsAny(c.Prefix, "{} "):
		return fmt.Errorf("%w: the prefix %q may not hold braces and spaces", ErrBadConfig, c.Prefix)
	case c.Timeout < 0, c.WaitTimeout < 0, c.PoolSize < 0, c.WaitReplicas < 0, c.InboxMessages < 0, c.InboxBytes < 0:
		return fmt.Errorf("%w: nothing may be negative", ErrBadConfig)
	case c.WaitReplicas > 0 && c.WaitTimeout >= c.Timeout:
		return fmt.Errorf("%w: replicas may take %v, which has to be less than a call's %v", ErrBadConfig, c.WaitTimeout, c.Timeout)
	case c.InboxBytes > maxInboxBytes:
		return fmt.Errorf("%w: an inbox of %d bytes; at most %d", ErrBadConfig, c.InboxBytes, maxInboxBytes)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// dedupSeconds is how long a message's name is remembered.
const dedupSeconds = int(route.DedupWindow / time.Second)
