package client

import (
	"strings"
	"testing"
)

func TestQueueIsBounded(t *testing.T) {
	large := Message{Text: strings.Repeat("x", queueBytes/4+1)}
	for _, tt := range []struct {
		name string
		m    Message
		want int
	}{
		{"in number", Message{Text: "x"}, queueMessages},
		{"in weight", large, 3},
		{"but for one message", Message{Text: strings.Repeat("x", queueBytes+1)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, n := newQueue(), 0
			for q.put(item{msg: tt.m}) {
				n++
			}
			if n != tt.want || q.roomy() {
				t.Errorf("took %d, want %d; roomy %v", n, tt.want, q.roomy())
			}
			q.putNote(StateChange{State: StateLogGap}, Cursor{1, 1})
			for left := n; left >= 0; left-- {
				it, behind, ok := q.take()
				if !ok || behind != left || (it.note != nil) != (left == 0) {
					t.Fatalf("took %v with %d behind, want %d", ok, behind, left)
				}
			}
			if _, _, ok := q.take(); ok || !q.roomy() || q.bytes != 0 {
				t.Errorf("not empty at the end: %d bytes", q.bytes)
			}
		})
	}
}

func TestQueueKeepsOrderAndMemory(t *testing.T) {
	q := newQueue()
	put, taken := uint64(0), uint64(0)
	for round := range 2000 {
		for range round%7 + 1 {
			put++
			q.put(item{msg: Message{Seq: put}})
		}
		for range round%7 + 1 {
			it, _, ok := q.take()
			if taken++; !ok || it.msg.Seq != taken {
				t.Fatalf("took %d, want %d", it.msg.Seq, taken)
			}
		}
	}
	if cap(q.items) > 64 {
		t.Errorf("keeps room for %d items, with none in it", cap(q.items))
	}
}

func TestQueueLetsGoOfWhatWasTaken(t *testing.T) {
	q := newQueue()
	q.put(item{msg: Message{Text: "1"}})
	q.put(item{msg: Message{Text: "2"}})
	if it, _, _ := q.take(); it.msg.Text != "1" || q.items[0].msg.Text != "" {
		t.Errorf("took %q, still holds %q", it.msg.Text, q.items[0].msg.Text)
	}
}

func TestQueueSlidesInsteadOfGrowing(t *testing.T) {
	q := newQueue()
	next := uint64(1)
	for seq := range uint64(10_000) { // never empty, never more than 10
		q.put(item{msg: Message{Seq: seq + 1}})
		if seq >= 9 {
			it, _, _ := q.take()
			if it.msg.Seq != next {
				t.Fatalf("took %d, want %d", it.msg.Seq, next)
			}
			next++
		}
	}
	if cap(q.items) > 64 {
		t.Errorf("room for %d items, for 10", cap(q.items))
	}
}

// TestNotesOfAQueueAreFew: a server that says SYNC again and again does not fill it.
func TestNotesOfAQueueAreFew(t *testing.T) {
	gap := func(from, to uint64) StateChange { return StateChange{State: StateLogGap, From: from, To: to} }
	reset := StateChange{State: StateLogReset}
	for _, tt := range []struct {
		name  string
		notes []StateChange
		want  StateChange
	}{
		{"gaps", []StateChange{gap(2, 5), gap(6, 9)}, gap(2, 9)},
		{"a gap and a reset", []StateChange{gap(2, 5), reset}, reset},
		{"a reset and a gap", []StateChange{reset, gap(2, 5), gap(6, 9)}, reset},
		{"resets", []StateChange{reset, reset}, reset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue()
			q.put(item{msg: Message{Text: "x"}})
			for i, n := range tt.notes {
				q.putNote(n, Cursor{1, uint64(i)})
			}
			if it, left, _ := q.take(); it.msg.Text != "x" || left != 1 {
				t.Fatalf("took %+v with %d behind", it, left)
			}
			it, left, _ := q.take()
			if it.note == nil || *it.note != tt.want || left != 0 || it.at.Seq != uint64(len(tt.notes)-1) {
				t.Errorf("took %+v at %+v with %d behind, want %+v", it.note, it.at, left, tt.want)
			}
		})
	}
}
