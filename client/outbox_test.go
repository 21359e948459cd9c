package client

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	cimpb "cim/proto"
)

// wireOf collects what an outbox writes to one connection: a frame is one byte, the id of its send.
type wireOf struct{ ids []uint64 }

func (w *wireOf) write(b []byte) { w.ids = append(w.ids, uint64(b[0])) }

func newPending(id uint64, qos cimpb.QoS) *pending {
	return &pending{id: id, qos: qos, frame: []byte{byte(id)}, answerCh: make(chan answer, 1)}
}

// TestOutboxModel holds an outbox against what it promises: never more in flight than the credit, every send
// answered exactly once, none twice on one connection, and the unanswered again on the next, in order.
func TestOutboxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, wire := newOutbox(), &wireOf{}
		credit := 0
		waiting, flying := map[uint64]*pending{}, map[uint64]bool{}
		seen := func() {
			for _, id := range wire.ids {
				if flying[id] || waiting[id] == nil {
					t.Fatalf("wrote %d: in flight %v", id, flying)
				}
				flying[id] = true
			}
			wire.ids = nil
			if len(flying) > credit {
				t.Fatalf("%d in flight, the credit is %d", len(flying), credit)
			}
			if len(flying) < min(credit, len(waiting)) {
				t.Fatalf("%d in flight, %d wait, the credit is %d", len(flying), len(waiting), credit)
			}
		}
		next := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				if next == 200 {
					t.Skip("enough")
				}
				next++
				p := newPending(next, cimpb.QoS_AT_LEAST_ONCE)
				waiting[next] = p
				if err := o.add(p); err != nil {
					t.Fatal(err)
				}
				seen()
			},
			"answer": func(t *rapid.T) {
				id := rapid.Uint64Range(1, 200).Draw(t, "id")
				o.answered(id, answer{receipt: Receipt{Seq: id}})
				if flying[id] {
					if a := <-waiting[id].answerCh; a.receipt.Seq != id {
						t.Fatalf("answered %+v", a)
					}
					delete(flying, id)
					delete(waiting, id)
				}
				seen()
			},
			"cut": func(t *rapid.T) {
				o.disconnected()
				credit = 0
				clear(flying)
				seen()
			},
			"connect": func(t *rapid.T) {
				o.disconnected()
				clear(flying)
				credit = rapid.IntRange(1, 8).Draw(t, "credit")
				o.connected(wire, &cimpb.Welcome{SendCredit: uint32(credit)})
				for i := 1; i < len(wire.ids); i++ {
					if wire.ids[i] < wire.ids[i-1] {
						t.Fatalf("repeated out of order: %v", wire.ids)
					}
				}
				seen()
			},
		})
		if o.busy() != (len(waiting) > 0) {
			t.Fatalf("busy = %v with %d waiting", o.busy(), len(waiting))
		}
		o.close(ErrClosed)
		for id, p := range waiting {
			if a := <-p.answerCh; !errors.Is(a.err, ErrClosed) {
				t.Fatalf("%d: %v", id, a.err)
			}
		}
	})
}

func TestOutboxDefaults(t *testing.T) {
	o, wire := newOutbox(), &wireOf{}
	o.connected(wire, &cimpb.Welcome{})
	for id := range uint64(2 * defaultCredit) {
		if err := o.add(newPending(id+1, cimpb.QoS_AT_LEAST_ONCE)); err != nil {
			t.Fatal(err)
		}
	}
	if len(wire.ids) != defaultCredit {
		t.Errorf("wrote %d sends, want %d", len(wire.ids), defaultCredit)
	}
}

func TestOutboxForgetsAbandonedSendsAtTheCut(t *testing.T) {
	o, wire := newOutbox(), &wireOf{}
	o.connected(wire, &cimpb.Welcome{})
	p := newPending(1, cimpb.QoS_AT_LEAST_ONCE)
	if err := o.add(p); err != nil {
		t.Fatal(err)
	}
	if written := o.abandon(p); !written || !o.busy() {
		t.Errorf("abandon = %v, busy = %v", written, o.busy())
	}
	o.disconnected()
	o.connected(wire, &cimpb.Welcome{})
	if len(wire.ids) != 1 || o.busy() {
		t.Errorf("wrote %v, busy = %v", wire.ids, o.busy())
	}
}

func TestMessageIDsAreNeverRepeated(t *testing.T) {
	last := uint64(0)
	for range 1000 {
		id := nextMessageID()
		if id <= last || id >= 1<<53 {
			t.Fatalf("%d after %d", id, last)
		}
		last = id
	}
}

func TestErrorTexts(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&StatusError{Code: cimpb.CodeBusy, Text: "Wait."}, "Wait."},
		{&StatusError{Code: cimpb.CodeBusy}, "busy"},
		{wrapStep("log in", &StatusError{Text: "No."}), "No."},
		{wrapStep("log in", errors.New("cut")), "log in: cut"},
		{readStatus([]byte{0xff}), cimpb.CodeBadFrame.Sentence()},
		{readStatus(nil), "code_0"},
	} {
		if got := fmt.Sprint(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if CodeOf(errors.New("x")) != 0 || errors.Is(&StatusError{Code: 1}, &StatusError{Code: 2}) {
		t.Error("codes are mixed up")
	}
}
