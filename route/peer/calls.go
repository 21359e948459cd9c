package peer

import (
	"context"
	"fmt"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

// ask sends one question and waits for the answer, which add has taken apart.
func (t *target) ask(ctx context.Context, l *lane, cost int, add func(*cimpb.PushBatch) func(*cimpb.PushReply)) error {
	return l.ask(newItem(ctx, add, cost, 1))
}

func (l *lane) ask(i *item) error {
	if err := l.enqueue(i); err != nil {
		if i.lost != nil {
			i.lost()
		}
		return err
	}
	return i.wait()
}

// Broadcast implements route.Peer. It is never repeated, so an error may come after the message has.
func (t *target) Broadcast(ctx context.Context, b route.Broadcast) (int, error) {
	var reached uint32
	i := newItem(ctx, func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Broadcasts)
		m.Broadcasts = append(m.Broadcasts, &cimpb.Broadcast{Body: b.Body, Except: b.Except, PeopleOnly: b.PeopleOnly})
		return func(r *cimpb.PushReply) { reached = r.Broadcasts[n] }
	}, itemBytes+len(b.Body), 1)
	i.message, i.once, i.keep = true, true, true
	// The first lane has them all, so that they keep their order.
	if err := t.lanes[0].enqueue(i); err != nil {
		return 0, err
	}
	t.client.counters.broadcasts.Add(1)
	if err := i.wait(); err != nil {
		return 0, err
	}
	return int(reached), nil
}

// Holds implements route.Peer.
func (t *target) Holds(ctx context.Context, user int64, epoch uint64) (bool, error) {
	var holds bool
	err := t.ask(ctx, t.lane(user), itemBytes, func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Holds)
		m.Holds = append(m.Holds, &cimpb.SessionRef{User: user, SessionEpoch: epoch})
		return func(r *cimpb.PushReply) { holds = r.Holds[n] }
	})
	if err != nil {
		return false, err
	}
	return holds, nil
}

// Expect implements route.Peer.
func (t *target) Expect(ctx context.Context, user int64, within time.Duration) (route.Admission, error) {
	return t.expect(ctx, &cimpb.Expect{User: user, WithinMs: milliseconds(within)})
}

// Reserve implements route.Peer.
func (t *target) Reserve(ctx context.Context, a route.Account, epoch uint64) error {
	_, err := t.expect(ctx, &cimpb.Expect{User: a.ID, Name: a.Name, Device: a.Kind == route.Device, SessionEpoch: epoch})
	return err
}

func (t *target) expect(ctx context.Context, e *cimpb.Expect) (route.Admission, error) {
	var given *cimpb.Admission
	err := t.ask(ctx, t.lane(e.User), itemBytes+len(e.Name), func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Expects)
		m.Expects = append(m.Expects, e)
		return func(r *cimpb.PushReply) { given = r.Admissions[n] }
	})
	switch {
	case err != nil:
		return route.Admission{}, err
	case !given.GetAccepted():
		return route.Admission{}, fmt.Errorf("%w: %s refuses", route.ErrNoServer, t.instance)
	case given.NotBeforeMs == 0:
		return route.Admission{}, nil
	}
	return route.Admission{NotBefore: time.UnixMilli(given.NotBeforeMs)}, nil
}

// Kick implements route.Peer. After an error the server is told when it answers again, as long as it is listed.
func (t *target) Kick(ctx context.Context, user int64, epoch uint64, why route.KickReason) (bool, error) {
	k := kick{user, epoch, why}
	var kicked bool
	i := newItem(ctx, func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Kicks)
		m.Kicks = append(m.Kicks, k.ref())
		return func(r *cimpb.PushReply) { kicked = r.Kicks[n] }
	}, itemBytes, 1)
	i.keep = true
	i.lost = func() { t.miss([]kick{k}, nil) }
	if err := t.lane(user).ask(i); err != nil {
		return false, err
	}
	return kicked, nil
}

func (k kick) ref() *cimpb.SessionRef {
	return &cimpb.SessionRef{User: k.user, SessionEpoch: k.epoch, Code: kickCode(k.why)}
}

// CatchUp implements route.Peer.
func (t *target) CatchUp(ctx context.Context, user int64) (bool, error) {
	var here bool
	err := t.ask(ctx, t.lane(user), itemBytes, func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.CatchUps)
		m.CatchUps = append(m.CatchUps, user)
		return func(r *cimpb.PushReply) { here = r.CatchUps[n] }
	})
	if err != nil {
		return false, err
	}
	return here, nil
}

// Online implements route.Peer. A page has 10,000 users at most.
func (t *target) Online(ctx context.Context, after int64, limit int) ([]int64, int64, error) {
	var page *cimpb.OnlinePage
	limit = max(0, min(limit, maxOnlineUsers))
	// The cost is that of the answer, so that the answers of one batch fit into a reply.
	err := t.ask(ctx, t.lanes[0], itemBytes+limit*onlineUserSize, func(m *cimpb.PushBatch) func(*cimpb.PushReply) {
		n := len(m.Onlines)
		m.Onlines = append(m.Onlines, &cimpb.OnlineAsk{After: after, Limit: uint32(limit)})
		return func(r *cimpb.PushReply) { page = r.Onlines[n] }
	})
	switch {
	case err != nil:
		return nil, 0, err
	case page.GetFailed():
		return nil, 0, fmt.Errorf("%w for who is online", ErrUnanswered)
	}
	return page.GetUsers(), page.GetNext(), nil
}

// Draining implements route.Peer.
func (t *target) Draining() bool {
	h := t.heard.Load()
	return h != nil && h.load.Draining
}

// Load implements route.Peer. What the server said within the last second will do.
func (t *target) Load(ctx context.Context) (route.Load, error) {
	if !t.heardWithin(freshLoad) || t.down.Load() {
		if err := t.ask(ctx, t.lanes[0], itemBytes, addNothing); err != nil {
			return route.Load{}, err
		}
	}
	if h := t.heard.Load(); h != nil {
		return h.load, nil
	}
	return route.Load{}, fmt.Errorf("%w: it does not say its load", ErrBadReply)
}
