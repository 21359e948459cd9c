package peer

import (
	"slices"

	cimpb "cim/proto"
)

// batch is one request in the making.
type batch struct {
	msg   *cimpb.PushBatch
	items []*item
	once  bool    // something in it must not be sent twice
	kicks []kick  // in it, which were missed before
	again []int64 // users in it who have missed something
}

func (l *lane) newBatch() *cimpb.PushBatch {
	return &cimpb.PushBatch{FromInstance: l.t.client.cfg.Instance, ToInstance: l.t.instance}
}

// next takes as much of what waits as one batch holds, questions first; nil when nothing does.
func (l *lane) next() *batch {
	b := &batch{msg: l.newBatch()}
	room := MaxBatchBytes - itemBytes - len(l.t.instance) - len(b.msg.FromInstance)
	count := maxBatchItems / 2
	l.mu.Lock()
	asks, late := l.asks.take(&room, &count, l.late)
	count += maxBatchItems / 2 // a storm of questions leaves messages their half
	messages, tooLate := l.messages.take(&room, &count, l.late)
	l.mu.Unlock()
	l.drop(late)
	l.drop(tooLate)
	b.items = slices.Concat(asks, messages)
	l.addMissed(b, room, count)
	if len(b.items)+len(b.kicks)+len(b.again) == 0 {
		if len(late)+len(tooLate) > 0 {
			return l.next()
		}
		return nil
	}
	for _, i := range b.items {
		i.read = i.add(b.msg)
		b.once = b.once || i.once
	}
	for _, k := range b.kicks {
		b.msg.Kicks = append(b.msg.Kicks, k.ref())
	}
	b.msg.CatchUps = append(b.msg.CatchUps, b.again...)
	return b
}

// addMissed fills the rest of a batch with what the server has missed. That comes after the questions that
// somebody waits for, whose answers are taken by their places.
func (l *lane) addMissed(b *batch, room, count int) {
	if l.probes && !l.t.down.Load() {
		b.kicks, b.again = l.t.missed.take(min(room/itemBytes, count))
	}
}

func (l *lane) late(i *item) bool { return i.late(l.t.client.cfg.Timeout) != nil }

// drop ends items that nobody waits for any more.
func (l *lane) drop(items []*item) {
	for _, i := range items {
		err := i.late(l.t.client.cfg.Timeout)
		l.settle([]*item{i}, nil, err)
	}
}

// take removes items from the front for which there is room, and all that are late before them.
func (q *queue) take(room, count *int, isLate func(*item) bool) (taken, late []*item) {
	n := 0
	for _, i := range q.items {
		if isLate(i) {
			late = append(late, i)
		} else {
			// An item of more than a batch's count goes alone; splitPushes makes none.
			if i.cost > *room || i.count > *count {
				break
			}
			*room -= i.cost
			*count -= i.count
			taken = append(taken, i)
		}
		q.bytes -= i.cost
		n++
	}
	q.items = slices.Delete(q.items, 0, n)
	return taken, late
}

// fits reports whether a reply answers a batch list for list.
func fits(b *cimpb.PushBatch, r *cimpb.PushReply) bool {
	return len(r.Pushes) == len(b.Pushes) && len(r.Broadcasts) == len(b.Broadcasts) && len(r.Holds) == len(b.Holds) &&
		len(r.Admissions) == len(b.Expects) && len(r.Kicks) == len(b.Kicks) && len(r.CatchUps) == len(b.CatchUps) &&
		len(r.Onlines) == len(b.Onlines)
}
