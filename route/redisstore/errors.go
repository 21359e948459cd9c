package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"cim/route"
)

// Errors of New, and reasons that come wrapped together with route.ErrStoreUnavailable.
var (
	ErrBadURL      = errors.New("the Redis URL is not one")
	ErrRefused     = errors.New("this Redis refuses the user, the password or the number of the database")
	ErrTooOld      = errors.New("this Redis is older than 7.0")
	ErrBadConfig   = errors.New("the settings of the Redis store do not fit together")
	ErrOutOfMemory = errors.New("the Redis has reached its maxmemory; raise it, or have receivers read what waits")
	ErrNotCopied   = errors.New("too few Redis replicas confirmed the write in time")
	ErrClosed      = errors.New("the store is closed")

	errReply  = errors.New("an answer of Redis is not one that was asked for")
	errNoNode = errors.New("no node of the Redis Cluster is known to hold the key")
)

// fate is what an error says about the call that it ended.
type fate uint8

const (
	final      fate = iota // asking again changes nothing
	notLoaded              // the node does not know the function
	elsewhere              // not done: another node has to be asked, or the same one in a moment
	disappears             // not known: the connection broke
)

// fateOf sorts errors of calls that reached, or tried to reach, a node.
func fateOf(err error) fate {
	var ofNet *net.OpError
	var ofRedis redis.Error
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return final
	case errors.As(err, &ofNet) && ofNet.Op == "dial", errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, errNoNode):
		return elsewhere
	case errors.As(err, &ofRedis):
		return fateOfReply(ofRedis.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, redis.ErrClosed), errors.Is(err, ErrNotCopied):
		return final
	}
	return disappears
}

func fateOfReply(text string) fate {
	if text == "ERR Function not found" {
		return notLoaded
	}
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY":
		return elsewhere
	}
	return final
}

// explain turns what ended a call into an error of package route.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("redisstore: %w", ctx.Err())
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("%w: %w", route.ErrStoreUnavailable, ErrClosed)
	case redis.IsOOMError(err):
		return fmt.Errorf("%w: %w", route.ErrStoreUnavailable, ErrOutOfMemory)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: Redis closed the connection", route.ErrStoreUnavailable)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: Redis took too long", route.ErrStoreUnavailable) // and not the caller's deadline
	case errors.Is(err, route.ErrStoreUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", route.ErrStoreUnavailable, err)
}

func unexpected() error { return fmt.Errorf("%w: %w", route.ErrStoreUnavailable, errReply) }
