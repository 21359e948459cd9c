package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// nodes finds the node that holds a key. Safe for concurrent use.
type nodes interface {
	of(ctx context.Context, key string) (*redis.Client, error)
	// moved is told that what was known is out of date.
	moved(ctx context.Context)
	// each calls fn for every master, possibly at the same time.
	each(ctx context.Context, fn func(context.Context, *redis.Client) error) error
	Close() error
}

// oneNode is a single Redis, or the one that Sentinels name.
type oneNode struct{ *redis.Client }

func (o oneNode) of(context.Context, string) (*redis.Client, error) { return o.Client, nil }

func (oneNode) moved(context.Context) {}

func (o oneNode) each(ctx context.Context, fn func(context.Context, *redis.Client) error) error {
	return fn(ctx, o.Client)
}

// manyNodes is a Redis Cluster. Calls go to its nodes directly instead of through the cluster client, because WAIT
// is about what its own connection wrote.
type manyNodes struct {
	*redis.ClusterClient

	mu   sync.Mutex
	last time.Time // guarded by mu; of the last reload
}

// reloadEvery keeps a hundred calls that fail together from asking for the slots a hundred times.
const reloadEvery = 50 * time.Millisecond

func (m *manyNodes) of(ctx context.Context, key string) (*redis.Client, error) {
	return m.MasterForKey(ctx, key)
}

func (m *manyNodes) moved(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.last) < reloadEvery {
		return
	}
	// ForEachMaster reads the slots first; that is all it is called for. What cannot be read now is tried again by
	// the next call that fails.
	_ = m.ForEachMaster(ctx, func(context.Context, *redis.Client) error { return nil })
	m.last = time.Now()
}

func (m *manyNodes) each(ctx context.Context, fn func(context.Context, *redis.Client) error) error {
	return m.ForEachMaster(ctx, fn)
}

// connect makes the client that a URL asks for. Nothing is dialled yet.
func connect(cfg *Config) (nodes, error) {
	t, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	var conf *tls.Config
	if t.tls {
		if conf = cfg.TLS; conf == nil {
			conf = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	// go-redis repeats nothing by itself: which calls may be repeated is known here only.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch t.form {
	case cluster:
		return &manyNodes{ClusterClient: redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: t.addrs, Username: t.username, Password: t.password, TLSConfig: conf, Dialer: cfg.dial, Protocol: 2,
			MaxRetries: -1, MaxRedirects: -1, DialerRetries: 1, DialTimeout: cfg.Timeout / 2,
			ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout,
			ContextTimeoutEnabled: true, PoolSize: cfg.PoolSize, DisableIdentity: true, MaintNotificationsConfig: quiet,
		})}, nil
	case sentinel:
		return oneNode{redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: t.master, SentinelAddrs: t.addrs, SentinelUsername: t.sentinelUsername, SentinelPassword: t.sentinelPassword,
			Username: t.username, Password: t.password, DB: t.db, TLSConfig: conf, Dialer: cfg.dial, Protocol: 2,
			MaxRetries: -1, DialerRetries: 1, DialTimeout: cfg.Timeout / 2,
			ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout,
			ContextTimeoutEnabled: true, PoolSize: cfg.PoolSize, DisableIdentity: true,
		})}, nil
	case standalone:
		return oneNode{redis.NewClient(&redis.Options{
			Addr: t.addrs[0], Username: t.username, Password: t.password, DB: t.db, TLSConfig: conf, Dialer: cfg.dial, Protocol: 2,
			MaxRetries: -1, DialerRetries: 1, DialTimeout: cfg.Timeout / 2,
			ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout,
			ContextTimeoutEnabled: true, PoolSize: cfg.PoolSize, DisableIdentity: true, MaintNotificationsConfig: quiet,
		})}, nil
	}
	return nil, fmt.Errorf("%w: form %d", ErrBadURL, t.form)
}
