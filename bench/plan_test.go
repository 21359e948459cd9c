package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		connections, workers int
		counts               []int
	}{
		{1, 1, []int{1}},
		{10, 1, []int{10}},
		{10, 3, []int{4, 3, 3}},
		{11, 3, []int{4, 4, 3}},
		{3, 3, []int{1, 1, 1}},
	} {
		t.Run(fmt.Sprintf("%d over %d", tc.connections, tc.workers), func(t *testing.T) {
			var counts []int
			seen := map[int]bool{}
			for _, s := range split(tc.connections, tc.workers) {
				counts = append(counts, s.Count)
				for i := range s.Count {
					seen[s.index(i)] = true
				}
			}
			if !slices.Equal(counts, tc.counts) {
				t.Errorf("counts are %v, want %v", counts, tc.counts)
			}
			if len(seen) != tc.connections || !seen[0] || !seen[tc.connections-1] {
				t.Errorf("the shares cover %d connections, want all %d", len(seen), tc.connections)
			}
		})
	}
}

func TestHeartbeatPhases(t *testing.T) {
	one := schedule{period: 10 * time.Second, total: 4, share: share{First: 0, Step: 1, Count: 4}}
	second := schedule{period: 10 * time.Second, total: 4, share: share{First: 1, Step: 2, Count: 2}}
	for _, tc := range []struct {
		name string
		s    schedule
		k    int64
		conn int
		due  time.Duration
	}{
		{"first", one, 0, 0, 0},
		{"spread over the period", one, 3, 3, 7500 * time.Millisecond},
		{"next round", one, 4, 0, 10 * time.Second},
		{"a later round", one, 41, 1, 102500 * time.Millisecond},
		{"second of two workers", second, 0, 0, 2500 * time.Millisecond},
		{"its second connection", second, 1, 1, 7500 * time.Millisecond},
		{"its second round", second, 2, 0, 12500 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if conn, due := tc.s.conn(tc.k), tc.s.due(tc.k); conn != tc.conn || due != tc.due {
				t.Errorf("heartbeat %d is of connection %d at %s, want %d at %s", tc.k, conn, due, tc.conn, tc.due)
			}
		})
	}
}

func TestNextHeartbeat(t *testing.T) {
	s := schedule{period: 10 * time.Second, total: 4, share: share{First: 0, Step: 1, Count: 4}}
	for _, tc := range []struct {
		now  time.Duration
		want int64
	}{
		{0, 0},
		{1, 1},
		{2500 * time.Millisecond, 1},
		{2501 * time.Millisecond, 2},
		{7501 * time.Millisecond, 4},
		{10 * time.Second, 4},
		{99 * time.Second, 40},
	} {
		if got := s.next(tc.now); got != tc.want {
			t.Errorf("at %s the next heartbeat is %d, want %d", tc.now, got, tc.want)
		}
	}
}

// Whatever the shape of the run: heartbeats are in order, next finds the first that is due, and each
// connection's are one period apart.
func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 5).Draw(t, "workers")
		total := rapid.IntRange(workers, 5000).Draw(t, "total")
		sh := split(total, workers)[rapid.IntRange(0, workers-1).Draw(t, "worker")]
		s := schedule{period: time.Duration(rapid.Int64Range(1e6, 36e11).Draw(t, "period")), total: total, share: sh}
		now := time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "now"))
		k := s.next(now)
		if s.due(k) < now || k > 0 && s.due(k-1) >= now {
			t.Fatalf("next(%d) = %d, due at %d; the one before is due at %d", now, k, s.due(k), s.due(k-1))
		}
		if s.due(k+1) < s.due(k) {
			t.Fatalf("heartbeat %d is due before %d", k+1, k)
		}
		if again := k + int64(sh.Count); s.conn(again) != s.conn(k) || s.due(again)-s.due(k) != s.period {
			t.Fatalf("heartbeats %d and %d are %d apart, want one period of %d", k, again, s.due(again)-s.due(k), s.period)
		}
	})
}

func TestSourceAddr(t *testing.T) {
	for _, tc := range []struct {
		index int
		want  [4]byte
	}{
		{0, [4]byte{127, 1, 0, 1}},
		{999, [4]byte{127, 1, 0, 1}},
		{1000, [4]byte{127, 1, 0, 2}},
		{249_999, [4]byte{127, 1, 0, 250}},
		{250_000, [4]byte{127, 1, 1, 1}},
		{62_499_999, [4]byte{127, 1, 249, 250}},
		{62_500_000, [4]byte{127, 2, 0, 1}},
	} {
		if got := sourceAddr(tc.index); got != tc.want {
			t.Errorf("connection %d comes from %v, want %v", tc.index, got, tc.want)
		}
	}
}

func TestSilentOnes(t *testing.T) {
	chosen := silentOnes(7, 100, 42)
	if !slices.Equal(chosen, silentOnes(7, 100, 42)) {
		t.Error("the same seed chose others")
	}
	if slices.Equal(chosen, silentOnes(7, 100, 43)) {
		t.Error("another seed chose the same")
	}
	if unique := slices.Compact(slices.Clone(chosen)); len(unique) != 7 {
		t.Errorf("chosen are %v, want 7 different ones", chosen)
	}
	found := 0
	for _, s := range split(100, 3) {
		for _, i := range silentOf(s, chosen) {
			if !slices.Contains(chosen, s.index(i)) {
				t.Errorf("connection %d of %+v is not among %v", i, s, chosen)
			}
			found++
		}
	}
	if found != len(chosen) {
		t.Errorf("the workers have %d silent ones, want %d", found, len(chosen))
	}
}
