package netcore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// thing is how the device id of a device account begins, for fakeBackend.
const thing = "thing"

// fakeBackend grants everything and keeps inboxes in memory. What it is told goes to its channels. The hooks
// stand in for its own answers; they are set before the server starts.
type fakeBackend struct {
	onClaim   func(context.Context, Claim) ClaimResult
	onDeliver func(context.Context, []Send) []SendResult
	onRenew   func(context.Context, []RenewRef) []RenewResult
	onBacklog func(context.Context, int64, Cursor) (Backlog, error)

	claimedCh  chan Claim
	releasedCh chan SessionRef
	ackedCh    chan Ack
	sentCh     chan Send

	mu    sync.Mutex
	boxes map[int64]*fakeInbox

	epoch atomic.Uint64
	reads atomic.Int64 // calls of Backlog
}

// fakeInbox holds bodies; that of seq n is bodies[n-1].
type fakeInbox struct {
	epoch   uint64
	earlier Cursor // the log before, and how far it is the same
	acked   uint64
	bodies  [][]byte
}

const fakeRoom = 1 << 14 // of the channels: more than a test causes

func newFakeBackend() *fakeBackend {
	return &fakeBackend{
		claimedCh: make(chan Claim, fakeRoom), releasedCh: make(chan SessionRef, fakeRoom),
		ackedCh: make(chan Ack, fakeRoom), sentCh: make(chan Send, fakeRoom), boxes: make(map[int64]*fakeInbox),
	}
}

func (b *fakeBackend) Claim(ctx context.Context, claims []Claim) []ClaimResult {
	results := make([]ClaimResult, len(claims))
	for i, c := range claims {
		b.claimedCh <- c
		if b.onClaim != nil {
			results[i] = b.onClaim(ctx, c)
			continue
		}
		results[i] = b.grant(c)
	}
	return results
}

// grant is the answer without a hook: a session of the next epoch.
func (b *fakeBackend) grant(c Claim) ClaimResult {
	r := ClaimResult{
		User: c.User, Name: fmt.Sprint("user-", c.User), Device: strings.HasPrefix(c.Device, thing),
		Epoch: b.epoch.Add(1), Inbox: b.inbox(c.User),
	}
	if c.Reserved != 0 {
		r.Epoch = c.Reserved
	}
	return r
}

func (b *fakeBackend) Renew(ctx context.Context, refs []RenewRef) []RenewResult {
	if b.onRenew != nil {
		return b.onRenew(ctx, refs)
	}
	results := make([]RenewResult, len(refs))
	for i, r := range refs {
		results[i].Inbox = b.inbox(r.User)
	}
	return results
}

func (b *fakeBackend) Release(_ context.Context, refs []SessionRef) {
	for _, r := range refs {
		b.releasedCh <- r
	}
}

func (b *fakeBackend) Deliver(ctx context.Context, sends []Send) []SendResult {
	for _, s := range sends {
		b.sentCh <- s
	}
	if b.onDeliver != nil {
		return b.onDeliver(ctx, sends)
	}
	results := make([]SendResult, len(sends))
	for i := range results {
		results[i].Code = cimpb.CodeWritten
	}
	return results
}

func (b *fakeBackend) Acknowledge(_ context.Context, acks []Ack) {
	for _, a := range acks {
		b.ackedCh <- a
	}
}

func (b *fakeBackend) Backlog(ctx context.Context, user int64, after Cursor, limit, _ int) (Backlog, error) {
	b.reads.Add(1)
	if b.onBacklog != nil {
		return b.onBacklog(ctx, user, after)
	}
	return b.page(user, after, limit), nil
}

// page is the answer without a hook.
func (b *fakeBackend) page(user int64, after Cursor, limit int) Backlog {
	in := b.inbox(user)
	b.mu.Lock()
	defer b.mu.Unlock()
	page := Backlog{Inbox: in, Shared: Cursor{in.LogEpoch, in.Last}}
	if after.LogEpoch != in.LogEpoch {
		page.Shared = Cursor{}
		if box := b.boxes[user]; box != nil && box.earlier.LogEpoch == after.LogEpoch {
			page.Shared = box.earlier
		}
		after.Seq = min(after.Seq, page.Shared.Seq)
	}
	for seq := max(after.Seq, in.Acked) + 1; seq <= in.Last && len(page.Messages) < limit; seq++ {
		page.Messages = append(page.Messages, Stored{seq, b.boxes[user].bodies[seq-1]})
	}
	return page
}

func (b *fakeBackend) inbox(user int64) Inbox {
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.boxes[user]
	if box == nil {
		return Inbox{}
	}
	return Inbox{LogEpoch: box.epoch, Last: uint64(len(box.bodies)), Acked: box.acked}
}

// store appends texts to an inbox of log epoch 1 and returns the place of the last.
func (b *fakeBackend) store(user int64, texts ...string) Cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.boxes[user]
	if box == nil {
		box = &fakeInbox{epoch: 1}
		b.boxes[user] = box
	}
	for _, text := range texts {
		box.bodies = append(box.bodies, body(text))
	}
	return Cursor{box.epoch, uint64(len(box.bodies))}
}

// change edits an inbox.
func (b *fakeBackend) change(user int64, edit func(*fakeInbox)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	edit(b.boxes[user])
}

// sender is whom the bodies of tests come from.
const sender = 9

func body(text string) []byte { return bodyFrom(sender, text) }

func bodyFrom(user int64, text string) []byte {
	return frame.AppendBody(nil, &frame.Body{From: user, FromName: fmt.Append(nil, "user-", user), Text: []byte(text)})
}
