package peer

import (
	"context"

	cimpb "cim/proto"
	"cim/route"
)

// A call's messages are sent in parts that leave room in a batch for those of others.
const (
	maxPartItems = maxBatchItems / 4
	maxPartBytes = MaxBatchBytes / 4
)

// pushPart is what one call of Push puts into one batch.
type pushPart struct {
	lane    *lane
	index   []int // of its pushes in the call
	item    *item
	results []cimpb.PushResult
	err     error
}

// Push implements route.Peer. When only some of it failed, that is answered PushUnknown: what is stored stays stored,
// and what is not must not be sent again. Errors: route.ErrOverloaded, ErrTooLarge, ErrUnanswered and others when
// all of it failed.
func (t *target) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	parts := t.split(ctx, pushes)
	for _, p := range parts {
		if p.err = p.lane.enqueue(p.item); p.err == nil {
			t.client.counters.pushes.Add(uint64(len(p.index)))
		} else {
			p.item.lost()
		}
	}
	for _, p := range parts {
		if p.err == nil {
			p.err = p.item.wait()
		}
	}
	return merge(parts, len(pushes))
}

// split sorts pushes by lane, in order, and into parts that are not too large. A push that is too large by itself
// is a part of its own.
func (t *target) split(ctx context.Context, pushes []route.Push) []*pushPart {
	var parts []*pushPart
	open := make(map[*lane]*pushPart, len(t.lanes))
	for i := range pushes {
		l := t.lane(pushes[i].User)
		cost := itemBytes + len(pushes[i].Body)
		p := open[l]
		if p == nil || p.item.count == maxPartItems || p.item.cost+cost > maxPartBytes {
			p = &pushPart{lane: l}
			p.item = newItem(ctx, p.adder(pushes), 0, 0)
			p.item.message, p.item.keep = true, true
			p.item.lost = func() { t.miss(nil, p.stored(pushes)) }
			parts, open[l] = append(parts, p), p
		}
		p.index = append(p.index, i)
		p.item.cost += cost
		p.item.count++
		if pushes[i].Seq == 0 {
			p.item.once, p.item.keep = true, false
		}
	}
	return parts
}

func (p *pushPart) adder(pushes []route.Push) func(*cimpb.PushBatch) func(*cimpb.PushReply) {
	return func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Pushes)
		for _, i := range p.index {
			m.Pushes = append(m.Pushes, &cimpb.Push{
				User: pushes[i].User, SessionEpoch: pushes[i].SessionEpoch,
				Seq: pushes[i].Seq, LogEpoch: pushes[i].LogEpoch, Body: pushes[i].Body,
			})
		}
		return func(r *cimpb.PushReply) { p.results = r.Pushes[n : n+len(p.index)] }
	}
}

// stored are the receivers of what is in an inbox, and can be read there.
func (p *pushPart) stored(pushes []route.Push) []int64 {
	var users []int64
	for _, i := range p.index {
		if pushes[i].Seq != 0 {
			users = append(users, pushes[i].User)
		}
	}
	return users
}

// merge puts the answers of all parts together, in the order of the call.
func merge(parts []*pushPart, n int) ([]route.PushResult, error) {
	results := make([]route.PushResult, n)
	known := n == 0
	var failure error
	for _, p := range parts {
		if p.err != nil && failure == nil {
			failure = p.err
		}
		for k, i := range p.index {
			results[i] = route.PushUnknown
			if p.err == nil && p.results[k] != cimpb.PushResult_PUSH_UNSPECIFIED {
				results[i], known = pushResult(p.results[k]), true
			}
		}
	}
	switch {
	case known:
		return results, nil
	case failure == nil:
		failure = ErrUnanswered // the server could not say
	}
	return nil, failure
}
