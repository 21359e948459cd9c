package redisstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cim/route"
)

// call is one command or function for the node that holds key.
type call struct {
	key      string
	function function // empty: args is a command
	keys     []string // of the function; all in key's slot
	args     []any
	durable  bool // replicas have to confirm it, when they are asked at all
	once     bool // must not be repeated when it may have been done

	load  bool // the node does not know the function
	reply any
	err   error
}

func (c *call) command(ctx context.Context) *redis.Cmd {
	if c.function == "" {
		return redis.NewCmd(ctx, c.args...)
	}
	args := make([]any, 0, 3+len(c.keys)+len(c.args))
	args = append(args, "fcall", string(c.function), len(c.keys))
	for _, key := range c.keys {
		args = append(args, key)
	}
	return redis.NewCmd(ctx, append(args, c.args...)...)
}

// Attempts at a call. What they add up to is how long a call takes to fail while Redis refuses connections.
var pauses = [...]time.Duration{20 * time.Millisecond, 100 * time.Millisecond}

// pipelineCalls bounds how much is written before the first answer is read.
const pipelineCalls = 512

// do runs calls, those of one node in one pipeline, and gives each its reply or its error, which is one of package
// route. It never takes longer than Config.Timeout. Calls may be done in any order.
func (s *Store) do(ctx context.Context, calls ...*call) {
	if err := ctx.Err(); err != nil {
		failAll(calls, fmt.Errorf("redisstore: %w", err))
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	left := calls
	for attempt := 0; ; attempt++ {
		s.attempt(limited, left)
		left = s.unsettled(left)
		if len(left) == 0 || attempt == len(pauses) || !s.prepare(limited, left, pauses[attempt]) {
			break
		}
	}
	for _, c := range calls {
		c.err = explain(ctx, c.err)
	}
}

func failAll(calls []*call, err error) {
	for _, c := range calls {
		c.err = err
	}
}

// unsettled returns the calls that are worth another attempt.
func (s *Store) unsettled(calls []*call) []*call {
	var left []*call
	broken := false
	for _, c := range calls {
		switch fateOf(c.err) {
		case notLoaded:
			c.load = true
			left = append(left, c)
		case elsewhere:
			broken = true
			left = append(left, c)
		case disappears:
			broken = true
			if !c.once {
				left = append(left, c)
			}
		case final:
		}
	}
	s.noteHealth(broken, len(calls) > 0)
	return left
}

// prepare makes ready for another attempt and reports whether there is time for one.
func (s *Store) prepare(ctx context.Context, calls []*call, pause time.Duration) bool {
	wait := false
	for _, c := range calls {
		wait = wait || fateOf(c.err) != notLoaded
	}
	if !wait {
		return true
	}
	s.nodes.moved(ctx)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends every call once.
func (s *Store) attempt(ctx context.Context, calls []*call) {
	if len(calls) == 1 {
		if node := s.nodeOf(ctx, calls[0]); node != nil {
			s.pipeline(ctx, node, calls)
		}
		return
	}
	byNode := make(map[*redis.Client][]*call)
	for _, c := range calls {
		if node := s.nodeOf(ctx, c); node != nil {
			byNode[node] = append(byNode[node], c)
		}
	}
	var wg sync.WaitGroup
	for node, part := range byNode {
		if len(byNode) == 1 {
			s.pipelines(ctx, node, part)
			return
		}
		wg.Go(func() { s.pipelines(ctx, node, part) })
	}
	wg.Wait()
}

func (s *Store) nodeOf(ctx context.Context, c *call) *redis.Client {
	node, err := s.nodes.of(ctx, c.key)
	if c.err = nil; err != nil {
		c.err = fmt.Errorf("%w: %w", errNoNode, err)
		return nil
	}
	return node
}

func (s *Store) pipelines(ctx context.Context, node *redis.Client, calls []*call) {
	for len(calls) > 0 {
		n := min(len(calls), pipelineCalls)
		s.pipeline(ctx, node, calls[:n])
		calls = calls[n:]
	}
}

// pipeline is one round trip.
func (s *Store) pipeline(ctx context.Context, node *redis.Client, calls []*call) {
	pipe := node.Pipeline()
	var loaded *redis.StringCmd
	if slices.ContainsFunc(calls, func(c *call) bool { return c.load }) {
		loaded = pipe.FunctionLoadReplace(ctx, library.source)
	}
	commands := make([]*redis.Cmd, len(calls))
	durable := false
	for i, c := range calls {
		commands[i] = c.command(ctx)
		_ = pipe.Process(ctx, commands[i]) // only queues
		durable = durable || c.durable
	}
	var copied *redis.Cmd
	if durable && s.cfg.WaitReplicas > 0 {
		// On the same connection: WAIT is about what that one wrote.
		copied = pipe.Do(ctx, "wait", s.cfg.WaitReplicas, s.cfg.WaitTimeout.Milliseconds())
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, c := range calls {
		c.reply, c.err = commands[i].Result()
		if loaded != nil && loaded.Err() != nil && fateOf(c.err) == notLoaded {
			c.err = fmt.Errorf("load cim's functions: %w", loaded.Err())
		}
	}
	if copied != nil {
		s.confirm(calls, copied)
	}
}

// confirm fails the durable calls that were done, but not copied to enough replicas.
func (s *Store) confirm(calls []*call, copied *redis.Cmd) {
	n, err := copied.Int()
	if err == nil && n >= s.cfg.WaitReplicas {
		return
	}
	if err == nil {
		err = fmt.Errorf("%w: %w: %d of %d", route.ErrStoreUnavailable, ErrNotCopied, n, s.cfg.WaitReplicas)
	}
	for _, c := range calls {
		if c.durable && c.err == nil {
			c.err = err
		}
	}
}

// noteHealth remembers whether Redis can be talked to, and says so when that changes.
func (s *Store) noteHealth(broken, asked bool) {
	switch {
	case broken && s.broken.CompareAndSwap(false, true):
		s.cfg.Logger.Warn("Redis does not answer as it should; calls are repeated or refused until it does")
	case !broken && asked && s.broken.CompareAndSwap(true, false):
		s.cfg.Logger.Info("Redis answers again")
	}
}
