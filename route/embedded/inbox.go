package embedded

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// inbox is what is in memory of one user's inbox.
type inbox struct {
	user int64

	// committer: as the round being built will leave it
	meta
	names      names
	namesKnown bool // names were read
	dirty      bool // changed in this round
	passing    bool // nothing was stored since it was read; it leaves with its round
	newer      *inbox
	older      *inbox

	// guarded by inboxes.mu
	published meta // as committed
}

// inboxBytes is what an inbox without names costs in memory, with its place in the map.
const inboxBytes = 256

func (in *inbox) cost() int { return inboxBytes + rememberedSize*cap(in.names.entries) }

// inboxes caches the inboxes in use, least recently used out first. The committer owns it; readers only look
// up what is published.
type inboxes struct {
	// committer
	newest  *inbox
	oldest  *inbox
	cost    int
	passing []*inbox // read in this round

	mu     sync.Mutex
	byUser map[int64]*inbox // guarded by mu; written by the committer only
}

// cacheBytes bounds what the cache costs: 4,000 users with all the names they may have. Those who only connect
// are not kept: a fleet of idle devices must not pay for inboxes that nobody writes to. What is not in it
// costs a look at Pebble's cache.
const cacheBytes = 64 << 20

// published returns what is committed of a user's inbox in the cache.
func (c *inboxes) published(user int64) (meta, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in, ok := c.byUser[user]
	if !ok {
		return meta{}, false
	}
	return in.published, true
}

// publish makes the round's changes visible.
func (c *inboxes) publish(changed []*inbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range changed {
		in.published = in.meta
		in.dirty = false
	}
}

// get returns a user's inbox, from memory or from db. Committer only.
func (c *inboxes) get(db *pebble.DB, user int64) (*inbox, error) {
	if in := c.byUser[user]; in != nil {
		c.unlink(in)
		c.pushNewest(in)
		return in, nil
	}
	m, err := readMeta(db, user)
	if err != nil {
		return nil, err
	}
	in := &inbox{user: user, meta: m, published: m, passing: true}
	c.passing = append(c.passing, in)
	c.mu.Lock()
	c.byUser[user] = in
	c.mu.Unlock()
	c.cost += in.cost()
	c.pushNewest(in)
	return in, nil
}

// evict forgets those that were only looked at, and the least recently used until the rest fits in limit.
// Between rounds only: an inbox with changes that are not committed must stay. Committer only.
func (c *inboxes) evict(limit int) {
	for _, in := range c.passing {
		if in.passing {
			c.forget(in)
		}
	}
	clear(c.passing)
	c.passing = c.passing[:0]
	for c.cost > limit && c.oldest != nil {
		c.forget(c.oldest)
	}
}

func (c *inboxes) forget(in *inbox) {
	c.unlink(in)
	c.cost -= in.cost()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byUser, in.user)
}

func (c *inboxes) pushNewest(in *inbox) {
	in.older, in.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = in
	}
	c.newest = in
	if c.oldest == nil {
		c.oldest = in
	}
}

func (c *inboxes) unlink(in *inbox) {
	if in.newer != nil {
		in.newer.older = in.older
	} else {
		c.newest = in.older
	}
	if in.older != nil {
		in.older.newer = in.newer
	} else {
		c.oldest = in.newer
	}
}

// learnNames reads the remembered names of an inbox once. Committer only.
func (c *inboxes) learnNames(db *pebble.DB, in *inbox) error {
	if in.namesKnown {
		return nil
	}
	known, err := readNames(db, in.user)
	if err != nil {
		return err
	}
	c.remember(in, func(n *names) { *n, in.namesKnown = known, true })
	return nil
}

// remember changes the names of an inbox and accounts for their memory. Committer only.
func (c *inboxes) remember(in *inbox, change func(*names)) {
	before := in.cost()
	change(&in.names)
	c.cost += in.cost() - before
}

func readMeta(db *pebble.DB, user int64) (meta, error) {
	var key [9]byte
	value, closer, err := db.Get(appendUserKey(key[:0], kindMeta, user))
	if errors.Is(err, pebble.ErrNotFound) {
		return meta{}, nil
	}
	if err != nil {
		return meta{}, fmt.Errorf("%w: read inbox: %w", route.ErrStoreUnavailable, err)
	}
	defer closer.Close()
	m, err := parseMeta(value)
	if err != nil {
		return meta{}, fmt.Errorf("%w: inbox of %d: %w", route.ErrStoreUnavailable, user, err)
	}
	return m, nil
}

func readNames(db *pebble.DB, user int64) (known names, err error) {
	prefix := appendUserKey(nil, kindDedup, user)
	err = scan(db, prefix, after(prefix), func(key, value []byte) (bool, error) {
		r, err := parseRemembered(value)
		if err != nil {
			return false, err
		}
		if len(known.entries) == 0 {
			known.first = seqOfKey(key)
		}
		known.entries = append(known.entries, r)
		return true, nil
	})
	return known, err
}

// scan calls each for the keys of [from, to) in order until it returns false. Key and value die with the call.
func scan(db *pebble.DB, from, to []byte, each func(key, value []byte) (bool, error)) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("%w: scan: %w", route.ErrStoreUnavailable, err)
	}
	more := true
	for ok := it.First(); ok && more && err == nil; ok = it.Next() {
		more, err = each(it.Key(), it.Value())
	}
	if err = errors.Join(err, it.Error(), it.Close()); err != nil {
		return fmt.Errorf("%w: scan: %w", route.ErrStoreUnavailable, err)
	}
	return nil
}
