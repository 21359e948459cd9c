package embedded

import (
	"context"
	"encoding/binary"

	"cim/route"
)

// Limits of one appendRequest; a longer Append is several, which bounds a round.
const (
	appendEntries = 256
	appendBytes   = 1 << 20
)

type appendRequest struct {
	ticket
	entries   []route.Entry // the caller's; not read outside apply
	answers   []route.Appended
	receivers []int64 // of entries
	bytes     int
}

// Append implements route.Inbox. An entry whose answer wraps ctx's error or route.ErrStoreUnavailable may have
// been stored all the same; sending it again under its name settles that.
func (s *Store) Append(ctx context.Context, entries []route.Entry) []route.Appended {
	answers := make([]route.Appended, 0, len(entries))
	var waiting []*appendRequest
	for rest := entries; len(rest) > 0; {
		r := nextAppend(rest)
		rest = rest[len(r.entries):]
		if err := s.submit(ctx, r); err != nil {
			r.refuse(err)
			r.answer()
		}
		waiting = append(waiting, r)
	}
	for _, r := range waiting {
		if err := r.wait(ctx, s.endedCh); err != nil {
			answers = appendRefusals(answers, len(r.receivers), err)
			continue
		}
		answers = append(answers, r.answers...)
	}
	return answers
}

// nextAppend cuts the entries of one request off rest.
func nextAppend(rest []route.Entry) *appendRequest {
	n, size := 0, 0
	var receivers []int64
	for n < len(rest) && n < appendEntries && (n == 0 || size+len(rest[n].Body) <= appendBytes) {
		size += len(rest[n].Body)
		receivers = append(receivers, rest[n].Receiver)
		n++
	}
	return &appendRequest{
		ticket: newTicket(), entries: rest[:n], bytes: size,
		answers: make([]route.Appended, n), receivers: receivers,
	}
}

func appendRefusals(answers []route.Appended, n int, err error) []route.Appended {
	for range n {
		answers = append(answers, route.Appended{Err: err})
	}
	return answers
}

// refuse answers every entry with err.
func (a *appendRequest) refuse(err error) {
	a.answers = appendRefusals(a.answers[:0], len(a.receivers), err)
}

func (a *appendRequest) first() bool { return false }

func (a *appendRequest) weight() int { return a.bytes + 100*len(a.answers) }

func (a *appendRequest) apply(r *round) {
	for i := range a.entries {
		a.answers[i] = r.append(&a.entries[i])
	}
}

func (a *appendRequest) finish(s *Store, err error) {
	if err != nil {
		a.refuse(err)
		return
	}
	for i, user := range a.receivers {
		if a.answers[i].Err == nil {
			a.answers[i].Holder = s.directory.holder(user)
		}
	}
}

// append adds one entry to the round.
func (r *round) append(e *route.Entry) route.Appended {
	s := r.store
	if err := s.mustExist(e); err != nil {
		return route.Appended{Err: err}
	}
	in, err := s.inboxes.get(s.db, e.Receiver)
	if err == nil {
		err = s.inboxes.learnNames(s.db, in)
	}
	if err != nil {
		return route.Appended{Err: err}
	}
	n, sec := nameOf(e), uint32(r.nowMs/1000)
	if seq, ok := in.names.find(n, sec); ok {
		// The first one was synced, or is in this round and will be.
		return route.Appended{Seq: seq, LogEpoch: in.logEpoch, Duplicate: true}
	}
	if err := r.admit(in, len(e.Body)); err != nil {
		return route.Appended{Err: err}
	}
	r.write(in, n, sec, e.Body)
	return route.Appended{Seq: in.last, LogEpoch: in.logEpoch}
}

// mustExist looks for the receiver's account when the entry asks for it. Committer only.
func (s *Store) mustExist(e *route.Entry) error {
	if !e.MustExist {
		return nil
	}
	c, err := s.byID(e.Receiver)
	if err == nil && c.ID == 0 {
		err = route.ErrUnknownUser
	}
	return err
}

// admit checks the caps.
func (r *round) admit(in *inbox, size int) error {
	cfg := &r.store.cfg
	switch {
	case r.full:
		return route.ErrDiskFull
	case in.last-in.acked >= uint64(cfg.InboxMessages),
		in.stored-in.dropped+uint64(size) > uint64(cfg.InboxBytes):
		return route.ErrInboxFull
	}
	return nil
}

// write puts a message and its name into the batch, and what the inbox need no longer remember out of it.
func (r *round) write(in *inbox, n name, sec uint32, body []byte) {
	if in.last == 0 && in.logEpoch == 0 {
		in.logEpoch = max(1, r.nowMs)
	}
	in.last++
	in.stored += uint64(len(body))
	in.passing = false
	r.change(in)
	r.sync = true

	r.key = appendSeqKey(r.key[:0], kindMessage, in.user, in.last)
	r.value = binary.BigEndian.AppendUint64(r.value[:0], in.stored)
	r.value = append(r.value, body...)
	r.set(r.key, r.value)

	r.store.inboxes.remember(in, func(known *names) {
		r.key = appendSeqKey(r.key[:0], kindDedup, in.user, in.last)
		r.value = known.add(in.last, n, sec).appendTo(r.value[:0])
		r.set(r.key, r.value)
		from, to := known.trim(sec)
		r.deleteSeqs(kindDedup, in.user, from, to)
	})
}

// rangeFrom is how many keys are worth a range tombstone. Each costs every later read of a memtable that holds
// it, which sorts them anew; a point tombstone costs only its place.
const rangeFrom = 256

// deleteSeqs drops the keys of seqs in [from, to).
func (r *round) deleteSeqs(kind byte, user int64, from, to uint64) {
	if to-from >= rangeFrom {
		r.deleteRange(appendSeqKey(nil, kind, user, from), appendSeqKey(nil, kind, user, to))
		return
	}
	for seq := from; seq < to; seq++ {
		r.key = appendSeqKey(r.key[:0], kind, user, seq)
		r.delete(r.key)
	}
}
