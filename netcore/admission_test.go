package netcore

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func testAdmission(rate, burst, ceiling int) *admission {
	return newAdmission(&Config{AdmitRate: rate, AdmitBurst: burst, MaxConns: ceiling}, &atomic.Int64{})
}

func TestAdmissionSpreadsAStorm(t *testing.T) {
	a, start := testAdmission(100, 10, 1<<40), time.Unix(1000, 0)
	n := map[Admission]int{}
	var last time.Time
	for range 10_000 {
		at, outcome := a.take(start, time.Hour)
		n[outcome]++
		if outcome == admittedLater {
			if !at.After(last) {
				t.Fatalf("two users are to come at %v and %v", last, at)
			}
			last = at
		}
	}
	if n[admittedNow] != 11 || n[admittedLater] != 100*60 || n[admissionBusy] != 10_000-11-6000 {
		t.Errorf("answered %v", n)
	}
	if d := last.Sub(start); d != 60*time.Second {
		t.Errorf("the last is to come after %v", d)
	}
	if at, outcome := a.take(start.Add(time.Second), 2*time.Minute); outcome != admittedLater || at.Sub(last) != 10*time.Millisecond {
		t.Errorf("after a second there is no new place: %v", outcome)
	}
}

// A refusal takes no place: those who cannot wait must not push out those who can.
func TestBusyTakesNoPlace(t *testing.T) {
	a, now := testAdmission(10, 1, 1<<40), time.Unix(1000, 0)
	for range 20 {
		a.take(now, time.Minute)
	}
	first, _ := a.take(now, time.Minute)
	for range 50 {
		if _, outcome := a.take(now, time.Second); outcome != admissionBusy {
			t.Fatalf("answered %v", outcome)
		}
	}
	if next, _ := a.take(now, time.Minute); next.Sub(first) != 100*time.Millisecond {
		t.Errorf("the next place is %v after the one before", next.Sub(first))
	}
}

func TestExpectedUsersTakeRoom(t *testing.T) {
	now := time.Unix(1000, 500)
	for name, tc := range map[string]struct {
		change func(a *admission)
		after  time.Duration
		full   bool
	}{
		"they are on their way": {func(*admission) {}, 0, true},
		"one has come":          {func(a *admission) { a.came(now) }, 0, true},
		"one has come and gone": {func(a *admission) { a.open.Add(-a.came(now)) }, 0, false},
		"still":                 {func(*admission) {}, 10 * time.Second, true},
		"they do not come":      {func(*admission) {}, 11 * time.Second, false},
		"long ago":              {func(*admission) {}, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := testAdmission(1000, 1000, 3)
			for range 3 {
				if _, outcome := a.take(now, 0); outcome != admittedNow {
					t.Fatalf("answered %v", outcome)
				}
			}
			tc.change(a)
			if _, outcome := a.take(now.Add(tc.after), 0); (outcome == admissionFull) != tc.full {
				t.Errorf("answered %v", outcome)
			}
		})
	}
}

// Who is to come in a minute is expected until then.
func TestLateUsersTakeRoomUntilTheyCome(t *testing.T) {
	a, now := testAdmission(1, 1, 1<<40), time.Unix(1000, 0)
	for range 62 {
		if _, outcome := a.take(now, time.Minute); outcome > admittedLater {
			t.Fatalf("answered %v", outcome)
		}
	}
	for _, tc := range []struct {
		after time.Duration
		left  int
	}{{9 * time.Second, 62}, {11 * time.Second, 60}, {69 * time.Second, 2}, {71 * time.Second, 0}} {
		if a.expire(now.Add(tc.after)); a.expected != tc.left {
			t.Errorf("after %v %d are expected, want %d", tc.after, a.expected, tc.left)
		}
	}
}

func TestCameWithoutBeingExpected(t *testing.T) {
	a, now := testAdmission(1, 1, 1<<40), time.Unix(1000, 0)
	a.came(now)
	a.take(now, 0)
	a.came(now.Add(time.Minute))
	if a.expected != 0 {
		t.Errorf("%d are expected", a.expected)
	}
}

func TestExpect(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.MaxConns = 2 })
	expect := func(want error) {
		t.Helper()
		if at, err := s.Expect(time.Second); !errors.Is(err, want) || !at.IsZero() {
			t.Errorf("answered %v, %v; want %v", at, err, want)
		}
	}
	expect(nil)
	expect(nil)
	expect(ErrFull)
	join(t, s, 5)
	if n := s.Expected(); n != 1 {
		t.Errorf("%d are expected after one of two came", n)
	}
	expect(ErrFull)
	join(t, s, 6)
	if n := s.Expected(); n != 0 {
		t.Errorf("%d are expected after both came", n)
	}
	expect(ErrFull)
	s.stopping.Store(true)
	expect(ErrStopping)
	s.stopping.Store(false)
	want := map[string]uint64{"now": 2, "later": 0, "full": 3, "busy": 0, "stopping": 1}
	for name, n := range s.Stats().Admissions {
		if n != want[name] {
			t.Errorf("%s: %d, want %d", name, n, want[name])
		}
	}
}

func TestExpectOfABusyServer(t *testing.T) {
	s := start(t, newFakeBackend(), func(c *Config) { c.AdmitRate = 1 })
	var err error
	for range 4 {
		if _, err = s.Expect(0); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrBusy) {
		t.Fatalf("answered %v", err)
	}
	at, err := s.Expect(time.Minute)
	if wait := time.Until(at); err != nil || wait < 0 || wait > 2*time.Second {
		t.Errorf("to come in %v, %v", wait, err)
	}
	if s.Stats().Expected != 3 {
		t.Errorf("%d are expected", s.Stats().Expected)
	}
}
