package peer

import (
	"context"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

// answer does what a batch asks for, list for list. Questions come first: messages may wait for event loops.
func (g *Ingress) answer(ctx context.Context, b *cimpb.PushBatch) *cimpb.PushReply {
	r := &cimpb.PushReply{Instance: g.cfg.Instance}
	local := g.cfg.Local
	for _, h := range b.Holds {
		holds, err := local.Holds(ctx, h.User, h.SessionEpoch)
		r.Holds = append(r.Holds, holds && err == nil)
	}
	for _, k := range b.Kicks {
		kicked, err := local.Kick(ctx, k.User, k.SessionEpoch, kickReason(k.Code))
		r.Kicks = append(r.Kicks, kicked && err == nil)
	}
	for _, e := range b.Expects {
		r.Admissions = append(r.Admissions, g.admit(ctx, e))
	}
	for _, ask := range b.Onlines {
		r.Onlines = append(r.Onlines, g.online(ctx, ask))
	}
	g.deliver(ctx, b, r)
	for _, user := range b.CatchUps {
		here, err := local.CatchUp(ctx, user)
		r.CatchUps = append(r.CatchUps, here && err == nil)
	}
	g.counters.asks.Add(uint64(len(b.Holds) + len(b.Kicks) + len(b.Expects) + len(b.Onlines) + len(b.CatchUps)))
	r.Load = g.load(ctx)
	return r
}

func (g *Ingress) admit(ctx context.Context, e *cimpb.Expect) *cimpb.Admission {
	if e.SessionEpoch != 0 {
		return &cimpb.Admission{Accepted: g.cfg.Local.Reserve(ctx, accountOf(e), e.SessionEpoch) == nil}
	}
	a, err := g.cfg.Local.Expect(ctx, e.User, time.Duration(e.WithinMs)*time.Millisecond)
	if err != nil {
		return &cimpb.Admission{}
	}
	answer := &cimpb.Admission{Accepted: true}
	if !a.NotBefore.IsZero() {
		answer.NotBeforeMs = a.NotBefore.UnixMilli()
	}
	return answer
}

func (g *Ingress) online(ctx context.Context, ask *cimpb.OnlineAsk) *cimpb.OnlinePage {
	users, next, err := g.cfg.Local.Online(ctx, ask.After, int(min(ask.Limit, maxOnlineUsers)))
	return &cimpb.OnlinePage{Users: users, Next: next, Failed: err != nil}
}

// deliver hands all messages on.
func (g *Ingress) deliver(ctx context.Context, b *cimpb.PushBatch, r *cimpb.PushReply) {
	if len(b.Pushes) > 0 {
		r.Pushes = g.push(ctx, b.Pushes)
		g.counters.pushes.Add(uint64(len(b.Pushes)))
	}
	for _, c := range b.Broadcasts {
		reached, err := g.cfg.Local.Broadcast(ctx, route.Broadcast{Body: c.Body, Except: c.Except, PeopleOnly: c.PeopleOnly})
		if err != nil {
			reached = 0
		}
		r.Broadcasts = append(r.Broadcasts, count(reached))
	}
	g.counters.broadcasts.Add(uint64(len(b.Broadcasts)))
}

// push answers PUSH_UNSPECIFIED for all when the server cannot say.
func (g *Ingress) push(ctx context.Context, pushes []*cimpb.Push) []cimpb.PushResult {
	asked := make([]route.Push, len(pushes))
	for i, p := range pushes {
		asked[i] = route.Push{
			User: p.User, SessionEpoch: p.SessionEpoch, Body: p.Body,
			Cursor: route.Cursor{LogEpoch: p.LogEpoch, Seq: p.Seq},
		}
	}
	answers := make([]cimpb.PushResult, len(pushes))
	results, err := g.cfg.Local.Push(ctx, asked)
	if err != nil {
		return answers
	}
	for i, result := range results {
		answers[i] = pushAnswer(result)
	}
	return answers
}

func (g *Ingress) load(ctx context.Context) *cimpb.Load {
	l, err := g.cfg.Local.Load(ctx)
	if err != nil {
		return nil
	}
	return &cimpb.Load{
		Sessions: count(l.Sessions), Conns: count(l.Conns), Capacity: count(l.Capacity), Draining: l.Draining,
	}
}
