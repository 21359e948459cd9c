package main

import (
	"context"

	"cim/netcore"
	"cim/route"
)

// Renew implements netcore.Backend.
func (b *backend) Renew(ctx context.Context, refs []netcore.RenewRef) []netcore.RenewResult {
	rs := make([]route.Renewal, len(refs))
	for i, r := range refs {
		rs[i] = route.Renewal{User: r.User, Epoch: r.Epoch, Instance: b.instance, Device: r.Device, Written: route.Cursor(r.Written)}
	}
	results := make([]netcore.RenewResult, len(refs))
	var lost []int
	for i, r := range b.router.Renew(ctx, rs) {
		results[i] = netcore.RenewResult{State: renewStates[r.State], Inbox: netcore.Inbox(r.Inbox), Err: r.Err}
		if r.Err == nil && r.State == route.RenewLost {
			lost = append(lost, i)
		}
	}
	b.tellReplaced(ctx, refs, results, lost)
	return results
}

var renewStates = map[route.RenewState]netcore.RenewState{
	route.RenewKept: netcore.RenewKept, route.RenewRestored: netcore.RenewRestored, route.RenewLost: netcore.RenewLost,
}

// tellReplaced tells those among the lost sessions that have a successor: their clients must not come back and
// end it. A successor that nobody holds is what a lost answer of the store has left; its client has to come back. Nobody is
// lost but after a failure, so this is seldom asked. Without an answer a client comes back and is told then.
func (b *backend) tellReplaced(ctx context.Context, refs []netcore.RenewRef, results []netcore.RenewResult, lost []int) {
	if len(lost) == 0 {
		return
	}
	users := make([]int64, len(lost))
	for n, i := range lost {
		users[n] = refs[i].User
	}
	at, err := b.router.Holders(ctx, users)
	if err != nil {
		b.log.Warn("lost sessions were not told from replaced ones", "count", len(lost), "err", err)
		return
	}
	inParallel(len(lost), claimsAtOnce, func(n int) {
		i := lost[n]
		if at[n].Epoch > refs[i].Epoch && b.router.Lives(ctx, users[n], at[n]) {
			results[i].State = netcore.RenewReplaced
		}
	})
}
