package bench

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFlow(t *testing.T) {
	const first = 100
	for name, tc := range map[string]struct {
		do   func(f *flow) arrival
		want arrival
	}{
		"before its SENT":       {func(f *flow) arrival { f.sending(7); return f.arrived(100) }, arrival{due: 7}},
		"after its SENT":        {func(f *flow) arrival { f.sending(7); f.answered(100, true); return f.arrived(100) }, arrival{due: 7, expected: true}},
		"twice":                 {func(f *flow) arrival { f.sending(7); f.arrived(100); return f.arrived(100) }, arrival{doubled: true}},
		"behind a later one":    {func(f *flow) arrival { f.sending(7); f.sending(8); f.arrived(101); return f.arrived(100) }, arrival{due: 7, disordered: true}},
		"although it was no":    {func(f *flow) arrival { f.sending(7); f.answered(100, false); return f.arrived(100) }, arrival{due: 7, refused: true}},
		"of an earlier run":     {func(f *flow) arrival { f.sending(7); f.arrived(100); return f.arrived(99) }, arrival{foreign: true}},
		"that nobody sent":      {func(f *flow) arrival { f.sending(7); return f.arrived(101) }, arrival{foreign: true}},
		"twice, long forgotten": {func(f *flow) arrival { sendAndSettle(f, 500); return f.arrived(100) }, arrival{doubled: true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlow(first)
			if got := tc.do(&f); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func sendAndSettle(f *flow, n int) {
	for range n {
		id := f.sending(0)
		f.answered(id, true)
		f.arrived(id)
	}
}

func TestFlowAnswers(t *testing.T) {
	f := newFlow(1)
	f.sending(5)
	if a := f.answered(1, true); a != (answer{due: 5, first: true}) {
		t.Errorf("%+v, want an answer to what has still to arrive", a)
	}
	if f.answered(1, false).first {
		t.Error("a second answer counts")
	}
	if f.answered(2, true).first {
		t.Error("an answer to nothing counts")
	}
	if f.missing() != 1 {
		t.Errorf("%d missing, want 1", f.missing())
	}
	f.sending(6)
	f.arrived(2)
	if a := f.answered(2, true); a != (answer{due: 6, first: true, arrived: true}) {
		t.Errorf("%+v, want an answer to what has arrived", a)
	}
}

// A refused message may come however late, and is then no other message twice.
func TestFlowRemembersRefusals(t *testing.T) {
	f := newFlow(1)
	f.sending(0)
	f.answered(1, false)
	sendAndSettle(&f, 500)
	if a := f.arrived(1); a != (arrival{refused: true, forgotten: true}) {
		t.Errorf("%+v, want one that was refused", a)
	}
	if a := f.arrived(1); !a.doubled {
		t.Errorf("%+v when it comes again", a)
	}
}

// What is settled takes no memory.
func TestFlowForgets(t *testing.T) {
	f := newFlow(1)
	sendAndSettle(&f, 100_000)
	if cap(f.window) > 1024 {
		t.Errorf("the window holds %d messages of which none is open", cap(f.window))
	}
	f.sending(0) // answered late: it must not be forgotten
	sendAndSettle(&f, 500)
	if a := f.answered(100_001, true); !a.first || a.arrived {
		t.Errorf("%+v: a message was forgotten that is under way", a)
	}
}

// Whatever order answers and arrivals come in, what is missing is what was stored and has not arrived.
func TestFlowCountsMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFlow(1)
		stored, arrived := map[uint64]bool{}, map[uint64]bool{}
		answered := map[uint64]bool{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch id := rapid.Uint64Range(1, 100).Draw(t, "id"); rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				f.sending(time.Duration(f.next()))
			case 1:
				ok := rapid.Bool().Draw(t, "stored")
				if first := f.answered(id, ok).first; first != (id < f.next() && !answered[id]) {
					t.Fatalf("the answer to %d is the first: %t", id, first)
				} else if first {
					answered[id], stored[id] = true, ok
				}
			default:
				if a := f.arrived(id); a.doubled != arrived[id] || a.foreign != (id >= f.next()) {
					t.Fatalf("message %d: %+v", id, a)
				}
				arrived[id] = id < f.next()
			}
		}
		want := int64(0)
		for id := range stored {
			if stored[id] && !arrived[id] {
				want++
			}
		}
		if f.missing() != want {
			t.Fatalf("%d missing, want %d", f.missing(), want)
		}
	})
}

func TestInboxPlace(t *testing.T) {
	p := inboxPlace{epoch: 5, seq: 3}
	for _, step := range []struct {
		epoch, seq    uint64
		repeated, gap bool
	}{
		{5, 4, false, false}, {5, 4, true, false}, {5, 2, true, false}, {5, 6, false, true}, {5, 7, false, false}, {6, 1, false, false}, {6, 2, false, false},
	} {
		if repeated, gap := p.take(step.epoch, step.seq); repeated != step.repeated || gap != step.gap {
			t.Errorf("place (%d, %d): repeated %t, gap %t; want %t, %t", step.epoch, step.seq, repeated, gap, step.repeated, step.gap)
		}
	}
}

func TestPacing(t *testing.T) {
	p := pacing{begin: time.Second, rate: 1000, users: 4}
	for turn, want := range map[int64]time.Duration{0: time.Second, 1: 1001 * time.Millisecond, 1000: 2 * time.Second} {
		if got := p.due(turn); got != want {
			t.Errorf("turn %d is due at %s, want %s", turn, got, want)
		}
	}
	for turn := range int64(40) {
		if user := p.user(turn); p.dueOf(user, turn/4) != p.due(turn) {
			t.Errorf("turn %d is user %d's at %s, want %s", turn, user, p.dueOf(user, turn/4), p.due(turn))
		}
	}
}

func TestFirstMessageIDsOfRuns(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	a, b := firstMessageID(now), firstMessageID(now.Add(time.Second))
	if b-a != 2_048_000 {
		t.Errorf("%d ids in a second, want 2,048,000", b-a)
	}
	if late := firstMessageID(now.AddDate(20, 0, 0)); late >= 1<<53 {
		t.Errorf("ids reach %d in twenty years, above 2^53", late)
	}
}

func TestPayloadIDs(t *testing.T) {
	payload := make([]byte, 20)
	putPayloadID(payload, 1<<52+7)
	if id, ok := payloadID(payload); !ok || id != 1<<52+7 {
		t.Errorf("id %d, %t", id, ok)
	}
	if _, ok := payloadID(payload[:7]); ok {
		t.Error("seven bytes hold an id")
	}
}

// Pairs stay in one worker, and everybody has one.
func TestSendShares(t *testing.T) {
	for _, tc := range []struct{ pairs, workers int }{{1, 1}, {5, 2}, {7, 7}, {100, 3}} {
		next := 0
		for _, s := range sendShares(tc.pairs, tc.workers) {
			if s.First != next || s.Step != 1 || s.Count < 2 || s.Count%2 != 0 {
				t.Errorf("%d pairs, %d workers: %+v, want whole pairs from %d", tc.pairs, tc.workers, s, next)
			}
			next += s.Count
		}
		if next != 2*tc.pairs {
			t.Errorf("%d pairs, %d workers: %d users", tc.pairs, tc.workers, next)
		}
	}
}

func TestSendCountsAdd(t *testing.T) {
	a := SendCounts{Sent: 10, Acknowledged: 7, Delivered: 6, Missing: 3, Stranded: 1, Refused: map[string]int64{"overloaded": 2}}
	kept := a.clone()
	a.add(SendCounts{Sent: 5, Acknowledged: 4, Refused: map[string]int64{"overloaded": 1, "offline": 3}, Doubled: 1, BytesIn: 9})
	if a.Sent != 15 || a.refusals() != 6 || a.Doubled != 1 || a.BytesIn != 9 || a.lost() != 2 || a.unanswered() != -2 {
		t.Errorf("%+v", a)
	}
	if kept.refusals() != 2 {
		t.Errorf("the copy has changed: %+v", kept)
	}
}

func TestInboxPlaceGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name                      string
		place, base, follows, end inboxPlace
	}{
		{"the same log", inboxPlace{1, 5}, inboxPlace{1, 3}, inboxPlace{}, inboxPlace{1, 5}},
		{"trimmed", inboxPlace{1, 5}, inboxPlace{1, 8}, inboxPlace{}, inboxPlace{1, 8}},
		{"another log that has all", inboxPlace{1, 5}, inboxPlace{2, 3}, inboxPlace{1, 7}, inboxPlace{2, 5}},
		{"another log without the end", inboxPlace{1, 5}, inboxPlace{2, 3}, inboxPlace{1, 4}, inboxPlace{2, 4}},
		{"another log of which nothing is known", inboxPlace{1, 5}, inboxPlace{2, 3}, inboxPlace{}, inboxPlace{2, 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.place
			if p.goOn(tc.base, tc.follows); p != tc.end {
				t.Errorf("goes on behind %+v, want %+v", p, tc.end)
			}
		})
	}
}
