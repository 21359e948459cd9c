package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"cim/netcore"
	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

// claimsAtOnce lets a store group the claims of one batch, and its releases.
const claimsAtOnce = 32

// backend is what the IM server sees of routing.
type backend struct {
	router   *route.Router
	instance string
	log      *slog.Logger
	gate     *auth.Gate // nil: logins need no ticket
	refused  *prometheus.CounterVec
	strays   *strays
}

// Claim implements netcore.Backend.
func (b *backend) Claim(ctx context.Context, claims []netcore.Claim) []netcore.ClaimResult {
	results := make([]netcore.ClaimResult, len(claims))
	inParallel(len(claims), claimsAtOnce, func(i int) { results[i] = b.claim(ctx, claims[i]) })
	return results
}

func (b *backend) claim(ctx context.Context, c netcore.Claim) netcore.ClaimResult {
	generation, err := b.enter(c)
	if err != nil {
		return b.refuse(err)
	}
	s, err := b.router.Claim(ctx, route.Login{
		User: c.User, Name: c.Name, Device: c.Device, Instance: b.instance,
		Cursor: route.Cursor(c.Cursor), Reserved: c.Reserved,
		Generation: generation,
	})
	if err != nil {
		if claimLost(err) {
			b.strays.add(c.User)
		}
		return b.refuse(err)
	}
	return netcore.ClaimResult{
		User: s.ID, Name: s.Name, Device: s.Kind == route.Device, Epoch: s.Epoch,
		Inbox: netcore.Inbox(s.Inbox), Shared: netcore.Cursor(s.Shared),
	}
}

// Release implements netcore.Backend.
func (b *backend) Release(ctx context.Context, refs []netcore.SessionRef) {
	var failed atomic.Int64
	var last atomic.Value
	inParallel(len(refs), claimsAtOnce, func(i int) {
		if err := b.router.Release(ctx, refs[i].User, refs[i].Epoch); err != nil {
			b.strays.add(refs[i].User)
			failed.Add(1)
			last.Store(err.Error())
		}
	})
	if n := failed.Load(); n > 0 {
		b.log.Warn("sessions were not released; they are when the store answers, and whoever logs in takes them over", "count", n, "err", last.Load())
	}
}

// Deliver implements netcore.Backend.
func (b *backend) Deliver(ctx context.Context, sends []netcore.Send) []netcore.SendResult {
	rs := make([]route.Send, len(sends))
	for i, s := range sends {
		rs[i] = route.Send{
			From: s.From, FromName: s.FromName, Device: s.Device, ClientMsgID: s.ClientMsgID,
			To: s.To, Everyone: s.Everyone, Body: s.Body,
		}
		if s.Stored {
			rs[i].QoS = route.AtLeastOnce
		}
	}
	results := make([]netcore.SendResult, len(sends))
	for i, o := range b.router.Deliver(ctx, rs) {
		results[i] = sendResult(o)
	}
	return results
}

func sendResult(o route.Outcome) netcore.SendResult {
	if o.Err != nil {
		code := sendCode(o.Err)
		return netcore.SendResult{Code: code, RetryAfterMs: retryAfter(code)}
	}
	if o.Stored {
		return netcore.SendResult{
			Code: cimpb.CodeStored, Cursor: netcore.Cursor{LogEpoch: o.LogEpoch, Seq: o.Seq}, Offline: !o.Online,
		}
	}
	return netcore.SendResult{Code: cimpb.CodeWritten}
}

// Acknowledge implements netcore.Backend.
func (b *backend) Acknowledge(ctx context.Context, acks []netcore.Ack) {
	ra := make([]route.Ack, len(acks))
	for i, a := range acks {
		ra[i] = route.Ack{User: a.User, Cursor: route.Cursor(a.Cursor)}
	}
	if err := b.router.Acknowledge(ctx, ra); err != nil {
		// Harmless for correctness: what is not acknowledged is delivered again and dropped there.
		b.log.Warn("acknowledgements were not stored", "count", len(acks), "err", err)
	}
}

// Backlog implements netcore.Backend.
func (b *backend) Backlog(ctx context.Context, user int64, after netcore.Cursor, limit, maxBytes int) (netcore.Backlog, error) {
	p, err := b.router.Backlog(ctx, user, route.Cursor(after), limit, maxBytes)
	if err != nil {
		return netcore.Backlog{}, err
	}
	out := netcore.Backlog{
		Inbox: netcore.Inbox(p.Position), Shared: netcore.Cursor(p.Shared), Messages: make([]netcore.Stored, len(p.Messages)),
	}
	for i, m := range p.Messages {
		out.Messages[i] = netcore.Stored(m)
	}
	return out, nil
}

// retrySoonMs is how long a client waits after a refusal that may pass.
const retrySoonMs = 1000

func retryAfter(code cimpb.Code) uint32 {
	switch code {
	case cimpb.CodeStoreUnavailable, cimpb.CodeOverloaded, cimpb.CodeStoreDown, cimpb.CodeDiskFull, cimpb.CodeBusy:
		return retrySoonMs
	}
	return 0
}

// claimCode says to a client why its login failed.
func claimCode(err error) cimpb.Code {
	switch {
	case errors.Is(err, route.ErrUnknownUser), errors.Is(err, route.ErrNameMismatch):
		return cimpb.CodeUnknownAccount
	case errors.Is(err, route.ErrHeld):
		return cimpb.CodeDuplicateSession
	}
	return cimpb.CodeStoreDown
}

// claimLost reports whether a claim may have been made although it failed.
func claimLost(err error) bool {
	_, aboutTicket := ticketCode(err)
	return aboutTicket == "" && claimCode(err) == cimpb.CodeStoreDown
}

// sendCode says to a client why its message was refused.
func sendCode(err error) cimpb.Code {
	switch {
	case errors.Is(err, route.ErrUnknownUser):
		return cimpb.CodeUnknownUser
	case errors.Is(err, route.ErrOffline):
		return cimpb.CodeOffline
	case errors.Is(err, route.ErrSlow):
		return cimpb.CodeSlow
	case errors.Is(err, route.ErrInboxFull):
		return cimpb.CodeInboxFull
	case errors.Is(err, route.ErrDiskFull):
		return cimpb.CodeDiskFull
	case errors.Is(err, route.ErrOverloaded):
		return cimpb.CodeOverloaded
	}
	return cimpb.CodeStoreUnavailable
}

// inParallel calls do for 0 to n-1, limit at a time, and waits.
func inParallel(n, limit int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, limit) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
