package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"cim/route"
)

// Inspect looks at every master once, at how it is set up, and loads the functions: what would lose data is logged as a
// warning. One of several that does not answer is none of a reason not to begin: its replica may be about to take over.
// INFO is asked instead of CONFIG, which hosted Redis often refuses.
// Errors: ErrTooOld and ErrRefused, which waiting does not mend; route.ErrStoreUnavailable.
func (s *Store) Inspect(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex
	answers := make(map[string]string) // by address
	silent := make(map[string]error)
	err := s.nodes.each(limited, func(ctx context.Context, node *redis.Client) error {
		text, err := node.Info(ctx).Result()
		if err == nil {
			err = mayLoad(ctx, node)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			silent[node.Options().Addr] = err
		} else {
			answers[node.Options().Addr] = text
		}
		return nil
	})
	if err == nil {
		err = s.weigh(answers, silent)
	}
	switch {
	case err == nil, errors.Is(err, ErrTooOld):
		return err
	case refuses(err):
		return fmt.Errorf("connect to Redis: %w: %w", ErrRefused, err)
	}
	return fmt.Errorf("connect to Redis: %w", explain(ctx, err))
}

// mayLoad gives a node the library, and fails only where that is not allowed: whatever else is in the way, a call that
// needs the library will find, too.
func mayLoad(ctx context.Context, node *redis.Client) error {
	if err := node.FunctionLoad(ctx, library.source).Err(); redis.IsPermissionError(err) {
		return err
	}
	return nil
}

// weigh decides by what masters answered. Of those that did not, nothing is logged while none did: who waits for them
// asks again and again.
func (s *Store) weigh(answers map[string]string, silent map[string]error) error {
	for addr, text := range answers {
		if parseInfo(text)["loading"] == "1" {
			return fmt.Errorf("%w: %s is still reading its data", route.ErrStoreUnavailable, addr)
		}
	}
	for addr, text := range answers {
		if err := s.judge(addr, parseInfo(text)); err != nil {
			return err
		}
	}
	for addr, err := range silent {
		if len(answers) == 0 || refuses(err) {
			return err
		}
		s.cfg.Logger.Warn("a Redis does not answer", "redis", addr, "err", err)
	}
	return nil
}

// refuses reports whether an answer is one to how Redis was addressed rather than to how it is.
func refuses(err error) bool {
	var answer redis.Error
	return redis.IsAuthError(err) || redis.IsPermissionError(err) ||
		errors.As(err, &answer) && strings.HasPrefix(answer.Error(), "ERR DB index")
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
