package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"cim/route"
)

// Limits of one call of append.lua. Redis does nothing else meanwhile.
const (
	callEntries = 256
	callBytes   = 1 << 20
)

// messageName stands for (sender, device, client message id): 96 bits of its SHA-256, so that a name costs the same
// whatever devices choose for ids. Two that collide take 2^48 tries to find and fool nobody but their sender.
func messageName(e *route.Entry) []byte {
	var space [96]byte
	b := binary.BigEndian.AppendUint64(space[:0], uint64(e.Sender))
	b = binary.BigEndian.AppendUint64(b, e.ClientMsgID)
	b = append(b, e.Device...)
	sum := sha256.Sum256(b)
	return sum[:12]
}

// receiverPart is what one call of Append has for one receiver: one call of append.lua, so that whatever becomes of it, on
// whichever attempt, becomes of it as a whole and in order.
type receiverPart struct {
	receiver int64
	index    []int // of entries
	bytes    int
}

// Append implements route.Inbox.
func (s *Store) Append(ctx context.Context, entries []route.Entry) []route.Appended {
	answers := make([]route.Appended, len(entries))
	for _, round := range split(entries) {
		calls := make([]*call, len(round))
		for i, part := range round {
			calls[i] = s.appendCall(entries, part)
		}
		s.do(ctx, calls...)
		for i, part := range round {
			s.noteMemory(calls[i].err)
			answer(answers, part, calls[i])
		}
	}
	return answers
}

// split groups entries by receiver. What is too much for one call of append.lua goes into the next round, which begins when
// the one before has been answered.
func split(entries []route.Entry) (rounds [][]*receiverPart) {
	type open struct {
		*receiverPart
		round int
	}
	filling := make(map[int64]open, len(entries))
	for i := range entries {
		e := &entries[i]
		p, ok := filling[e.Receiver]
		full := ok && (len(p.index) == callEntries || p.bytes+len(e.Body) > callBytes)
		if !ok || full {
			if full {
				p.round++
			}
			if p.round == len(rounds) {
				rounds = append(rounds, nil)
			}
			p.receiverPart = &receiverPart{receiver: e.Receiver}
			rounds[p.round] = append(rounds[p.round], p.receiverPart)
			filling[e.Receiver] = p
		}
		p.index = append(p.index, i)
		p.bytes += len(e.Body)
	}
	return rounds
}

func (s *Store) appendCall(entries []route.Entry, part *receiverPart) *call {
	id := part.receiver
	args := make([]any, 0, 5+3*len(part.index))
	args = append(args, s.cfg.InboxMessages, s.cfg.InboxBytes, dedupSeconds, route.DedupPerUser, s.cfg.WaitReplicas > 0)
	for _, i := range part.index {
		e := &entries[i]
		args = append(args, messageName(e), e.MustExist, e.Body)
	}
	return &call{
		key: s.keys.user(id), function: appendFunction, durable: true, args: args,
		keys: []string{s.keys.user(id), s.keys.inbox(id), s.keys.dedup(id), s.keys.account(id)},
	}
}

func (s *Store) noteMemory(err error) {
	switch {
	case err == nil:
		if s.outOfMemory.Load() {
			s.outOfMemory.Store(false)
		}
	case errors.Is(err, ErrOutOfMemory) && s.outOfMemory.CompareAndSwap(false, true):
		s.cfg.Logger.Error("Redis has reached its maxmemory and stores no more messages; raise maxmemory")
	}
}

// answer gives every entry of a part what append.lua said of it.
func answer(answers []route.Appended, part *receiverPart, c *call) {
	r := newReply(c.reply)
	holder, log := route.Location{}, uint64(0)
	if c.err == nil {
		holder, log = r.location(), r.number()
	}
	for _, i := range part.index {
		if c.err != nil {
			answers[i] = route.Appended{Err: c.err}
			continue
		}
		answers[i] = appended(r, holder, log)
	}
}

// What append.lua answers for each message.
const (
	appendStored = iota
	appendDuplicate
	appendFull
	appendUnknown
)

func appended(r *reply, holder route.Location, log uint64) route.Appended {
	code, seq := r.number(), r.number()
	switch {
	case r.bad || code > appendUnknown:
		return route.Appended{Err: unexpected()}
	case code == appendFull:
		return route.Appended{Err: route.ErrInboxFull}
	case code == appendUnknown:
		return route.Appended{Err: route.ErrUnknownUser}
	}
	return route.Appended{Seq: seq, LogEpoch: log, Duplicate: code == appendDuplicate, Holder: holder}
}
