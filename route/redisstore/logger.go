package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// quiet keeps go-redis from writing a line for each failed dial to standard error. It has one logger for all its
// clients, so there is no other way; Store says by itself when Redis stops and begins to answer.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }
