package routetest

import (
	"testing"

	"cim/route"
)

func ackCumulative(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 10)
	ack(t, in, user, epoch, 4)
	wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 10, Acked: 4})
	wantSeqs(t, read(t, in, user, 0, 100, 1<<20), 5, 10)
	ack(t, in, user, epoch, 10)
	wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 10, Acked: 10})
	if p := read(t, in, user, 0, 100, 1<<20); len(p.Messages) != 0 {
		t.Fatalf("everything is acknowledged, yet: %+v", p)
	}
}

func ackLate(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 10)
	for _, seq := range []uint64{6, 3, 6, 0, 1} {
		ack(t, in, user, epoch, seq)
		wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 10, Acked: 6})
	}
	wantSeqs(t, read(t, in, user, 0, 100, 1<<20), 7, 10)
}

func ackOtherEpoch(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 5)
	for _, other := range []uint64{0, epoch - 1, epoch + 1} {
		ack(t, in, user, other, 3)
		ack(t, in, user, other, 300)
		wantPosition(t, in, user, route.Position{LogEpoch: epoch, Last: 5})
	}
	wantSeqs(t, read(t, in, user, 0, 100, 1<<20), 1, 5)
}

func ackAboveLast(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 5)
	ack(t, in, user, epoch, 2)
	ack(t, in, user, epoch, 6)
	p := position(t, in, user)
	if p.LogEpoch <= epoch || p.Last != 5 || p.Acked != 2 {
		t.Fatalf("position is %+v; the log epoch was %d", p, epoch)
	}
	wantSeqs(t, read(t, in, user, 0, 100, 1<<20), 3, 5)
	if got := appendOne(t, in, message(user, 6)); got.Seq != 6 || got.LogEpoch != p.LogEpoch {
		t.Fatalf("the next message: %+v", got)
	}
	for _, seq := range []uint64{4, 6, 7} { // late, of the log before: its 6 was another message
		ack(t, in, user, epoch, seq)
		if p := position(t, in, user); p.Acked > min(seq, 5) {
			t.Fatalf("acknowledged up to %d of the log before: %+v", seq, p)
		}
	}
	if got := read(t, in, user, 5, 100, 1<<20); len(got.Messages) != 1 || got.Messages[0].Seq != 6 {
		t.Fatalf("the next message is gone: %+v", got)
	}
	ack(t, in, user, p.LogEpoch, 6)
	wantPosition(t, in, user, route.Position{LogEpoch: p.LogEpoch, Last: 6, Acked: 6})
}

// earlierLogs begins one log after the other, each a message longer than the one before.
func earlierLogs(t *testing.T, in route.Inbox) {
	var logs []uint64 // logs[n] had n+1 messages when it ended
	for n := uint64(1); n <= route.EarlierLogs+2; n++ {
		logs = append(logs, appendOne(t, in, message(user, n)).LogEpoch)
		ack(t, in, user, logs[n-1], n)
		ack(t, in, user, logs[n-1], n+100)
	}
	now := position(t, in, user)
	wantShared(t, in, now.LogEpoch, route.Cursor{LogEpoch: now.LogEpoch, Seq: now.Last})
	for n, log := range logs {
		want := route.Cursor{LogEpoch: log, Seq: uint64(n + 1)}
		if n < len(logs)-route.EarlierLogs {
			want = route.Cursor{} // too long ago
		}
		wantShared(t, in, log, want)
	}
	wantShared(t, in, now.LogEpoch+1, route.Cursor{})
	wantShared(t, in, 0, route.Cursor{})
}

// wantShared reads after a place in a log.
func wantShared(t testing.TB, in route.Inbox, log uint64, want route.Cursor) {
	t.Helper()
	p, err := in.Read(t.Context(), user, route.Cursor{LogEpoch: log, Seq: 1}, 10, 1<<20)
	if err != nil || p.Shared != want {
		t.Fatalf("Read of log %d: shared %+v, %v; want %+v", log, p.Shared, err, want)
	}
}

func ackMany(t *testing.T, in route.Inbox) {
	const total = 700
	entries := make([]route.Entry, total)
	for i := range entries {
		entries[i] = message(user, uint64(i+1))
	}
	epoch := in.Append(t.Context(), entries)[0].LogEpoch
	fill(t, in, user+1, 3)
	ack(t, in, user, epoch, 600)
	wantSeqs(t, read(t, in, user, 0, total, 1<<20), 601, total)
	wantSeqs(t, read(t, in, user+1, 0, total, 1<<20), 1, 3)
}

func ackUnknown(t *testing.T, in route.Inbox) {
	ack(t, in, user, 5, 5)
	if p := position(t, in, user); p.Last != 0 || p.Acked != 0 {
		t.Fatalf("position is %+v", p)
	}
	if got := appendOne(t, in, message(user, 1)); got.Seq != 1 {
		t.Fatalf("the first message: %+v", got)
	}
}

func appendAfterAck(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 3)
	ack(t, in, user, epoch, 3)
	if got := appendOne(t, in, message(user, 4)); got.Seq != 4 || got.LogEpoch != epoch {
		t.Fatalf("the next message: %+v", got)
	}
	wantSeqs(t, read(t, in, user, 0, 10, 1<<20), 4, 4)
}

func readLimits(t *testing.T, in route.Inbox) {
	epoch := fill(t, in, user, 9) // bodies of 6 bytes
	ack(t, in, user, epoch, 2)
	for _, tc := range []struct {
		name            string
		after           uint64
		limit, maxBytes int
		first, last     uint64
	}{
		{"all", 0, 100, 1 << 20, 3, 9},
		{"after below acked", 1, 100, 1 << 20, 3, 9},
		{"after", 5, 100, 1 << 20, 6, 9},
		{"by count", 0, 3, 1 << 20, 3, 5},
		{"one", 4, 1, 1 << 20, 5, 5},
		{"at least one, whatever its size", 4, 100, 1, 5, 5},
		{"at least one of no bytes", 4, 100, 0, 5, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := read(t, in, user, tc.after, tc.limit, tc.maxBytes)
			wantSeqs(t, p, tc.first, tc.last)
			if want := (route.Position{LogEpoch: epoch, Last: 9, Acked: 2}); p.Position != want {
				t.Errorf("position is %+v, want %+v", p.Position, want)
			}
		})
	}
	t.Run("by bytes", func(t *testing.T) {
		p := read(t, in, user, 0, 100, 20)
		if n := len(p.Messages); n < 2 || n > 5 {
			t.Errorf("%d messages of 6 bytes for 20 bytes", n)
		}
		wantSeqs(t, p, 3, uint64(2+len(p.Messages)))
	})
	for _, after := range []uint64{9, 10, 1 << 40} {
		if p := read(t, in, user, after, 100, 1<<20); len(p.Messages) != 0 || p.Last != 9 {
			t.Errorf("after %d: %+v", after, p)
		}
	}
}

func readEmpty(t *testing.T, in route.Inbox) {
	if p := read(t, in, user, 0, 10, 100); len(p.Messages) != 0 || p.Last != 0 || p.Acked != 0 {
		t.Fatalf("page = %+v", p)
	}
}
