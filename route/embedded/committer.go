package embedded

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

// Limits of the committer.
const (
	queueLength   = 1024    // requests that wait; more callers wait for room
	roundRequests = 1024    // requests of one round, so that nobody waits for an endless one
	roundBytes    = 4 << 20 // of one round; half of what Pebble takes without a detour around the memtable
)

// round is one group commit: the requests that are answered together, after one write to the disk.
// Confined to the committer.
type round struct {
	store    *Store
	batch    *pebble.Batch
	nowMs    uint64
	full     bool // the disk is: nothing that grows
	sync     bool // the answer promises durability
	requests []request
	begun    []request
	inboxes  []*inbox                     // changed in this round
	accounts map[string]route.Credentials // made in this round
	changed  map[int64]route.Credentials  // in this round
	key      []byte                       // scratch
	value    []byte                       // scratch
}

// monitorQueue is the committer: the one goroutine that changes inboxes and accounts. It takes whatever is
// queued, so that the more callers wait, the more share the cost of one write to the disk. It ends when
// stopCh closes, and fails what is left.
func (s *Store) monitorQueue() {
	defer close(s.endedCh)
	r := &round{store: s, accounts: map[string]route.Credentials{}, changed: map[int64]route.Credentials{}}
	for {
		select {
		case <-s.stopCh:
			s.failQueue()
			return
		case first := <-s.queueCh:
			r.collect(first)
			s.runRound(r)
		}
	}
}

func (s *Store) failQueue() {
	err := fmt.Errorf("%w: closed", route.ErrStoreUnavailable)
	for {
		select {
		case r := <-s.queueCh:
			r.finish(s, err)
			r.answer()
		default:
			return
		}
	}
}

// collect takes what is queued, up to the limits of a round.
func (r *round) collect(first request) {
	r.requests = append(r.requests[:0], first)
	weight := first.weight()
	for len(r.requests) < roundRequests && weight < roundBytes {
		select {
		case next := <-r.store.queueCh:
			r.requests = append(r.requests, next)
			weight += next.weight()
		default:
			return
		}
	}
}

func (s *Store) runRound(r *round) {
	err := s.unavailable()
	if err == nil {
		r.begin()
		r.applyAll(true)
		r.applyAll(false)
		err = r.commit()
	}
	answered := r.begun
	if err != nil {
		answered = r.requests // a request that was withdrawn has nobody who waits
	}
	for _, q := range answered {
		q.finish(s, err)
		q.answer()
	}
	r.reset()
	s.inboxes.evict(s.cfg.cacheBytes)
}

func (r *round) begin() {
	s := r.store
	r.batch = s.db.NewBatch()
	r.nowMs = s.nowMs()
	r.full = s.disk.full(s.cfg.Now())
}

func (r *round) applyAll(first bool) {
	for _, q := range r.requests {
		if q.first() != first || !q.begin() {
			continue
		}
		q.apply(r)
		q.end()
		r.begun = append(r.begun, q)
	}
}

// commit writes the round and makes it visible. Every error is one of the store as a whole.
func (r *round) commit() error {
	s := r.store
	for _, in := range r.inboxes {
		r.key = appendUserKey(r.key[:0], kindMeta, in.user)
		r.value = in.appendTo(r.value[:0])
		r.set(r.key, r.value)
	}
	if err := s.commit(r.batch, r.sync); err != nil {
		return err
	}
	s.inboxes.publish(r.inboxes)
	s.accounts.publish(r.accounts, r.changed)
	return nil
}

func (r *round) reset() {
	clear(r.requests)
	clear(r.begun)
	clear(r.inboxes)
	clear(r.accounts)
	clear(r.changed)
	if r.batch != nil && r.store.unavailable() == nil {
		_ = r.batch.Close() // returns its buffer; there is nothing left to fail
	}
	*r = round{
		store: r.store, accounts: r.accounts, changed: r.changed, key: r.key, value: r.value,
		requests: r.requests[:0], begun: r.begun[:0], inboxes: r.inboxes[:0],
	}
}

// change notes that an inbox differs from what is committed.
func (r *round) change(in *inbox) {
	if !in.dirty {
		in.dirty = true
		r.inboxes = append(r.inboxes, in)
	}
}

// set and the like ignore the batch's errors: they come only of a batch that was applied or closed.

func (r *round) set(key, value []byte) { _ = r.batch.Set(key, value, nil) }

func (r *round) delete(key []byte) { _ = r.batch.Delete(key, nil) }

func (r *round) deleteRange(from, to []byte) { _ = r.batch.DeleteRange(from, to, nil) }
