package route

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// ask is one send to a user of whom the Directory cannot say where they are. Whichever server has a session of theirs
// writes to it; two servers that both have one, of which one is out of date, both do, once each.
type ask struct {
	index   int    // of the send
	first   string // server that is asked before the others; "": none
	nowhere bool   // a moment ago no server had the user
	refused bool   // it would be too much to ask all

	written int // guarded by delivery.mu; sessions that have it
	slow    int // guarded by delivery.mu; sessions that cannot take it
	absent  int // guarded by delivery.mu; servers without the user
	silent  int // guarded by delivery.mu; servers that did not say, and may have written it
}

// ask pushes what could not be located: to the server that had the user last, or this process's own, and to all others
// if that one has not.
func (d *delivery) ask(ctx context.Context) {
	if len(d.asks) == 0 {
		return
	}
	now := time.Now()
	var wg sync.WaitGroup
	defer wg.Wait()
	if d.outage.probeDue(now) {
		wg.Go(func() { d.knock(ctx) })
	}
	d.push(ctx, d.guesses(now))
	d.push(ctx, d.others(now))
	for _, a := range d.asks {
		d.answer(a)
		if a.nobody() && !a.nowhere {
			d.outage.sight(d.sends[a.index].To, "", now)
		}
	}
}

// knock looks whether the Directory answers again, while servers are asked in its place. It asks for all users of the
// delivery: of a store on several machines, one may be away.
func (d *delivery) knock(ctx context.Context) {
	users := make([]int64, len(d.asks))
	for n, a := range d.asks {
		users[n] = d.sends[a.index].To
	}
	_ = d.probe(ctx, func(ctx context.Context) error { // that it failed is noted, and nobody waits for the answer
		_, err := d.cfg.Directory.Lookup(ctx, users)
		return err
	})
}

// guesses are pushes to where users are likely to be. All sends to one user go the same way, which keeps their order.
func (d *delivery) guesses(now time.Time) []target {
	var targets []target
	guessed := make(map[int64]ask)
	for _, a := range d.asks {
		user := d.sends[a.index].To
		g, ok := guessed[user]
		if !ok {
			g = d.guess(user, now)
			guessed[user] = g
		}
		a.first, a.nowhere = g.first, g.nowhere
		if a.first != "" {
			targets = append(targets, a.at(a.first))
		}
	}
	return targets
}

func (d *delivery) guess(user int64, now time.Time) ask {
	instance, seen := d.outage.seen(user, now)
	if !seen {
		return ask{first: d.cfg.Local}
	}
	return ask{first: instance, nowhere: instance == ""}
}

// at is the push of a to one server.
func (a *ask) at(instance string) target {
	return target{index: a.index, at: Location{Instance: instance}, ask: a}
}

// others are pushes to all servers but the first, of what that one had no session for.
func (d *delivery) others(now time.Time) []target {
	servers := d.cfg.Registry.Servers()
	var targets []target
	for _, a := range d.asks {
		switch {
		case a.nowhere || a.found():
			continue
		case !d.outage.afford(len(servers), now):
			a.refused = true
			continue
		}
		for _, s := range servers {
			if s.Instance != a.first {
				targets = append(targets, a.at(s.Instance))
			}
		}
	}
	d.outage.counts.pushes.Add(uint64(len(targets)))
	return targets
}

// told notes what a server said to an ask. It must run with mu held.
func (d *delivery) told(t target, result PushResult) {
	switch result {
	case PushWritten:
		t.ask.written++
	case PushSlow:
		t.ask.slow++
	case PushAbsent:
		t.ask.absent++
		return
	case PushUnknown:
		t.ask.silent++
		return
	}
	d.outage.sight(d.sends[t.index].To, t.at.Instance, time.Now())
}

// found reports whether a server has the user.
func (a *ask) found() bool { return a.written+a.slow > 0 }

// nobody reports whether every server that may have the user said that it has not.
func (a *ask) nobody() bool {
	return a.nowhere || a.absent > 0 && a.silent == 0 && !a.refused && !a.found()
}

// answer tells the sender what came of an ask, and counts it.
func (d *delivery) answer(a *ask) {
	o, counts := &d.out[a.index], &d.outage.counts
	o.Online, o.Reached = a.found(), a.written
	switch {
	case a.written > 0:
		counts.written.Add(1)
	case a.slow > 0:
		o.Err = ErrSlow
		counts.slow.Add(1)
	case a.refused:
		o.Err = fmt.Errorf("%w: too many servers have to be asked while the directory does not answer", ErrOverloaded)
		counts.overloaded.Add(1)
	case a.nobody():
		o.Err = ErrOffline
		counts.offline.Add(1)
	default:
		o.Err = fmt.Errorf("%w: the directory is away, and not every server said whether it has the receiver", ErrStoreUnavailable)
		counts.unknown.Add(1)
	}
}
