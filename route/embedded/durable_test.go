package embedded

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
	"cim/route/routetest"
)

// powerCut is a store on a disk that loses what was not synced.
type powerCut struct {
	fs       *vfs.MemFS
	store    *Store
	unsynced int // percentage of unsynced blocks that survive all the same
}

func newPowerCut(t testing.TB, unsynced int) *powerCut {
	p := &powerCut{fs: vfs.NewCrashableMem(), unsynced: unsynced}
	p.store = openFS(t, p.fs)
	t.Cleanup(func() { closeStore(t, p.store) })
	return p
}

func openFS(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "/data", FS: fs})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func (p *powerCut) Store() routetest.Store { return p.store }

func (p *powerCut) Reopen(t testing.TB) {
	t.Helper()
	closeStore(t, p.store)
	p.store = openFS(t, p.fs)
}

func (p *powerCut) Crash(t testing.TB) {
	t.Helper()
	after := p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.unsynced, RNG: rand.New(rand.NewPCG(1, 2))})
	closeStore(t, p.store) // ends its goroutines; what it still writes goes to the old disk
	p.fs = after
	p.store = openFS(t, p.fs)
}

func TestPowerCut(t *testing.T) {
	for _, unsynced := range []int{0, 50} {
		t.Run(fmt.Sprintf("%d%% of what was not synced survives", unsynced), func(t *testing.T) {
			routetest.TestDurable(t, func(t testing.TB) routetest.Durable { return newPowerCut(t, unsynced) })
		})
	}
}

func entry(to int64, id uint64) route.Entry {
	return route.Entry{Receiver: to, Sender: 1, Device: "phone", ClientMsgID: id, Body: fmt.Appendf(nil, "%d", id)}
}

func appendOne(t testing.TB, s *Store, e route.Entry) route.Appended {
	t.Helper()
	got := s.Append(t.Context(), []route.Entry{e})[0]
	if got.Err != nil {
		t.Fatalf("Append: %v", got.Err)
	}
	return got
}

// ledger is what senders were told: client id -> seq.
type ledger struct {
	mu       sync.Mutex
	answered map[uint64]uint64
}

func (l *ledger) note(id, seq uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[id] = seq
	return len(l.answered)
}

// copied is taken before the disk is, so that whatever is in it must be on the disk.
func (l *ledger) copied() map[uint64]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.answered)
}

// checkKept compares a store after its crash with what had been answered before: everything is there under its
// seq, without gaps, and a sender who asks again is told the same.
func checkKept(t *testing.T, s *Store, user int64, answered map[uint64]uint64) {
	t.Helper()
	page, err := s.Read(t.Context(), user, route.Cursor{}, 1<<20, 1<<30)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	bodies := map[uint64]string{}
	for i, m := range page.Messages {
		if m.Seq != uint64(i+1) {
			t.Fatalf("message %d has seq %d", i, m.Seq)
		}
		bodies[m.Seq] = string(m.Body)
	}
	if page.Last != uint64(len(page.Messages)) {
		t.Fatalf("%d messages, but the last has seq %d", len(page.Messages), page.Last)
	}
	for id, seq := range answered {
		if bodies[seq] != fmt.Sprint(id) {
			t.Fatalf("message %d was answered with seq %d, where %q is stored", id, seq, bodies[seq])
		}
		if got := appendOne(t, s, entry(user, id)); !got.Duplicate || got.Seq != seq {
			t.Fatalf("message %d was answered with seq %d, and then with %+v", id, seq, got)
		}
	}
}

// TestPowerCutAmidTraffic takes the disk as it is while callers are being answered.
func TestPowerCutAmidTraffic(t *testing.T) {
	const callers, each = 8, 100
	for cut := range 8 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			p := newPowerCut(t, 0)
			told := ledger{answered: map[uint64]uint64{}}
			var before map[uint64]uint64
			var after *vfs.MemFS
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						id := uint64(c*each + i + 1)
						got := p.store.Append(t.Context(), []route.Entry{entry(5, id)})[0]
						if got.Err != nil {
							t.Errorf("Append: %v", got.Err)
						}
						if told.note(id, got.Seq) == 50*(cut+1) {
							before = told.copied()
							cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: 10 * cut, RNG: rand.New(rand.NewPCG(uint64(cut), 1))}
							after = p.fs.CrashClone(cfg)
						}
					}
				})
			}
			wg.Wait()
			s := openFS(t, after)
			defer closeStore(t, s)
			if len(before) < 50*(cut+1) {
				t.Fatalf("only %d were answered before the cut", len(before))
			}
			checkKept(t, s, 5, before)
		})
	}
}
