package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cim/internal/redistest"
	"cim/route"
)

func TestInboxCaps(t *testing.T) {
	url := urlOf(redistest.Start(t))
	t.Run("messages", func(t *testing.T) {
		s := open(t, url, func(c *Config) { c.InboxMessages = 3 })
		wantFullAfter(t, s, 3, 10)
	})
	t.Run("bytes", func(t *testing.T) {
		s := open(t, url, func(c *Config) { c.InboxBytes = 1000 })
		wantFullAfter(t, s, 4, 250)
	})
	t.Run("one call beyond the cap keeps what fits", func(t *testing.T) {
		s := open(t, url, func(c *Config) { c.InboxMessages = 2 })
		got := s.Append(t.Context(), []route.Entry{entry(1, 1), entry(1, 2), entry(1, 3), entry(1, 2)})
		if got[0].Seq != 1 || got[1].Seq != 2 || !errors.Is(got[2].Err, route.ErrInboxFull) || !got[3].Duplicate {
			t.Fatalf("Append: %+v", got)
		}
	})
}

// wantFullAfter stores n messages of this size, finds the inbox full, and finds room for as many as were acknowledged.
func wantFullAfter(t *testing.T, s *Store, n uint64, size int) {
	t.Helper()
	sized := func(id uint64) route.Entry {
		e := entry(1, id)
		e.Body = make([]byte, size)
		return e
	}
	wantFull := func(id uint64) {
		t.Helper()
		if got := s.Append(t.Context(), []route.Entry{sized(id)})[0]; !errors.Is(got.Err, route.ErrInboxFull) {
			t.Fatalf("message %d: %+v, want a full inbox", id, got)
		}
	}
	var epoch uint64
	for id := uint64(1); id <= n; id++ {
		epoch = appendOne(t, s, sized(id)).LogEpoch
	}
	wantFull(n + 1)
	for round, drop := range []uint64{1, n} {
		last := n + uint64(round)
		seq := last - n + drop
		if err := s.Ack(t.Context(), []route.Ack{{User: 1, Cursor: route.Cursor{LogEpoch: epoch, Seq: seq}}}); err != nil {
			t.Fatal(err)
		}
		appendOne(t, s, sized(last+1))
		if round == 0 {
			wantFull(last + 2)
		}
	}
}

// TestByteCountWraps stores more bytes over time than the count of them can hold.
func TestByteCountWraps(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server), func(c *Config) { c.InboxBytes = 1000 })
	epoch := appendOne(t, s, entry(1, 1)).LogEpoch
	ack := func(seq uint64) {
		t.Helper()
		if err := s.Ack(t.Context(), []route.Ack{{User: 1, Cursor: route.Cursor{LogEpoch: epoch, Seq: seq}}}); err != nil {
			t.Fatal(err)
		}
	}
	ack(1)
	const almost = 1<<32 - 100
	if err := server.Client(t).HSet(t.Context(), s.keys.user(1), "t", almost, "x", almost).Err(); err != nil {
		t.Fatal(err)
	}
	big := entry(1, 2)
	big.Body = make([]byte, 400)
	for _, id := range []uint64{2, 3} {
		big.ClientMsgID = id
		appendOne(t, s, big)
	}
	big.ClientMsgID = 4
	if got := s.Append(t.Context(), []route.Entry{big})[0]; !errors.Is(got.Err, route.ErrInboxFull) {
		t.Fatalf("1,200 of 1,000 bytes: %+v", got)
	}
	ack(2)
	appendOne(t, s, big)
}

// TestNamesAreForgottenInTime moves what Redis remembers into the past instead of waiting.
func TestNamesAreForgottenInTime(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	admin := server.Client(t)
	for id := uint64(1); id <= 20; id++ {
		appendOne(t, s, entry(1, id))
	}
	dedup := s.keys.dedup(1)
	ttl, err := admin.TTL(t.Context(), dedup).Result()
	if err != nil || ttl < route.DedupWindow-60e9 || ttl > route.DedupWindow+60e9 {
		t.Fatalf("the names expire in %v, %v", ttl, err)
	}
	const second = 1 << 20 // of a score
	old := messageName(&route.Entry{Sender: 1, Device: "phone", ClientMsgID: 5})
	if err := admin.ZIncrBy(t.Context(), dedup, -float64(dedupSeconds+1)*second, string(old)).Err(); err != nil {
		t.Fatal(err)
	}
	if got := appendOne(t, s, entry(1, 5)); got.Duplicate || got.Seq != 21 {
		t.Fatalf("a name that is too old: %+v", got)
	}
	if got := appendOne(t, s, entry(1, 6)); !got.Duplicate || got.Seq != 6 {
		t.Fatalf("a name that is not: %+v", got)
	}
}

// TestClockGoesBack: the clock of a new master may be behind. Names keep their order, and are not dropped early.
func TestClockGoesBack(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	appendOne(t, s, entry(1, 1))
	admin := server.Client(t)
	const ahead = 5_000_000_000 // a second some hundred years from now
	if err := admin.HSet(t.Context(), s.keys.user(1), "m", ahead).Err(); err != nil {
		t.Fatal(err)
	}
	var batch []route.Entry
	for id := uint64(2); id <= route.DedupPerUser+50; id++ {
		batch = append(batch, entry(1, id))
	}
	for _, got := range s.Append(t.Context(), batch) {
		if got.Err != nil || got.Duplicate {
			t.Fatalf("Append: %+v", got)
		}
	}
	for _, id := range []uint64{51, 500, route.DedupPerUser + 50} {
		if got := appendOne(t, s, entry(1, id)); !got.Duplicate || got.Seq != id {
			t.Fatalf("message %d again: %+v", id, got)
		}
	}
	n, err := admin.ZCard(t.Context(), s.keys.dedup(1)).Result()
	if err != nil || n > route.DedupPerUser+16 {
		t.Fatalf("%d names are kept, %v", n, err)
	}
}

// TestSplit: what is too much for one call of append.lua goes into the next round, and each receiver's entries keep their order.
func TestSplit(t *testing.T) {
	var entries []route.Entry
	for i := range 3*callEntries + 1 {
		entries = append(entries, entry(1, uint64(i+1)), entry(2, uint64(i+1)))
	}
	big := entry(3, 1)
	big.Body = bytes.Repeat([]byte{1}, callBytes-10)
	entries = append(entries, big, big, entry(3, 2), entry(4, 1))
	rounds := split(entries)
	if len(rounds) != 4 {
		t.Fatalf("%d rounds", len(rounds))
	}
	seen := map[int64][]int{}
	for n, round := range rounds {
		inRound := map[int64]bool{}
		for _, part := range round {
			if inRound[part.receiver] {
				t.Fatalf("receiver %d twice in round %d", part.receiver, n)
			}
			inRound[part.receiver] = true
			if len(part.index) > callEntries {
				t.Fatalf("%d entries in a call", len(part.index))
			}
			seen[part.receiver] = append(seen[part.receiver], part.index...)
		}
	}
	total := 0
	for receiver, index := range seen {
		for i, at := range index {
			if entries[at].Receiver != receiver || i > 0 && at <= index[i-1] {
				t.Fatalf("receiver %d: entries %v", receiver, index)
			}
			total++
		}
	}
	if total != len(entries) {
		t.Fatalf("%d of %d entries", total, len(entries))
	}
	if fmt.Sprint(seen[3]) != fmt.Sprint([]int{len(entries) - 4, len(entries) - 3, len(entries) - 2}) {
		t.Fatalf("the large ones: %v", seen[3])
	}
}
