package client

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"slices"
	"sync"

	cimpb "cim/proto"
)

// sink takes encoded frames; a conn is one.
type sink interface{ write(frames []byte) }

// pending is one SEND without its SENT.
type pending struct {
	id       uint64
	qos      cimpb.QoS
	frame    []byte
	answerCh chan answer // one answer for each add

	// guarded by the outbox's mu
	order     uint64        // of add
	queued    *list.Element // waits to be written; nil: not
	inFlight  bool          // written to the connection of the moment, and unanswered
	written   bool          // written to any connection, ever
	abandoned bool          // nobody waits for it any more; it still holds send credit
}

// answer is what became of a pending.
type answer struct {
	receipt Receipt
	err     error
}

// outbox holds the sends that are not answered, writes as many of them as the server's send credit allows,
// and writes them again, with the same ids, to the next connection: the server knows repetitions by id.
type outbox struct {
	busyCh chan struct{} // a send was added; see Client.enqueue

	mu       sync.Mutex
	byID     map[uint64]*pending
	queue    list.List // of *pending, in the order of writing
	inFlight int
	out      sink // nil while there is no connection
	credit   int
	maxFrame int           // that the server takes; 0: it did not say
	held     bool          // nothing is written: the connection is about to be replaced
	idleCh   chan struct{} // closed when nothing is in flight any more; nil: nobody waits for that
	closed   error         // why nothing is taken any more
	resent   uint64
	adds     uint64
}

func newOutbox() *outbox {
	return &outbox{busyCh: make(chan struct{}, 1), byID: map[uint64]*pending{}}
}

// add takes p over; its answer comes on answerCh.
func (o *outbox) add(p *pending) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed != nil:
		return o.closed
	case p.qos == cimpb.QoS_AT_MOST_ONCE && o.out == nil:
		return ErrDisconnected
	}
	if err := o.enter(p); err != nil {
		return err
	}
	o.pump()
	signal(o.busyCh)
	return nil
}

// enter puts p in the table. A message whose first sender gave up is taken over where it is.
func (o *outbox) enter(p *pending) error {
	old, taken := o.byID[p.id]
	switch {
	case !taken:
		o.adds++
		p.order = o.adds
		p.queued = o.queue.PushBack(p)
	case !old.abandoned:
		return ErrDuplicateID
	default:
		p.order, p.inFlight, p.written = old.order, old.inFlight, old.written
	}
	o.byID[p.id] = p
	return nil
}

// pump writes what the credit allows. A frame that the server would not take is refused here: the server
// would end the connection, and every one after it.
func (o *outbox) pump() {
	for o.out != nil && !o.held && o.inFlight < o.credit && o.queue.Len() > 0 {
		p := o.queue.Front().Value.(*pending)
		o.unqueue(p)
		if o.maxFrame > 0 && len(p.frame) > o.maxFrame {
			o.settle(p, answer{err: refusal(cimpb.CodeTooLarge)})
			continue
		}
		if p.written {
			o.resent++
		}
		p.inFlight, p.written = true, true
		o.inFlight++
		o.out.write(p.frame)
	}
}

func (o *outbox) unqueue(p *pending) {
	if p.queued != nil {
		o.queue.Remove(p.queued)
		p.queued = nil
	}
}

// settle takes p out of the table and answers it.
func (o *outbox) settle(p *pending, a answer) {
	o.unqueue(p)
	delete(o.byID, p.id)
	if p.inFlight {
		p.inFlight = false
		o.inFlight--
		o.tellIdle()
	}
	if !p.abandoned {
		p.answerCh <- a // has room: one answer for each add
	}
}

// answered takes the SENT of an id. One that nobody waits for is the answer to a repetition.
func (o *outbox) answered(id uint64, a answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p, ok := o.byID[id]; ok && p.inFlight {
		o.settle(p, a)
		o.pump()
	}
}

// abandon ends the wait for p and reports whether it may have been delivered. One that is in flight keeps
// its credit until its answer comes: the server counts it too.
func (o *outbox) abandon(p *pending) (written bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byID[p.id] != p {
		return p.written
	}
	p.abandoned = true
	if !p.inFlight {
		o.settle(p, answer{})
	}
	return p.written
}

// hold writes nothing more until release or a new connection, and closes the channel when all that was written
// is answered.
func (o *outbox) hold() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	idleCh := make(chan struct{})
	o.held, o.idleCh = true, idleCh
	o.tellIdle()
	return idleCh
}

// tellIdle must run with mu held.
func (o *outbox) tellIdle() {
	if o.inFlight == 0 && o.idleCh != nil {
		close(o.idleCh)
		o.idleCh = nil
	}
}

// release ends hold, for the old connection.
func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held, o.idleCh = false, nil
	o.pump()
}

// moved goes over to a new connection with what the old one left unanswered. At no moment is there none.
func (o *outbox) moved(out sink, w *cimpb.Welcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putBack(true)
	o.begin(out, w)
}

// connected writes everything that is unanswered, in its order, to a new connection.
func (o *outbox) connected(out sink, w *cimpb.Welcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin(out, w)
}

// begin must run with mu held.
func (o *outbox) begin(out sink, w *cimpb.Welcome) {
	o.held, o.idleCh = false, nil
	o.out, o.maxFrame = out, int(w.GetMaxFrameBytes())
	o.credit = defaultCredit
	if n := int(w.GetSendCredit()); n > 0 {
		o.credit = n
	}
	o.pump()
}

// disconnected ends the writing until there is a new connection.
func (o *outbox) disconnected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out, o.held, o.idleCh = nil, false, nil
	o.putBack(false)
}

// putBack puts what was in flight back in front, in the order in which it was added. QoS 0 is
// answered: nobody knows whether it arrived, and it must not arrive twice. Where the client moves, one that was
// not written yet waits like the others. putBack must run with mu held.
func (o *outbox) putBack(moving bool) {
	for _, p := range slices.Backward(o.sorted()) {
		switch {
		case p.qos == cimpb.QoS_AT_MOST_ONCE && (p.inFlight || !moving):
			o.settle(p, answer{err: ErrDisconnected})
		case p.abandoned:
			o.settle(p, answer{})
		case p.inFlight:
			p.inFlight = false
			o.inFlight--
			p.queued = o.queue.PushFront(p)
		}
	}
}

func (o *outbox) sorted() []*pending {
	all := make([]*pending, 0, len(o.byID))
	for _, p := range o.byID {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pending) int { return cmp.Compare(a.order, b.order) })
	return all
}

// close answers everything with why, and refuses what comes after.
func (o *outbox) close(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return
	}
	o.closed, o.out = why, nil
	for _, p := range o.sorted() {
		err := why
		if p.written && !errors.Is(why, ErrOutcomeUnknown) {
			err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, why)
		}
		o.settle(p, answer{err: err})
	}
}

// busy reports whether anybody waits for an answer.
func (o *outbox) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.byID) > 0
}

func (o *outbox) resends() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.resent
}
