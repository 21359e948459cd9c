package route

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errDirectoryAway is a store that cannot say where users are.
var errDirectoryAway = errors.New("the directory does not answer")

// briefly asks the store on behalf of what is not stored, and is worth a short wait only: Config.PushPatience, and none
// while the store is known not to answer. Errors: errDirectoryAway, and those of ask.
func (r *Router) briefly(ctx context.Context, ask func(context.Context) error) error {
	if r.outage.lasting.Load() {
		return errDirectoryAway
	}
	return r.probe(ctx, ask)
}

// probe is briefly whatever is known, and notes whether the store answered.
func (r *Router) probe(ctx context.Context, ask func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, r.cfg.PushPatience)
	defer cancel()
	err := ask(limited)
	switch {
	case err == nil:
		if r.outage.ends() {
			r.cfg.Logger.Info("the directory answers again")
		}
		return nil
	case ctx.Err() != nil:
		return err // the caller has given up, which says nothing of the store
	case limited.Err() == nil && !errors.Is(err, ErrStoreUnavailable):
		return err
	}
	if r.outage.begins(time.Now()) {
		r.cfg.Logger.Warn("the directory does not answer: servers are asked for the receivers of what is not stored", "err", err)
	}
	return fmt.Errorf("%w: %w", errDirectoryAway, err)
}

// where is a brief Directory.Lookup.
func (r *Router) where(ctx context.Context, users []int64) (at []Location, err error) {
	err = r.briefly(ctx, func(ctx context.Context) (err error) {
		at, err = r.cfg.Directory.Lookup(ctx, users)
		return err
	})
	return at, err
}

// checkReceivers looks for the accounts of those who are sent what is not stored. Of the others, the Inbox says
// that they do not exist. When nobody can say, somebody without an account is somebody who is not connected.
func (d *delivery) checkReceivers(ctx context.Context) {
	var ids []int64
	for i := range d.sends {
		if d.unstored(i) {
			ids = append(ids, d.sends[i].To)
		}
	}
	missing, err := d.unknown(ctx, ids)
	for i := range d.sends {
		switch {
		case !d.unstored(i) || errors.Is(err, errDirectoryAway):
		case err != nil:
			d.out[i].Err = fmt.Errorf("look up the receiver: %w", err)
		case missing[d.sends[i].To]:
			d.out[i].Err = ErrUnknownUser
		}
	}
}

// locate finds the receivers of what is not stored.
func (d *delivery) locate(ctx context.Context) {
	var users []int64
	var index []int
	for i, s := range d.sends {
		if d.unstored(i) {
			users = append(users, s.To)
			index = append(index, i)
		}
	}
	d.lookup(ctx, users, index, &d.targets)
}

func (d *delivery) lookup(ctx context.Context, users []int64, index []int, found *[]target) {
	if len(users) == 0 {
		return
	}
	at, err := d.where(ctx, users)
	away := errors.Is(err, errDirectoryAway)
	for n, i := range index {
		switch {
		case err == nil && at[n].Held():
			*found = append(*found, target{index: i, at: at[n]})
		case err == nil || d.out[i].Stored:
		case away:
			d.asks = append(d.asks, &ask{index: i})
		default:
			d.out[i].Err = fmt.Errorf("look up the receiver's session: %w", err)
		}
	}
}

// pushAgain looks once more for receivers who moved between the look-up and the push.
func (d *delivery) pushAgain(ctx context.Context) {
	var users []int64
	var index []int
	before := make(map[int]Location)
	for _, t := range d.absent {
		users = append(users, d.sends[t.index].To)
		index = append(index, t.index)
		before[t.index] = t.at
	}
	var found, moved []target
	d.lookup(ctx, users, index, &found)
	for _, t := range found {
		if t.at != before[t.index] {
			moved = append(moved, t)
		}
	}
	d.push(ctx, moved)
}
