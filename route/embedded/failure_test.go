package embedded

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"cim/route"
)

// TestCommitFails breaks the disk under traffic: nobody is told that something was stored which is not, and after
// a restart everything that was answered is there.
func TestCommitFails(t *testing.T) {
	fsys := vfs.NewCrashableMem()
	disk := newFailing(fsys)
	s := open(t, Config{Dir: "/data", FS: disk})
	told := ledger{answered: map[uint64]uint64{}}
	var wg sync.WaitGroup
	for c := range uint64(8) {
		wg.Go(func() {
			for id := c + 1; ; id += 8 {
				got := s.Append(t.Context(), []route.Entry{entry(5, id)})[0]
				if got.Err != nil {
					if !errors.Is(got.Err, route.ErrStoreUnavailable) {
						t.Errorf("Append: %v, want ErrStoreUnavailable", got.Err)
					}
					return
				}
				if told.note(id, got.Seq) == 200 {
					disk.broken.Store(true)
				}
			}
		})
	}
	wg.Wait()
	<-s.Failed()
	if err := s.Err(); !errors.Is(err, route.ErrStoreUnavailable) || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("Err = %v", err)
	}
	if _, err := s.Read(t.Context(), 5, route.Cursor{}, 1, 1); !errors.Is(err, route.ErrStoreUnavailable) {
		t.Errorf("Read: %v: it could show what was never on the disk", err)
	}
	if _, err := s.Claim(t.Context(), route.ClaimRequest{User: 1, Instance: "i"}); !errors.Is(err, route.ErrStoreUnavailable) {
		t.Errorf("Claim: %v", err)
	}
	after := openFS(t, fsys.CrashClone(vfs.CrashCloneCfg{}))
	defer closeStore(t, after)
	checkKept(t, after, 5, told.copied())
}

func TestCommitPanics(t *testing.T) {
	s := inMemory(t)
	b := s.db.NewBatch()
	if err := errors.Join(b.Set([]byte("x"), nil, nil), b.Commit(nil)); err != nil {
		t.Fatal(err)
	}
	err := s.commit(b, true) // Pebble panics when a batch is committed again
	if !errors.Is(err, route.ErrStoreUnavailable) || !s.panicked {
		t.Fatalf("commit: %v, panicked: %v", err, s.panicked)
	}
	if got := s.Append(t.Context(), []route.Entry{entry(1, 1)})[0]; !errors.Is(got.Err, route.ErrStoreUnavailable) {
		t.Fatalf("Append: %+v", got)
	}
	s.panicked = false // this panic left no lock behind, so the test can close the files
}

// TestGivesUp lets the disk hang: callers whose context ends return, and what they asked for either happened as
// a whole or not at all.
func TestGivesUp(t *testing.T) {
	disk := newFailing(vfs.NewMem())
	s := open(t, Config{Dir: "/data", FS: disk})
	appendOne(t, s, entry(1, 1))
	hanging := disk.hang()

	firstCh := make(chan route.Appended, 1)
	go func() {
		firstCh <- s.Append(context.Background(), []route.Entry{entry(1, 2), entry(9, 1)})[0]
	}()
	<-hanging.reachedCh

	ctx, cancel := context.WithCancel(t.Context())
	const callers = 20
	var errs [callers]error
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			e := entry(1, uint64(100+i))
			errs[i] = s.Append(ctx, []route.Entry{e})[0].Err
			clear(e.Body) // the body is the caller's again
		})
	}
	wg.Go(func() {
		if _, err := s.Claim(ctx, route.ClaimRequest{User: 1, Instance: "i"}); !errors.Is(err, context.Canceled) {
			t.Errorf("Claim: %v", err)
		}
	})
	if p, err := s.Position(t.Context(), 1); err != nil || p.Last != 1 {
		t.Errorf("while the disk hangs, position = %+v, %v: message 2 is not on it", p, err)
	}
	if p, err := s.Read(t.Context(), 1, route.Cursor{}, 10, 100); err != nil || len(p.Messages) != 1 {
		t.Errorf("while the disk hangs, Read = %+v, %v: message 2 is not on it", p, err)
	}
	if p, err := s.Position(t.Context(), 9); err != nil || p != (route.Position{}) {
		t.Errorf("while the disk hangs, position of a new inbox = %+v, %v", p, err)
	}
	for len(s.queueCh) < callers+1 {
		runtime.Gosched()
	}
	cancel()
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	disk.release()
	if got := <-firstCh; got.Err != nil || got.Seq != 2 {
		t.Fatalf("the caller who stayed: %+v", got)
	}
	if got := appendOne(t, s, entry(1, 3)); got.Seq != 3 {
		t.Fatalf("afterwards: %+v; requests that were given up before they began must not happen", got)
	}
	if l, err := s.Lookup(t.Context(), []int64{1}); err != nil || l[0].Held() {
		t.Fatalf("a claim that was given up holds the user: %+v, %v", l, err)
	}
}

// TestAccountIsUnknownUntilItIsDurable lets the disk hang while an account is made.
func TestAccountIsUnknownUntilItIsDurable(t *testing.T) {
	disk := newFailing(vfs.NewMem())
	s := open(t, Config{Dir: "/data", FS: disk})
	hanging := disk.hang()
	doneCh := make(chan route.Account, 1)
	go func() {
		a, _, err := s.Create(context.Background(), "alice", route.User, route.SecretHash{})
		if err != nil {
			t.Errorf("Create: %v", err)
		}
		doneCh <- a
	}()
	<-hanging.reachedCh
	// Pebble shows a batch once it is in its memtable, which happens beside the write to the log.
	for shown := false; !shown; {
		_, ok, err := readName(s.db, "alice")
		if err != nil {
			t.Fatal(err)
		}
		shown = ok
	}
	if a, err := s.ByName(t.Context(), "alice"); !errors.Is(err, route.ErrUnknownUser) {
		t.Errorf("ByName = %+v, %v", a, err)
	}
	if list, err := s.ByPrefix(t.Context(), "a", 10); err != nil || len(list) != 0 {
		t.Errorf("ByPrefix = %+v, %v", list, err)
	}
	disk.release()
	a := <-doneCh
	if got, err := s.ByName(t.Context(), "alice"); err != nil || got != a {
		t.Errorf("once it is made: %+v, %v; want %+v", got, err, a)
	}
}

// TestCloseUnderLoad closes while callers wait: each gets an answer, and what was stored is there afterwards.
func TestCloseUnderLoad(t *testing.T) {
	fsys := vfs.NewMem()
	s := openFS(t, fsys)
	told := ledger{answered: map[uint64]uint64{}}
	enoughCh := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for c := range uint64(16) {
		wg.Go(func() {
			for id := c + 1; ; id += 16 {
				got := s.Append(context.Background(), []route.Entry{entry(5, id)})[0]
				if got.Err != nil {
					if !errors.Is(got.Err, route.ErrStoreUnavailable) {
						t.Errorf("Append: %v", got.Err)
					}
					return
				}
				if told.note(id, got.Seq) == 300 {
					once.Do(func() { close(enoughCh) })
				}
				_, _ = s.Read(context.Background(), 5, route.Cursor{LogEpoch: got.LogEpoch, Seq: got.Seq - 1}, 1, 100)
			}
		})
	}
	<-enoughCh
	closeStore(t, s)
	wg.Wait()
	s = openFS(t, fsys)
	defer closeStore(t, s)
	answered := told.copied()
	last, _ := s.Position(t.Context(), 5)
	for id, seq := range answered {
		if seq+route.DedupPerUser <= last.Last {
			delete(answered, id)
		}
	}
	checkKept(t, s, 5, answered)
}

func TestQueueFull(t *testing.T) {
	s := newStore(Config{Dir: Memory, Now: time.Now}, nil) // without a committer
	for range queueLength {
		if err := s.submit(t.Context(), &ackRequest{ticket: newTicket()}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	errCh := make(chan error)
	go func() { errCh <- s.submit(ctx, &ackRequest{ticket: newTicket()}) }()
	cancel(fmt.Errorf("enough"))
	if err := <-errCh; !errors.Is(err, context.Canceled) {
		t.Fatalf("submit to a full queue: %v", err)
	}
}
