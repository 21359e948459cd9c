package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// accountCacheSize bounds the accounts that are kept decoded: some 14 MiB.
const accountCacheSize = 64 << 10

// accounts is what readers know about accounts without the disk.
type accounts struct {
	mu      sync.RWMutex
	cache   map[int64]route.Credentials // guarded by mu
	changes uint64                      // guarded by mu; rounds that changed an account

	// atomic. Ids rise, so an account above this one is not yet on the disk, and Pebble showing it early
	// must not make it known: an id that was answered and then lost could be given twice.
	durable atomic.Int64
}

// publish makes what a round made and changed known.
func (a *accounts) publish(made map[string]route.Credentials, changed map[int64]route.Credentials) {
	for _, account := range made {
		a.keep(account)
		if account.ID > a.durable.Load() {
			a.durable.Store(account.ID) // the committer is the only writer
		}
	}
	if len(changed) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	for _, account := range changed {
		a.put(account)
	}
}

// keep must not be called with what a reader read: see keepRead.
func (a *accounts) keep(account route.Credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(account)
}

// keepRead keeps what was read from the disk, unless an account has changed since: it could be this one, as it
// was before.
func (a *accounts) keepRead(account route.Credentials, changes uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == changes {
		a.put(account)
	}
}

// put must run with mu held.
func (a *accounts) put(account route.Credentials) {
	if len(a.cache) >= accountCacheSize {
		for id := range a.cache {
			delete(a.cache, id) // any one: map order is random
			break
		}
	}
	a.cache[account.ID] = account
}

// cached also returns what keepRead needs.
func (a *accounts) cached(id int64) (account route.Credentials, changes uint64, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	account, ok = a.cache[id]
	return account, a.changes, ok
}

type createRequest struct {
	ticket
	name    string
	kind    route.Kind
	secret  route.SecretHash
	account route.Account
	created bool
	err     error
}

// Create implements route.Accounts.
func (s *Store) Create(ctx context.Context, name string, kind route.Kind, secret route.SecretHash) (route.Account, bool, error) {
	if err := route.CheckName(name); err != nil {
		return route.Account{}, false, fmt.Errorf("embedded: %w", err)
	}
	if a, err := s.ByName(ctx, name); !errors.Is(err, route.ErrUnknownUser) {
		return a, false, err
	}
	r := &createRequest{ticket: newTicket(), name: name, kind: kind, secret: secret}
	if err := s.submit(ctx, r); err != nil {
		return route.Account{}, false, err
	}
	if err := r.wait(ctx, s.endedCh); err != nil {
		return route.Account{}, false, err
	}
	return r.account, r.created, r.err
}

func (c *createRequest) first() bool { return false }

func (c *createRequest) weight() int { return 200 }

func (c *createRequest) apply(r *round) {
	if made, ok := r.accounts[c.name]; ok {
		c.account = made.Account
		return
	}
	a, ok, err := readName(r.store.db, c.name)
	if ok || err != nil {
		c.account, c.err = a, err
		return
	}
	c.account, c.err = r.create(c)
	c.created = c.err == nil
}

func (c *createRequest) finish(_ *Store, err error) {
	if err != nil {
		c.account, c.created, c.err = route.Account{}, false, err
	}
}

// create adds an account to the round. Its id looks like CIM's, which is the clock in milliseconds, but is
// never the same twice.
func (r *round) create(c *createRequest) (route.Account, error) {
	s := r.store
	if r.full {
		return route.Account{}, route.ErrDiskFull
	}
	id := max(s.lastID+1, int64(min(r.nowMs, route.MaxID)))
	if id > route.MaxID {
		return route.Account{}, fmt.Errorf("%w: the ids are used up", route.ErrStoreUnavailable)
	}
	s.lastID = id
	a := route.Credentials{
		Account: route.Account{ID: id, Name: c.name, Kind: c.kind}, Secret: c.secret, Generation: 1,
	}
	r.set(nameKey(c.name), append(uint64Value(uint64(id)), byte(c.kind)))
	r.set(appendUserKey(nil, kindAccount, id), recordValue(&a))
	r.set(keyLastAccount, uint64Value(uint64(id)))
	r.accounts[c.name] = a
	r.sync = true
	return a.Account, nil
}

// readName finds an account by name, whether its round is on the disk or not. Whether it is disabled stands in
// its record only.
func readName(db *pebble.DB, name string) (a route.Account, ok bool, err error) {
	value, closer, err := db.Get(nameKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("%w: read name: %w", route.ErrStoreUnavailable, err)
	}
	defer closer.Close()
	a, err = parseName(name, value)
	return a, err == nil, err
}

func parseName(name string, value []byte) (route.Account, error) {
	if len(value) != 9 {
		return route.Account{}, fmt.Errorf("%w: name: %w", route.ErrStoreUnavailable, errCorrupt)
	}
	return route.Account{ID: int64(binary.BigEndian.Uint64(value)), Name: name, Kind: route.Kind(value[8])}, nil
}
