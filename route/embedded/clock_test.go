package embedded

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
)

// clock is a Config.Now that stands still until it is set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_700_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) ms() uint64 { return uint64(c.Now().UnixMilli()) }

func TestDedupWindow(t *testing.T) {
	c := newClock()
	fsys := vfs.NewMem()
	s := open(t, Config{Dir: "/data", FS: fsys, Now: c.Now})
	appendOne(t, s, entry(1, 1))
	c.add(time.Minute)
	appendOne(t, s, entry(1, 2))
	c.add(route.DedupWindow - time.Minute - time.Second)
	if got := appendOne(t, s, entry(1, 1)); !got.Duplicate || got.Seq != 1 {
		t.Fatalf("a second before the end of the window: %+v", got)
	}
	c.add(time.Second)
	if got := appendOne(t, s, entry(1, 1)); got.Duplicate || got.Seq != 3 {
		t.Fatalf("at the end of the window: %+v", got)
	}
	if got := appendOne(t, s, entry(1, 2)); !got.Duplicate || got.Seq != 2 {
		t.Fatalf("a minute before the end of its window: %+v", got)
	}
	if kept := countKeys(t, s, kindDedup); kept != 2 {
		t.Fatalf("%d names on the disk, want 2", kept)
	}
	c.add(-time.Hour)
	if got := appendOne(t, s, entry(1, 2)); !got.Duplicate {
		t.Fatalf("after the clock was set back: %+v", got)
	}
}

func countKeys(t testing.TB, s *Store, kind byte) int {
	t.Helper()
	n := 0
	err := scan(s.db, []byte{kind}, []byte{kind + 1}, func([]byte, []byte) (bool, error) {
		n++
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingIsLeftOnTheDisk(t *testing.T) {
	s := inMemory(t)
	entries := make([]route.Entry, 3*route.DedupPerUser)
	for i := range entries {
		entries[i] = entry(1, uint64(i+1))
	}
	last := s.Append(t.Context(), entries)[len(entries)-1]
	if err := s.Ack(t.Context(), []route.Ack{{User: 1, Cursor: route.Cursor{LogEpoch: last.LogEpoch, Seq: last.Seq}}}); err != nil {
		t.Fatal(err)
	}
	if n := countKeys(t, s, kindMessage); n != 0 {
		t.Errorf("%d acknowledged messages are kept", n)
	}
	if n := countKeys(t, s, kindDedup); n != route.DedupPerUser {
		t.Errorf("%d names are kept, want %d", n, route.DedupPerUser)
	}
}

// TestClockSetBack restarts the store with an earlier clock: ids and epochs go on from where they were.
func TestClockSetBack(t *testing.T) {
	c := newClock()
	fsys := vfs.NewMem()
	cfg := Config{Dir: "/data", FS: fsys, Now: c.Now}
	s := open(t, cfg)
	a, _, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{})
	if err != nil || a.ID != int64(c.ms()) {
		t.Fatalf("Create = %+v, %v; want the clock's %d", a, err, c.ms())
	}
	b, _, _ := s.Create(t.Context(), "bob", route.User, route.SecretHash{})
	if b.ID != a.ID+1 {
		t.Fatalf("within one millisecond: %d after %d", b.ID, a.ID)
	}
	first, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i"})
	if err != nil || first.Epoch != c.ms() || first.Inbox.LogEpoch != c.ms() {
		t.Fatalf("Claim = %+v, %v; want the clock's %d", first, err, c.ms())
	}
	closeStore(t, s)
	c.add(-48 * time.Hour)
	s = open(t, cfg)
	if d, _, err := s.Create(t.Context(), "dora", route.User, route.SecretHash{}); err != nil || d.ID != b.ID+1 {
		t.Fatalf("Create = %+v, %v; want id %d", d, err, b.ID+1)
	}
	next, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i", Cursor: route.Cursor{LogEpoch: first.Inbox.LogEpoch, Seq: 9}})
	if err != nil || next.Epoch <= first.Epoch || next.Previous.Held() {
		t.Fatalf("Claim = %+v, %v; epoch before: %d", next, err, first.Epoch)
	}
	if next.Inbox.LogEpoch != first.Inbox.LogEpoch+1 {
		t.Fatalf("log epoch %d after %d", next.Inbox.LogEpoch, first.Inbox.LogEpoch)
	}
}

// TestEpochsAreReservedAhead counts the writes that logins cost.
func TestEpochsAreReservedAhead(t *testing.T) {
	c := newClock()
	s := open(t, Config{Dir: Memory, Now: c.Now})
	claim := func() {
		t.Helper()
		if _, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i", Takeover: route.TakeoverAny}); err != nil {
			t.Fatal(err)
		}
	}
	claim()
	_, before := s.Syncs()
	for range 100 {
		c.add(500 * time.Millisecond)
		claim()
	}
	if _, after := s.Syncs(); after != before {
		t.Errorf("%d synced writes for claims within a minute", after-before)
	}
	c.add(time.Minute)
	claim()
	if _, after := s.Syncs(); after != before+1 {
		t.Errorf("%d synced writes when the minute was over, want 1", after-before)
	}
}

func TestCaps(t *testing.T) {
	ack := func(t *testing.T, s *Store, epoch, seq uint64) {
		t.Helper()
		if err := s.Ack(t.Context(), []route.Ack{{User: 1, Cursor: route.Cursor{LogEpoch: epoch, Seq: seq}}}); err != nil {
			t.Fatal(err)
		}
	}
	wantFull := func(t *testing.T, s *Store, e route.Entry) {
		t.Helper()
		if got := s.Append(t.Context(), []route.Entry{e})[0]; !errors.Is(got.Err, route.ErrInboxFull) || got.Seq != 0 {
			t.Fatalf("Append = %+v, want ErrInboxFull", got)
		}
	}
	sized := func(id uint64, size int) route.Entry {
		e := entry(1, id)
		e.Body = make([]byte, size)
		return e
	}
	t.Run("messages", func(t *testing.T) {
		s := open(t, Config{Dir: Memory, InboxMessages: 3})
		epoch := appendOne(t, s, entry(1, 1)).LogEpoch
		appendOne(t, s, entry(1, 2))
		appendOne(t, s, entry(1, 3))
		wantFull(t, s, entry(1, 4))
		if got := appendOne(t, s, entry(1, 3)); !got.Duplicate {
			t.Fatalf("a duplicate needs no room: %+v", got)
		}
		appendOne(t, s, entry(2, 1)) // another inbox
		ack(t, s, epoch, 1)
		if got := appendOne(t, s, entry(1, 4)); got.Seq != 4 || got.Duplicate {
			t.Fatalf("refused before, and now %+v", got)
		}
		wantFull(t, s, entry(1, 5))
	})
	t.Run("bytes", func(t *testing.T) {
		fsys := vfs.NewMem()
		cfg := Config{Dir: "/data", FS: fsys, InboxBytes: 1000}
		s := open(t, cfg)
		epoch := appendOne(t, s, sized(1, 400)).LogEpoch
		appendOne(t, s, sized(2, 100))
		wantFull(t, s, sized(3, 501))
		appendOne(t, s, sized(3, 500))
		wantFull(t, s, sized(4, 1))
		ack(t, s, epoch, 2) // in the middle: what it frees is read
		closeStore(t, s)
		s = open(t, cfg)
		wantFull(t, s, sized(4, 501))
		appendOne(t, s, sized(4, 500))
		ack(t, s, epoch, 4) // everything
		wantFull(t, s, sized(5, 1001))
		appendOne(t, s, sized(5, 1000))
	})
}
