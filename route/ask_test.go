package route_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

// Without the Directory, whoever has the receiver is found, and asked alone from then on; with it, all is as before.
func TestUnstoredGoesOnWithoutTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "")
		zs := o.at("zs", "s2")
		o.wantWritten(zs)
		o.wantPushes(0, 1, 0)

		o.store.refuse(errAway)
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1)
		o.wantWritten(zs)
		o.wantPushes(0, 1, 0)
		if s := o.AskStats(); !s.Away || s.Outages != 1 || s.Pushes != 3 || s.Outcomes["written"] != 2 {
			t.Errorf("stats %+v", s)
		}

		o.store.back()
		after(time.Second)
		o.wantWritten(zs) // which also asks whether the Directory is back
		o.wantPushes(0, 1, 0)
		if o.AskStats().Away {
			t.Error("it is not noticed that the Directory is back")
		}
		ls := o.at("ls", "s3")
		o.wantWritten(ls)
		o.wantPushes(0, 0, 1)
	})
}

// Only the first message waits for a Directory that hangs, and only for so long; the look whether it is back delays
// nobody's message.
func TestUnstoredWaitsOnceForTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 500 * time.Millisecond // the default of PushPatience
		o := newOutage(t, 3, "")
		zs := o.at("zs", "s3")
		o.wantWritten(zs)
		o.store.hangs.Store(true)
		wantTook := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			o.wantWritten(zs)
			if took := time.Since(began); took != want {
				t.Errorf("a message took %v, want %v", took, want)
			}
		}
		wantTook(patience)
		for range 100 {
			wantTook(0)
		}
		if n := o.store.asked.Load(); n != 1 {
			t.Errorf("the store was asked %d times", n)
		}
		after(time.Second)
		writtenCh := make(chan route.Outcome)
		go func() { writtenCh <- o.say(zs) }() // ends with what the test reads
		synctest.Wait()
		if n := o.store.asked.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want once more a second later", n)
		}
		o.wantPushes(1, 1, 103)
		if got := <-writtenCh; got.Reached != 1 {
			t.Errorf("outcome %+v", got)
		}
		wantTook(0)
	})
}

// An account that was never seen is not looked up for ever either.
func TestUnstoredToStrangersWithoutTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s2")
		o.store.hangs.Store(true)
		began := time.Now()
		o.wantWritten(zs)
		wantErr(t, o.say(12345).Err, route.ErrOffline)
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("two messages took %v, want the time of one look-up", took)
		}
	})
}

func TestAskOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(o *outage, user int64)
		want    error
		reached int
		counted string
	}{
		"nobody has them": {func(*outage, int64) {}, route.ErrOffline, 0, "offline"},
		"one has them":    {func(o *outage, u int64) { o.connect(u, "s2", "d") }, nil, 1, "written"},
		"the connection is full": {func(o *outage, u int64) {
			o.connect(u, "s2", "d")
			o.peers["s2"].result = route.PushSlow
		}, route.ErrSlow, 0, "slow"},
		"one does not answer": {
			func(o *outage, _ int64) { o.peers["s3"].err = errors.New("broken") },
			route.ErrStoreUnavailable, 0, "unknown",
		},
		"one takes its time": {
			func(o *outage, _ int64) { o.peers["s3"].hangs = true },
			route.ErrStoreUnavailable, 0, "unknown",
		},
		"one cannot say": {func(o *outage, u int64) {
			o.connect(u, "s3", "d")
			o.peers["s3"].result = route.PushUnknown
		}, route.ErrStoreUnavailable, 0, "unknown"},
		"one does not answer, another has them": {func(o *outage, u int64) {
			o.connect(u, "s2", "d")
			o.peers["s3"].err = errors.New("broken")
		}, nil, 1, "written"},
		"there are no servers": {func(o *outage, _ int64) {
			for _, leave := range o.leave {
				leave()
			}
		}, route.ErrStoreUnavailable, 0, "unknown"},
		"two have them, of which one does not know better": {func(o *outage, u int64) {
			o.connect(u, "s1", "d")
			o.connect(u, "s2", "d")
			o.peers["s1"].holds[u] = 1
		}, nil, 2, "written"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t, 3, "")
				id := o.user("zs")
				tc.prepare(o, id)
				o.store.refuse(errAway)
				got := o.say(id)
				if !errors.Is(got.Err, tc.want) || got.Reached != tc.reached {
					t.Errorf("outcome %+v, want %v and %d sessions", got, tc.want, tc.reached)
				}
				if s := o.AskStats(); s.Outcomes[tc.counted] != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}
