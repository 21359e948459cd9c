package bench

import (
	"testing"
	"time"
)

func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestLedgerPhases(t *testing.T) {
	l := newLedger()
	l.begin(phaseBefore, at(10))
	l.begin(phaseDuring, at(20))
	for _, due := range []float64{9, 10, 19, 20, 21, 22} {
		l.pong(at(due), at(due+0.001))
	}
	l.begin(phaseAfter, at(30))
	l.pong(at(29.9), at(31)) // a stall counts where it was due
	l.ended(reasonEOF, false, at(25))
	for p, want := range map[phase]int64{phaseWarmUp: 1, phaseBefore: 2, phaseDuring: 4, phaseAfter: 0} {
		if got := l.report(p).Ping.Count; got != want {
			t.Errorf("%s: %d pings, want %d", phaseNames[p], got, want)
		}
	}
	during := l.report(phaseDuring)
	if during.Ping.Max < 1_099_000 || during.Ended[reasonEOF] != 1 || during.Phase != "during" {
		t.Errorf("%+v", during)
	}
}

func TestLedgerMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		book    func(l *ledger)
		stored  int64
		missing int
		arrived int64
	}{
		"stored, then arrived": {func(l *ledger) { l.sending(1, at(0)); l.acknowledged(1, at(1)); l.delivered(1, at(2)) }, 1, 0, 1},
		"arrived, then stored": {func(l *ledger) { l.sending(1, at(0)); l.delivered(1, at(1)); l.acknowledged(1, at(2)) }, 1, 0, 1},
		"stored and gone":      {func(l *ledger) { l.sending(1, at(0)); l.acknowledged(1, at(1)) }, 1, 1, 0},
		"never acknowledged":   {func(l *ledger) { l.sending(1, at(0)) }, 0, 0, 0},
		"arrived twice": {func(l *ledger) {
			l.sending(1, at(0))
			l.acknowledged(1, at(1))
			l.delivered(1, at(2))
			l.delivered(1, at(3))
		}, 1, 0, 1},
		"acknowledged twice": {func(l *ledger) { l.sending(1, at(0)); l.acknowledged(1, at(1)); l.acknowledged(1, at(1)) }, 1, 1, 0},
		"of an earlier run":  {func(l *ledger) { l.delivered(7, at(1)) }, 0, 0, 0},
		"answer to nobody's": {func(l *ledger) { l.acknowledged(7, at(1)) }, 0, 0, 0},
		"one of two is missing": {func(l *ledger) {
			l.sending(1, at(0))
			l.sending(2, at(0))
			l.acknowledged(1, at(1))
			l.acknowledged(2, at(1))
			l.delivered(2, at(2))
		}, 2, 1, 1},
		"refused is not missing": {func(l *ledger) { l.sending(1, at(0)); l.refusedSend("overloaded") }, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			tc.book(l)
			_, missing := l.standing()
			if arrived := l.report(phaseWarmUp).Arrived.Count; l.numStored != tc.stored || missing != tc.missing || arrived != tc.arrived {
				t.Errorf("%d stored, %d missing, %d arrived; want %d, %d, %d", l.numStored, missing, arrived, tc.stored, tc.missing, tc.arrived)
			}
		})
	}
}

func TestLedgerCountsWhoIsOnline(t *testing.T) {
	l := newLedger()
	l.welcomed("a")
	l.welcomed("a")
	l.ended(reasonReset, true, at(1))
	l.ended(reasonRefused, false, at(2)) // it had not come back
	l.welcomed("b")
	if online, _ := l.standing(); online != 2 || len(l.instances) != 2 {
		t.Errorf("%d online at %v, want 2 at a and b", online, l.instances)
	}
	if ended := l.report(phaseWarmUp).Ended; ended[reasonReset] != 1 || ended[reasonRefused] != 1 {
		t.Errorf("ended: %v", ended)
	}
}
