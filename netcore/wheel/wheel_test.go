package wheel

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

// node is an owner: the entry does not have to come first.
type node struct {
	id    int
	timer Entry[node]
}

func (n *node) Timer() *Entry[node] { return &n.timer }

func nodes(n int) []*node {
	all := make([]*node, n)
	for i := range all {
		all[i] = &node{id: i}
	}
	return all
}

// fired advances w and lists whom it fired.
func fired(w *Wheel[node, *node], now int64) []int {
	var ids []int
	w.Advance(now, func(n *node) { ids = append(ids, n.id) })
	return ids
}

func wantFired(t *testing.T, w *Wheel[node, *node], now int64, want ...int) {
	t.Helper()
	if got := fired(w, now); !slices.Equal(got, want) {
		t.Errorf("Advance(%d) fired %v, want %v", now, got, want)
	}
}

func TestNewRoundsSlotsUp(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int]int{-1: DefaultSlots, 0: DefaultSlots, 1: 1, 2: 2, 3: 4, 8: 8, 9: 16, DefaultSlots: DefaultSlots} {
		if got := len(New[node](slots).slots); got != want {
			t.Errorf("New(%d) has %d slots, want %d", slots, got, want)
		}
	}
}

// Each deadline up to several turns fires in the Advance to its tick: none earlier, none later.
func TestExpiryIsExact(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2, 8, 64} {
		w := New[node](slots)
		all := nodes(200)
		for i, n := range all {
			w.Arm(n, int64(i)+1)
		}
		for now := int64(1); now <= 200; now++ {
			wantFired(t, w, now, int(now)-1)
		}
		wantFired(t, w, 1000)
	}
}

func TestAdvanceOverSeveralTicksKeepsTheOrder(t *testing.T) {
	t.Parallel()
	w := New[node](16)
	all := nodes(6)
	for i, deadline := range []int64{14, 3, 9, 3, 15, 1} {
		w.Arm(all[i], deadline)
	}
	wantFired(t, w, 14, 5, 1, 3, 2, 0)
	wantFired(t, w, 15, 4)
}

func TestOneTickFiresInTheOrderOfArming(t *testing.T) {
	t.Parallel()
	w := New[node](4)
	all := nodes(5)
	for _, i := range []int{3, 1, 4, 0, 2} {
		w.Arm(all[i], 7)
	}
	w.Arm(all[1], 7) // again: now the last
	wantFired(t, w, 6)
	wantFired(t, w, 7, 3, 4, 0, 2, 1)
}

func TestArmInThePastFiresAtTheNextAdvance(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	wantFired(t, w, 100)
	all := nodes(4)
	for i, deadline := range []int64{100, 0, -5, math.MinInt64} {
		w.Arm(all[i], deadline)
	}
	wantFired(t, w, 100, 0, 1, 2, 3)
	wantFired(t, w, 101)
}

func TestArmAgainMovesTheDeadline(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	n := &node{id: 1}
	for _, deadline := range []int64{5, 50, -1, 20, 3, 12} {
		w.Arm(n, deadline)
	}
	wantFired(t, w, 11)
	wantFired(t, w, 12, 1)
	wantFired(t, w, 100)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cases := map[string][]int{ // which of five in one slot
		"first": {0}, "middle": {2}, "last": {4}, "neighbours": {1, 2}, "all": {0, 1, 2, 3, 4}, "backwards": {4, 3, 2, 1, 0}, "twice": {3, 3},
	}
	for name, cancelled := range cases {
		for place, deadline := range map[string]int64{"due": 9, "overdue": 0} {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				w := New[node](8)
				all := nodes(5)
				for _, n := range all {
					w.Arm(n, deadline)
				}
				want := []int{0, 1, 2, 3, 4}
				for _, i := range cancelled {
					w.Cancel(all[i])
					want = slices.DeleteFunc(want, func(id int) bool { return id == i })
					if all[i].timer.Armed() {
						t.Errorf("entry %d is armed after Cancel", i)
					}
				}
				wantFired(t, w, 9, want...)
			})
		}
	}
}

func TestCancelOfTheUnarmedDoesNothing(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	all := nodes(2)
	w.Arm(all[0], 3)
	w.Cancel(all[1])
	wantFired(t, w, 3, 0)
	w.Cancel(all[0])
	wantFired(t, w, 30)
}

func TestFireMayArmItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after int64
		want  []int64 // when it fires on the way to 20, tick by tick
	}{
		"for the next tick":   {1, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}},
		"for a turn later":    {8, []int64{5, 13}},
		"for two turns later": {15, []int64{5, 20}},
		"for the same tick":   {0, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}},
		"for the past":        {-7, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := New[node](8)
			n := new(node)
			w.Arm(n, 5)
			var got []int64
			for now := int64(1); now <= 20; now++ {
				w.Advance(now, func(n *node) {
					if n.timer.Armed() {
						t.Error("the entry is armed while it is fired")
					}
					got = append(got, now)
					w.Arm(n, now+c.after)
				})
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("it fired at %v, want %v", got, c.want)
			}
		})
	}
}

// The first of a slot cancels, moves and arms others that hang behind it in the same list.
func TestFireMayChangeItsOwnSlot(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	all := nodes(6)
	for _, n := range all[:5] {
		w.Arm(n, 4)
	}
	var got []int
	w.Advance(4, func(n *node) {
		got = append(got, n.id)
		if n.id == 0 {
			w.Cancel(all[1])   // the next to come
			w.Arm(all[2], 12)  // a turn later in the same slot
			w.Cancel(all[4])   // the last
			w.Arm(all[5], 4)   // not due before the next Advance
			w.Arm(all[0], 100) // itself
		}
	})
	if want := []int{0, 3}; !slices.Equal(got, want) {
		t.Errorf("Advance(4) fired %v, want %v", got, want)
	}
	wantFired(t, w, 4, 5)
	wantFired(t, w, 11)
	wantFired(t, w, 12, 2)
	wantFired(t, w, 100, 0)
}

func TestAdvanceIntoThePastVisitsNothing(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	all := nodes(2)
	wantFired(t, w, 50)
	w.Arm(all[0], 51)
	w.Arm(all[1], 50)
	wantFired(t, w, 10, 1)
	wantFired(t, w, 51, 0)
}

// The machine slept: each slot is visited once, not each tick, or this test would not end.
func TestALongJumpVisitsEachSlotOnce(t *testing.T) {
	t.Parallel()
	w := New[node](8)
	all := nodes(40)
	for i, n := range all {
		w.Arm(n, int64(i)*3+1)
	}
	late := &node{id: 99}
	w.Arm(late, math.MaxInt64)
	got := fired(w, math.MaxInt64-1)
	slices.Sort(got)
	if len(got) != len(all) || got[0] != 0 || got[39] != 39 || len(slices.Compact(got)) != 40 {
		t.Errorf("the jump fired %v, want each of the 40 once", got)
	}
	wantFired(t, w, math.MaxInt64, 99)
	w.Arm(late, math.MaxInt64)
	wantFired(t, w, math.MaxInt64, 99)
}

func TestEntryIsSmall(t *testing.T) {
	t.Parallel()
	if size := reflect.TypeFor[Entry[node]]().Size(); size > 24 {
		t.Errorf("an entry takes %d bytes, want 24", size)
	}
}

func TestNothingIsAllocated(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	w := New[node](64)
	all := nodes(100)
	now := int64(0)
	rearm := func(n *node) { w.Arm(n, now+1+int64(n.id%80)) }
	for _, n := range all {
		rearm(n)
	}
	allocs := testing.AllocsPerRun(1000, func() {
		now++
		w.Advance(now, rearm)
		w.Cancel(all[now%100])
		w.Arm(all[now%100], now+int64(now%200))
	})
	if allocs != 0 {
		t.Errorf("a tick allocates %v times, want never", allocs)
	}
}
