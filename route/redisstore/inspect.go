package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// inspect looks at every master once. One of several that does not answer is none of a reason not to begin: its
// replica may be about to take over. INFO is asked instead of CONFIG, which hosted Redis often refuses.
func (s *Store) inspect(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex
	var answered int
	var silence error
	err := s.nodes.each(limited, func(ctx context.Context, node *redis.Client) error {
		text, err := node.Info(ctx).Result()
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			s.cfg.Logger.Warn("a Redis does not answer", "redis", node.Options().Addr, "err", err)
			silence = err
			return nil
		}
		answered++
		return s.judge(node.Options().Addr, parseInfo(text))
	})
	switch {
	case errors.Is(err, ErrTooOld):
		return err
	case err == nil && answered == 0:
		err = silence
	}
	if err != nil {
		return fmt.Errorf("connect to Redis: %w", explain(ctx, err))
	}
	return nil
}

// parseInfo reads the answer to INFO.
func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	return info
}

// judge refuses what does not work and warns of what loses data.
func (s *Store) judge(addr string, info map[string]string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	if n, err := strconv.Atoi(major); err == nil && n < 7 {
		return fmt.Errorf("%w: %s runs %s", ErrTooOld, addr, info["redis_version"])
	}
	log := s.cfg.Logger.With("redis", addr)
	if info["aof_enabled"] == "0" {
		log.Warn("Redis forgets stored messages when it restarts; set appendonly yes, and appendfsync always where a power cut must lose nothing")
	}
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		log.Warn("Redis may throw accounts and messages away when its memory is full; set maxmemory-policy noeviction", "maxmemory-policy", policy)
	}
	if n, err := strconv.Atoi(info["connected_slaves"]); err == nil && n < s.cfg.WaitReplicas {
		log.Warn("Redis has fewer replicas than have to confirm each message; messages are refused until it has", "replicas", n, "wanted", s.cfg.WaitReplicas)
	}
	return nil
}
