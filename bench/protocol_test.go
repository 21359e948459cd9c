package bench

import (
	"reflect"
	"testing"
)

func TestTallyAdds(t *testing.T) {
	a, b := newTally(), newTally()
	a.add(tally{
		Connected: 5, Open: 3, Pings: 10, Pongs: 9, Late: 1, Unanswered: 1, Messages: 2,
		Drops: map[string]int{"eof": 1}, Silenced: map[string]int{"idle_timeout": 1}, Granted: Granted{10, 10, 25, 25},
	})
	b.add(a)
	b.add(tally{Connected: 1, Open: 1, Drops: map[string]int{"eof": 2, "reset": 1}, Granted: Granted{20, 20, 50, 50}})
	b.add(tally{}) // a worker that has nothing to say yet
	want := newTally()
	want.Connected, want.Open, want.Pings, want.Pongs, want.Late, want.Unanswered, want.Messages = 6, 4, 10, 9, 1, 1, 2
	want.Drops, want.Silenced = map[string]int{"eof": 3, "reset": 1}, map[string]int{"idle_timeout": 1}
	want.Granted = Granted{10, 20, 25, 50}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if b.dropped() != 4 || b.silentClosed() != 1 {
		t.Errorf("%d dropped and %d silent ones closed, want 4 and 1", b.dropped(), b.silentClosed())
	}
	if a.dropped() != 1 {
		t.Error("adding changed what was added")
	}
}

func TestLostWorkerLosesWhatItHeld(t *testing.T) {
	held := tally{
		Connected: 9, Open: 7, Pings: 20, Pongs: 18,
		Drops: map[string]int{"eof": 2}, Silenced: map[string]int{"idle_timeout": 1},
	}
	for name, tc := range map[string]struct {
		w    worker
		died int
		open int
	}{
		"at work":                {worker{last: held}, 0, 7},
		"ended with its result":  {worker{last: held, gone: true, result: &notice{}}, 0, 7},
		"killed":                 {worker{last: held, gone: true}, 7, 0},
		"failed, and says so":    {worker{last: held, result: &notice{Error: "x"}}, 7, 0},
		"killed before a notice": {worker{gone: true}, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tc.w.share = share{Count: 10, Step: 1}
			got := tc.w.tally()
			if got.Drops[reasonWorkerDied] != tc.died || got.Open != tc.open {
				t.Errorf("%d died and %d open, want %d and %d", got.Drops[reasonWorkerDied], got.Open, tc.died, tc.open)
			}
		})
	}
}

func TestAccountNames(t *testing.T) {
	j := job{Prefix: "bench-x", Share: share{First: 1, Step: 3, Count: 400_000}}
	for i, want := range map[int]string{0: "bench-x-000002", 1: "bench-x-000005", 399_999: "bench-x-1199999"} {
		if got := j.name(i); got != want {
			t.Errorf("connection %d is %q, want %q", i, got, want)
		}
	}
}
