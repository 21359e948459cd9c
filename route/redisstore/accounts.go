package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"cim/route"
)

// reservedSeconds is how long a name waits for its account to be complete. Who finds it reserved completes it
// instead of waiting, so that this matters only when all who wanted the name have died.
const reservedSeconds = 60

// reservedPrefix marks an id whose account may not be made yet, in what a name stands for.
const reservedPrefix = "r:"

// createTries bounds how often an id that is taken is replaced: with a hundred million accounts the first is taken
// once in ninety million times.
const createTries = 8

var errNoID = errors.New("no free id was found")

// randomID chooses among 2^53: a counter would give ids twice when Redis lost its tail.
func randomID() int64 { return 1 + rand.Int64N(route.MaxID) }

// Create implements route.Accounts. Name and account live in different slots, so it takes three steps: the name is
// reserved for an id, the account is made, the name is given to it for good. Each can be repeated by anyone: whoever
// finds the first step done goes on with the second, and the one whose function makes the account has created it.
func (s *Store) Create(ctx context.Context, name string, kind route.Kind, secret route.SecretHash) (route.Account, bool, error) {
	if err := route.CheckName(name); err != nil {
		return route.Account{}, false, fmt.Errorf("redisstore: %w", err)
	}
	replace := ""
	for range createTries {
		owner, err := s.reserve(ctx, name, replace)
		if err != nil {
			return route.Account{}, false, err
		}
		a, created, taken, err := s.make(ctx, owner, name, kind, secret)
		if err != nil {
			return route.Account{}, false, err
		}
		if taken {
			replace = owner.text()
			continue
		}
		if kept, err := s.complete(ctx, owner, name); err != nil || kept {
			return a, created && err == nil, err
		}
	}
	return route.Account{}, false, fmt.Errorf("%w: %w", route.ErrStoreUnavailable, errNoID)
}

// nameOwner is what a name stands for.
type nameOwner struct {
	id       int64
	reserved bool // its account may not be made yet
}

func (o nameOwner) text() string {
	if o.reserved {
		return reservedPrefix + strconv.FormatInt(o.id, 10)
	}
	return strconv.FormatInt(o.id, 10)
}

func parseOwner(v any) (o nameOwner, err error) {
	text, _ := v.(string)
	digits, reserved := strings.CutPrefix(text, reservedPrefix)
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return o, unexpected()
	}
	return nameOwner{id: id, reserved: reserved}, nil
}

// reserve returns whose the name is, after reserving it for a new id if it was nobody's, or replace's.
func (s *Store) reserve(ctx context.Context, name, replace string) (nameOwner, error) {
	key := s.keys.name(name)
	c := &call{key: key, function: reserveFunction, keys: []string{key}, args: []any{s.cfg.newID(), reservedSeconds, replace}}
	if s.do(ctx, c); c.err != nil {
		return nameOwner{}, c.err
	}
	return parseOwner(c.reply)
}

// make makes the account that a name stands for, unless it is there, and lists its name, unless it is not new.
// taken: the id belongs to another name.
func (s *Store) make(ctx context.Context, owner nameOwner, name string, kind route.Kind, secret route.SecretHash) (a route.Account, created, taken bool, err error) {
	key := s.keys.account(owner.id)
	made := &call{
		key: key, function: createFunction, keys: []string{key}, durable: true,
		args: []any{name, int(kind), secret[:], s.cfg.WaitReplicas > 0},
	}
	calls := []*call{made}
	if owner.reserved {
		index := s.keys.index(name)
		calls = append(calls, &call{key: index, args: []any{"zadd", index, 0, name}, durable: true})
	}
	s.do(ctx, calls...)
	for _, c := range calls {
		if c.err != nil {
			return a, false, false, c.err
		}
	}
	r := newReply(made.reply)
	code := r.number()
	a = route.Account{ID: owner.id, Name: name, Kind: route.Kind(r.number()), Disabled: r.number() == 1}
	return a, code == 0, code == 2, r.err()
}

// complete gives a reserved name to its account. kept is false when the reservation ran out and the name is
// another's by now: then nobody was told of this account.
func (s *Store) complete(ctx context.Context, owner nameOwner, name string) (kept bool, err error) {
	if !owner.reserved {
		return true, nil
	}
	key := s.keys.name(name)
	c := &call{key: key, function: completeFunction, keys: []string{key}, args: []any{owner.id}, durable: true}
	if s.do(ctx, c); c.err != nil {
		return false, c.err
	}
	now, err := parseOwner(c.reply)
	return err == nil && now == nameOwner{id: owner.id}, err
}

// SetSecret implements route.Accounts.
func (s *Store) SetSecret(ctx context.Context, id int64, secret route.SecretHash) error {
	return s.change(ctx, id, secretFunction, secret[:])
}

// SetDisabled implements route.Accounts.
func (s *Store) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	return s.change(ctx, id, disableFunction, disabled, s.cfg.WaitReplicas > 0)
}

func (s *Store) change(ctx context.Context, id int64, how function, args ...any) error {
	key := s.keys.account(id)
	c := &call{key: key, function: how, keys: []string{key}, args: args, durable: true}
	if s.do(ctx, c); c.err != nil {
		return c.err
	}
	if found, ok := c.reply.(int64); !ok || found == 0 {
		return fmt.Errorf("redisstore: %w", route.ErrUnknownUser)
	}
	return nil
}
