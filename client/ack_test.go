package client

import (
	"testing"
	"testing/synctest"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func TestAcksAreCoalesced(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		const n = 1000
		for seq := range uint64(n) {
			p.message(1, seq+1, "x")
		}
		last, acked := uint64(0), 0
		for last < n {
			f := p.next(t, cimpb.Command_ACK)
			if f.Seq <= last {
				t.Fatalf("ACK of %d after %d", f.Seq, last)
			}
			last, acked = f.Seq, acked+1
		}
		if acked > n/ackEvery+2 {
			t.Errorf("%d ACKs for %d messages at once, want about one for %d", acked, n, ackEvery)
		}
	})
}

func TestAcksOfATrickle(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		const n = 100
		for seq := range uint64(n) {
			p.message(1, seq+1, "x")
			pass(time.Millisecond)
		}
		pass(ackWithin)
		if acks := len(p.frameCh); acks < 4 || acks > 8 {
			t.Errorf("%d ACKs in 120 ms, want about one each 20 ms", acks)
		}
	})
}

func TestAckOfALoneMessageGoesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p := s.connect(t, newRecorder())
		pass(time.Second)
		p.message(1, 1, "x")
		synctest.Wait()
		if len(p.frameCh) != 1 {
			t.Errorf("%d frames, want the ACK without a wait", len(p.frameCh))
		}
	})
}

// appended reads what appendDue wrote.
func appended(t *testing.T, a *acks, now time.Time, force bool) (seq uint64, next time.Time) {
	t.Helper()
	raw, next := a.appendDue(nil, now, force)
	if len(raw) == 0 {
		return 0, next
	}
	payload, _, err := frame.Next(raw, 1000)
	var v frame.View
	if err != nil || v.Parse(payload) != nil || v.Cmd != cimpb.Command_ACK {
		t.Fatalf("appended %x", raw)
	}
	return v.Seq, next
}

func TestAcksSteps(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	cur := func(seq uint64) Cursor { return Cursor{LogEpoch: 1, Seq: seq} }
	for _, tt := range []struct {
		name  string
		steps func(a *acks)
		now   time.Time
		force bool
		want  uint64
	}{
		{"nothing handled", func(*acks) {}, at(0), true, 0},
		{"busy: waits", func(a *acks) { a.handled(cur(1), false, at(0)) }, at(19), false, 0},
		{"busy: due", func(a *acks) { a.handled(cur(1), false, at(0)) }, at(20), false, 1},
		{"busy: forced", func(a *acks) { a.handled(cur(1), false, at(0)) }, at(1), true, 1},
		{"idle: at once", func(a *acks) { a.handled(cur(1), true, at(0)) }, at(0), false, 1},
		{"many: at once", func(a *acks) {
			for seq := range uint64(ackEvery) {
				a.handled(cur(seq+1), false, at(0))
			}
		}, at(0), false, ackEvery},
		{"idle, but just written", func(a *acks) {
			a.handled(cur(1), true, at(0))
			a.appendDue(nil, at(0), false)
			a.handled(cur(2), true, at(5))
		}, at(19), false, 0},
		{"handled before", func(a *acks) {
			a.restart(cur(5))
			a.handled(cur(4), true, at(0))
		}, at(50), true, 0},
		{"repetition", func(a *acks) {
			a.restart(cur(5))
			a.again(at(0))
		}, at(20), false, 5},
		{"repetition of nothing", func(a *acks) { a.again(at(0)) }, at(20), true, 0},
		{"server knows less", func(a *acks) {
			a.restart(cur(5))
			a.welcomed(cur(3), at(0))
		}, at(20), false, 5},
		{"server knows more", func(a *acks) {
			a.restart(cur(5))
			a.handled(cur(6), false, at(0))
			a.welcomed(cur(8), at(0))
		}, at(20), true, 0},
		{"another epoch", func(a *acks) {
			a.restart(cur(5))
			a.welcomed(Cursor{LogEpoch: 2, Seq: 8}, at(0))
			a.handled(cur(6), true, at(0))
		}, at(20), true, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &acks{}
			tt.steps(a)
			if got, _ := appended(t, a, tt.now, tt.force); got != tt.want {
				t.Errorf("ACK of %d, want %d", got, tt.want)
			}
		})
	}
}

func TestAcksTellWhenToAskAgain(t *testing.T) {
	a, now := &acks{}, time.Unix(1000, 0)
	if wake := a.handled(Cursor{1, 1}, false, now); !wake {
		t.Error("the first message does not wake the writer")
	}
	if wake := a.handled(Cursor{1, 2}, false, now.Add(time.Millisecond)); wake {
		t.Error("the second message wakes the writer")
	}
	if wake := a.handled(Cursor{1, 3}, true, now.Add(2*time.Millisecond)); !wake {
		t.Error("the ACK became due at once, and the writer sleeps on")
	}
	a.wrote = now
	a.due = now.Add(ackWithin)
	if seq, next := appended(t, a, now, false); seq != 0 || !next.Equal(now.Add(ackWithin)) {
		t.Errorf("ACK of %d, next at %v", seq, next)
	}
}
