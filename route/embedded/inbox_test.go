package embedded

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"cim/route"
)

func TestCacheEvictsTheLeastRecentlyUsed(t *testing.T) {
	s := inMemory(t)
	c := inboxes{byUser: map[int64]*inbox{}} // one of the test's own; the committer has another
	use := func(user int64) *inbox {
		t.Helper()
		in, err := c.get(s.db, user)
		if err != nil {
			t.Fatal(err)
		}
		in.passing = false // as if a message had been stored
		return in
	}
	for user := int64(1); user <= 4; user++ {
		use(user)
	}
	kept := use(1)
	c.remember(kept, func(n *names) { n.add(1, name{}, 0) })
	if c.cost <= 4*inboxBytes {
		t.Errorf("names cost nothing: %d", c.cost)
	}
	c.evict(c.cost - 1)
	if _, ok := c.published(2); ok || len(c.byUser) != 3 {
		t.Errorf("the oldest, 2, is kept among %d", len(c.byUser))
	}
	c.evict(kept.cost())
	if len(c.byUser) != 1 || use(1) != kept {
		t.Errorf("the newest, 1, was evicted")
	}
	c.evict(0)
	if c.cost != 0 || c.newest != nil || c.oldest != nil || len(c.byUser) != 0 {
		t.Errorf("empty cache: cost %d, %d users", c.cost, len(c.byUser))
	}
}

// A fleet that only connects must not fill the memory with inboxes that nobody writes to.
func TestCacheForgetsWhoOnlyConnects(t *testing.T) {
	s := inMemory(t)
	ctx := t.Context()
	for user := int64(1); user <= 3; user++ {
		if _, err := s.Claim(ctx, route.ClaimRequest{User: user, Instance: "i"}); err != nil {
			t.Fatal(err)
		}
	}
	first := s.Append(ctx, []route.Entry{{Receiver: 2, ClientMsgID: 1, Body: []byte("x")}})[0]
	claim, err := s.Claim(ctx, route.ClaimRequest{User: 3, Instance: "i", Takeover: route.TakeoverAny})
	if err != nil || first.Err != nil {
		t.Fatal(err, first.Err)
	}
	// A round forgets after it has answered, and surely before the next one.
	if err := s.Ack(ctx, []route.Ack{{User: 2}}); err != nil {
		t.Fatal(err)
	}
	_, kept := s.inboxes.published(2)
	_, forgotten := s.inboxes.published(3)
	if !kept || forgotten {
		t.Errorf("the inbox with a message is kept: %v; the one without: %v", kept, forgotten)
	}
	if p, err := s.Position(ctx, 3); err != nil || p != claim.Inbox {
		t.Errorf("position %+v, want the claim's %+v, %v", p, claim.Inbox, err)
	}
}

// TestNamesAgainstModel compares names with a plain list under random adds and a clock that jumps.
func TestNamesAgainstModel(t *testing.T) {
	type known struct {
		n   name
		seq uint64
		sec uint32
	}
	window := uint32(route.DedupWindow.Seconds())
	rapid.Check(t, func(t *rapid.T) {
		var s names
		var model []known
		seq, sec := rapid.Uint64Range(0, 1<<40).Draw(t, "last"), uint32(1_700_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			sec += rapid.Uint32Range(0, window/4).Draw(t, "pause")
			n := name{hi: rapid.Uint64Range(0, 20).Draw(t, "name")}
			var want uint64
			for _, k := range model {
				if k.n == n && sec-k.sec < window {
					want = k.seq
				}
			}
			got, ok := s.find(n, sec)
			if got != want || ok != (want != 0) {
				t.Fatalf("find = %d, %v; want %d", got, ok, want)
			}
			if ok {
				continue
			}
			seq++
			if r := s.add(seq, n, sec); r.sec != sec || r.hi != n.hi {
				t.Fatalf("add = %+v", r)
			}
			model = append(model, known{n, seq, sec})
			from, to := s.trim(sec)
			if s.first != to || from > to || s.first+uint64(len(s.entries)) != seq+1 {
				t.Fatalf("trimmed [%d, %d), first %d with %d names, last %d", from, to, s.first, len(s.entries), seq)
			}
			if len(s.entries) > 0 && s.entries[0].expired(sec) {
				t.Fatalf("the first name is kept %d s", sec-s.entries[0].sec)
			}
		}
	})
}

func TestNamesAreCapped(t *testing.T) {
	var s names
	for seq := uint64(1); seq <= 5*route.DedupPerUser; seq++ {
		s.add(seq, name{hi: seq}, 7)
		s.trim(7)
	}
	if len(s.entries) != route.DedupPerUser || cap(s.entries) > 2*route.DedupPerUser {
		t.Errorf("%d names in room for %d", len(s.entries), cap(s.entries))
	}
	if _, ok := s.find(name{hi: 4 * route.DedupPerUser}, 7); ok {
		t.Errorf("a name over the cap is known")
	}
	if seq, ok := s.find(name{hi: 4*route.DedupPerUser + 1}, 7); !ok || seq != 4*route.DedupPerUser+1 {
		t.Errorf("the oldest name: %d, %v", seq, ok)
	}
}

func TestRecords(t *testing.T) {
	m := meta{logEpoch: 1, last: 1 << 40, acked: 3, stored: 4, dropped: 5}
	for range route.EarlierLogs + 2 {
		if got, err := parseMeta(m.appendTo(nil)); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("meta: %+v, %v; want %+v", got, err, m)
		}
		m.tailLost(route.Cursor{LogEpoch: m.logEpoch, Seq: m.last + 1}, 1)
	}
	for _, size := range []int{0, metaSize - 1, metaSize + 1, metaSize + earlierSize - 1} {
		if _, err := parseMeta(make([]byte, size)); !errors.Is(err, errCorrupt) {
			t.Errorf("a record of %d bytes: %v", size, err)
		}
	}
	r := remembered{hi: 1 << 63, lo: 2, sec: 3}
	if got, err := parseRemembered(r.appendTo(nil)); err != nil || got != r {
		t.Errorf("name: %+v, %v", got, err)
	}
	for n := range metaSize {
		if _, err := parseMeta(make([]byte, n)); err == nil {
			t.Errorf("meta of %d bytes", n)
		}
		if _, err := parseRemembered(make([]byte, n)); (err == nil) != (n == rememberedSize) {
			t.Errorf("name of %d bytes: %v", n, err)
		}
	}
}

func TestKeysSortAsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (int64, uint64) {
			return rapid.Int64Range(1, route.MaxID).Draw(t, label), rapid.Uint64().Draw(t, label+" seq")
		}
		u1, s1 := draw("a")
		u2, s2 := draw("b")
		k1, k2 := appendSeqKey(nil, kindMessage, u1, s1), appendSeqKey(nil, kindMessage, u2, s2)
		want := u1 < u2 || (u1 == u2 && s1 < s2)
		if got := bytes.Compare(k1, k2) < 0; got != want {
			t.Fatalf("(%d, %d) before (%d, %d): %v", u1, s1, u2, s2, got)
		}
		if seqOfKey(k1) != s1 {
			t.Fatalf("seq of key: %d, want %d", seqOfKey(k1), s1)
		}
		prefix := appendUserKey(nil, kindMessage, u1)
		if bytes.Compare(k1, after(prefix)) >= 0 || (u2 != u1 && bytes.HasPrefix(k2, prefix)) {
			t.Fatalf("the keys of %d are not by themselves", u1)
		}
	})
}

func TestAfter(t *testing.T) {
	for _, tc := range []struct{ prefix, want []byte }{
		{[]byte("a"), []byte("b")},
		{[]byte{'a', 0xff}, []byte{'b'}},
		{[]byte{0xff, 0xff}, nil},
	} {
		if got := after(tc.prefix); !bytes.Equal(got, tc.want) {
			t.Errorf("after(%x) = %x, want %x", tc.prefix, got, tc.want)
		}
	}
}

// TestOldCopyOfTheFolder: an old copy took the folder's place, messages were stored, and then somebody comes who had more
// messages than the copy, and none of those.
func TestOldCopyOfTheFolder(t *testing.T) {
	s := inMemory(t)
	var last route.Appended
	for id := uint64(1); id <= 7; id++ {
		last = s.Append(t.Context(), []route.Entry{entry(1, id)})[0]
	}
	c, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i", Cursor: route.Cursor{LogEpoch: last.LogEpoch, Seq: 9}})
	if err != nil || c.Inbox.LogEpoch <= last.LogEpoch || c.Inbox.Acked != 0 || c.Shared.Seq != 0 {
		t.Fatalf("claimed %+v, shared %+v, %v", c.Inbox, c.Shared, err)
	}
	if p, err := s.Read(t.Context(), 1, route.Cursor{LogEpoch: c.Inbox.LogEpoch}, 10, 1000); err != nil || len(p.Messages) != 7 {
		t.Fatalf("%d messages are left, %v", len(p.Messages), err)
	}
}
