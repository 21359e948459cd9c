package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Deliver routes each send and says what became of it, in order. Sends to one receiver with the same QoS
// keep their order. A stored send is durable when Deliver returns.
func (r *Router) Deliver(ctx context.Context, sends []Send) []Outcome {
	out := make([]Outcome, len(sends))
	d := delivery{Router: r, sends: sends, out: out}
	d.store(ctx)
	d.checkReceivers(ctx)
	d.locate(ctx)
	d.push(ctx, d.targets)
	d.pushAgain(ctx)
	d.ask(ctx)
	d.settle()
	d.everyone(ctx)
	return out
}

// delivery is one call of Deliver on its way through its steps.
type delivery struct {
	*Router
	sends   []Send
	out     []Outcome
	targets []target // what is to be pushed
	asks    []*ask   // what is to be pushed to whoever has the receiver

	mu     sync.Mutex
	absent []target        // guarded by mu; what was not where it should have been
	slow   map[string]bool // guarded by mu; instances that have used up the time to answer
}

// target is one send with the session it goes to.
type target struct {
	index int // of the send
	at    Location
	ask   *ask // not nil: the server is one of those that are asked, and at has no epoch
}

// single reports whether send i goes to one receiver and has not failed yet.
func (d *delivery) single(i int) bool { return !d.sends[i].Everyone && d.out[i].Err == nil }

// unstored reports whether send i goes to one receiver, now or never.
func (d *delivery) unstored(i int) bool { return d.single(i) && d.sends[i].QoS == AtMostOnce }

// store appends what has to survive, in one call.
func (d *delivery) store(ctx context.Context) {
	var entries []Entry
	var index []int
	for i, s := range d.sends {
		if !d.single(i) || s.QoS != AtLeastOnce {
			continue
		}
		id := s.ClientMsgID
		for id == 0 {
			// Chosen before the first attempt: clients of stores repeat calls on their own.
			id = rand.Uint64()
		}
		entries = append(entries, Entry{
			Receiver: s.To, Sender: s.From, Device: s.Device, ClientMsgID: id, Body: s.Body, MustExist: !d.known.has(s.To),
		})
		index = append(index, i)
	}
	if len(entries) == 0 {
		return
	}
	for n, a := range d.cfg.Inbox.Append(ctx, entries) {
		if entries[n].MustExist && a.Err == nil {
			d.known.add(entries[n].Receiver)
		}
		d.stored(index[n], a)
	}
}

func (d *delivery) stored(i int, a Appended) {
	o := &d.out[i]
	if a.Err != nil {
		o.Err = a.Err
		return
	}
	o.Stored, o.Seq, o.LogEpoch, o.Duplicate = true, a.Seq, a.LogEpoch, a.Duplicate
	if a.Holder.Held() {
		d.targets = append(d.targets, target{index: i, at: a.Holder})
	}
}

// push sends each server its part, all servers at once.
func (d *delivery) push(ctx context.Context, targets []target) {
	byServer := make(map[string][]target)
	for _, t := range targets {
		byServer[t.at.Instance] = append(byServer[t.at.Instance], t)
	}
	var wg sync.WaitGroup
	for instance, part := range byServer {
		p, ok := d.peer(instance)
		if !ok {
			continue
		}
		pushOne := func() { d.pushTo(ctx, instance, p, part) }
		if len(byServer) == 1 {
			pushOne()
			return
		}
		wg.Go(pushOne)
	}
	wg.Wait()
}

func (d *delivery) pushTo(ctx context.Context, instance string, p Peer, part []target) {
	var results []PushResult
	err := d.patiently(ctx, instance, func(ctx context.Context) (err error) {
		results, err = p.Push(ctx, d.pushes(part))
		return err
	})
	if errors.Is(err, errSlowServer) {
		results, err = slices.Repeat([]PushResult{PushUnknown}, len(part)), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pushed(part, results, err)
}

func (d *delivery) pushes(part []target) []Push {
	pushes := make([]Push, len(part))
	for n, t := range part {
		o := d.out[t.index]
		pushes[n] = Push{
			User: d.sends[t.index].To, SessionEpoch: t.at.Epoch,
			Cursor: Cursor{LogEpoch: o.LogEpoch, Seq: o.Seq}, Body: d.sends[t.index].Body,
		}
	}
	return pushes
}

// pushed must run with mu held.
func (d *delivery) pushed(part []target, results []PushResult, err error) {
	for n, t := range part {
		switch {
		case t.ask != nil && err != nil:
			t.ask.silent++
		case t.ask != nil:
			d.told(t, results[n])
		case err == nil: // or what is stored stays stored; the rest is settled as offline
			d.settled(t, results[n])
		}
	}
}

// settled must run with mu held.
func (d *delivery) settled(t target, result PushResult) {
	o := &d.out[t.index]
	switch result {
	case PushWritten:
		o.Online, o.Reached = true, 1
	case PushSlow, PushUnknown:
		o.Online = true
	case PushAbsent:
		d.absent = append(d.absent, t)
	}
}

// settle gives a reason to what was neither stored nor written.
func (d *delivery) settle() {
	for i := range d.sends {
		o := &d.out[i]
		if !d.single(i) || o.Stored || o.Reached > 0 {
			continue
		}
		o.Err = ErrOffline
		if o.Online {
			o.Err = ErrSlow
		}
	}
}

// everyone sends each broadcast once to each server.
func (d *delivery) everyone(ctx context.Context) {
	for i, s := range d.sends {
		if s.Everyone {
			d.out[i].Reached = d.broadcast(ctx, Broadcast{Body: s.Body, Except: s.From, PeopleOnly: s.From != 0})
		}
	}
}

// broadcast returns how many sessions were reached, as far as is known. A server that does not answer costs its own
// sessions only: a message to everyone is QoS 0. Servers that drain come first: who moves meanwhile, and had left there before the
// message came, has logged in at a server that it comes to afterwards. All at once, somebody could miss it at both.
func (d *delivery) broadcast(ctx context.Context, b Broadcast) int {
	var first, then []listedPeer
	for _, s := range d.cfg.Registry.Servers() {
		switch p, ok := d.cfg.Peers.Peer(s); {
		case !ok:
		case p.Draining():
			first = append(first, listedPeer{p, s.Instance})
		default:
			then = append(then, listedPeer{p, s.Instance})
		}
	}
	head, cancel := context.WithTimeout(ctx, drainHeadStart)
	defer cancel()
	return d.broadcastTo(head, first, b) + d.broadcastTo(ctx, then, b)
}

// drainHeadStart is how long the others wait for servers that drain, and may hang.
const drainHeadStart = 100 * time.Millisecond

// listedPeer is a Peer with the instance that it is.
type listedPeer struct {
	Peer
	instance string
}

// broadcastTo sends b to servers, all at once.
func (d *delivery) broadcastTo(ctx context.Context, servers []listedPeer, b Broadcast) int {
	var wg sync.WaitGroup
	var reached atomic.Int64
	for _, p := range servers {
		wg.Go(func() {
			err := d.patiently(ctx, p.instance, func(ctx context.Context) error {
				n, err := p.Broadcast(ctx, b)
				if err == nil {
					reached.Add(int64(n))
				}
				return err
			})
			if err != nil {
				d.cfg.Logger.Warn("a message to everyone did not reach a server, or not yet", "instance", p.instance, "err", err)
			}
		})
	}
	wg.Wait()
	return int(reached.Load())
}
