// Package redisstore keeps accounts, sessions and inboxes in Redis, so that many routes and servers can share them:
// one Redis, Sentinels or a Redis Cluster. It implements route.Accounts, route.Directory and route.Inbox, and knows
// nothing of servers, sockets and event loops.
//
// All that is of one user lives in one slot (see keys), each operation is one function in that slot and one round
// trip, and the functions that a call has for one node go there in one pipeline. What Redis answered is as durable as
// its appendfsync says, and is on Config.WaitReplicas replicas besides.
//
// While Redis Cluster moves a slot to another node, calls for users of that slot may fail with
// route.ErrStoreUnavailable: their functions need several keys, which are in two places meanwhile.
package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"

	"cim/route"
)

// Store is a Redis with the keys of one system. Safe for concurrent use.
type Store struct {
	// immutable after New
	cfg   Config
	keys  keys
	nodes nodes

	// atomic
	broken      atomic.Bool   // the last call could not be done
	outOfMemory atomic.Bool   // the last message could not be stored for want of memory
	epoch       atomic.Uint64 // the highest session epoch that was heard of
}

var (
	_ route.Accounts  = (*Store)(nil)
	_ route.Directory = (*Store)(nil)
	_ route.Inbox     = (*Store)(nil)
)

// New connects to Redis and looks at how it is set up. Errors: those of Open and of Inspect.
func New(ctx context.Context, cfg Config) (*Store, error) {
	s, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.Inspect(ctx); err != nil {
		_ = s.nodes.Close()
		return nil, err
	}
	return s, nil
}

// Open makes a Store and asks Redis nothing: it connects with the first call. Errors: ErrBadURL; ErrBadConfig.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n, err := connect(&cfg)
	if err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, keys: keys{cfg.Prefix}, nodes: n}, nil
}

// Close ends every connection. Calls then fail with route.ErrStoreUnavailable.
func (s *Store) Close() error {
	if err := s.nodes.Close(); err != nil {
		return fmt.Errorf("redisstore: close: %w", err)
	}
	return nil
}

// Problems says what is wrong with Redis apart from not answering.
func (s *Store) Problems(ctx context.Context) []route.Problem {
	if !s.outOfMemory.Load() || ctx.Err() != nil {
		return nil
	}
	return []route.Problem{{Component: "store", Detail: ErrOutOfMemory.Error()}}
}
