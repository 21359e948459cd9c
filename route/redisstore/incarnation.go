package redisstore

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Incarnation names the processes that hold the keys. It changes when one of them is started again and when a replica takes
// over, which may mean that the newest of what was stored is gone. Errors: route.ErrStoreUnavailable.
func (s *Store) Incarnation(ctx context.Context) (string, error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex
	var ids []string
	err := s.nodes.each(limited, func(ctx context.Context, node *redis.Client) error {
		text, err := node.Info(ctx, "server").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, parseInfo(text)["run_id"])
		return nil
	})
	if err != nil {
		return "", explain(ctx, err)
	}
	slices.Sort(ids)
	return strings.Join(ids, " "), nil
}
