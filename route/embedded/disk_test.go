package embedded

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"cim/route"
)

func TestDiskFull(t *testing.T) {
	c := newClock()
	fsys := vfs.NewMem()
	avail := func(n uint64) { fsys.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: 1 << 40}) }
	avail(1 << 30)
	s := open(t, Config{Dir: "/data", FS: fsys, Now: c.Now})
	a, _, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	epoch := appendOne(t, s, entry(1, 1)).LogEpoch
	appendOne(t, s, entry(1, 2))

	avail(defaultReserveBytes - 1)
	c.add(diskInterval)
	if got := s.Append(t.Context(), []route.Entry{entry(1, 3)})[0]; !errors.Is(got.Err, route.ErrDiskFull) || got.Seq != 0 {
		t.Fatalf("Append = %+v, want ErrDiskFull", got)
	}
	if _, _, err := s.Create(t.Context(), "bob", route.User, route.SecretHash{}); !errors.Is(err, route.ErrDiskFull) {
		t.Fatalf("Create: %v, want ErrDiskFull", err)
	}
	if got := s.Problems(t.Context()); len(got) != 1 || got[0].Component != "store" || !strings.HasPrefix(got[0].Detail, "disk full: 127 MiB are free and 128 are kept") {
		t.Errorf("Problems = %v", got)
	}
	// What frees room or needs none goes on.
	if got := appendOne(t, s, entry(1, 2)); !got.Duplicate || got.Seq != 2 {
		t.Fatalf("a duplicate: %+v", got)
	}
	if got, created, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{}); err != nil || created || got != a {
		t.Fatalf("Create of what exists = %+v, %v, %v", got, created, err)
	}
	if err := s.Ack(t.Context(), []route.Ack{{User: 1, Cursor: route.Cursor{LogEpoch: epoch, Seq: 1}}}); err != nil {
		t.Fatalf("Ack: %v", err)
	}
	if got, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i"}); err != nil || got.Inbox.Acked != 1 {
		t.Fatalf("Claim = %+v, %v", got, err)
	}

	avail(1 << 30)
	c.add(diskInterval)
	if got := appendOne(t, s, entry(1, 3)); got.Seq != 3 || got.Duplicate {
		t.Fatalf("with room again: %+v", got)
	}
	if got := s.Problems(t.Context()); len(got) != 0 {
		t.Errorf("with room again: %v", got)
	}
}

func TestDiskCountsItsOwnWrites(t *testing.T) {
	c := newClock()
	fsys := vfs.NewMem()
	fsys.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: defaultReserveBytes + 100_000, TotalBytes: 1 << 40})
	s := open(t, Config{Dir: "/data", FS: fsys, Now: c.Now}) // the clock stands: free space is asked for once
	stored := 0
	for id := uint64(1); id <= 20; id++ {
		e := entry(1, id)
		e.Body = make([]byte, 10_000)
		got := s.Append(t.Context(), []route.Entry{e})[0]
		if errors.Is(got.Err, route.ErrDiskFull) {
			break
		}
		stored++
	}
	if stored < 8 || stored > 10 {
		t.Fatalf("%d bodies of 10,000 bytes fitted into 100,000", stored)
	}
}

// failing is a file system whose log can be made to fail or to hang.
type failing struct {
	vfs.FS
	broken atomic.Bool
	gate   atomic.Pointer[gate]
}

type gate struct {
	reachedOnce sync.Once
	reachedCh   chan struct{} // closed when a write waits
	openCh      chan struct{} // closed to let all pass
}

func newFailing(inner vfs.FS) *failing {
	f := &failing{}
	f.FS = errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !strings.HasSuffix(op.Path, ".log") || op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		if g := f.gate.Load(); g != nil {
			g.reachedOnce.Do(func() { close(g.reachedCh) })
			<-g.openCh
		}
		if f.broken.Load() {
			return syscall.EIO
		}
		return nil
	}))
	return f
}

// hang makes every write to the log wait until release is called.
func (f *failing) hang() *gate {
	g := &gate{reachedCh: make(chan struct{}), openCh: make(chan struct{})}
	f.gate.Store(g)
	return g
}

func (f *failing) release() { close(f.gate.Swap(nil).openCh) }
