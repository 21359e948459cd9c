package wheel

import (
	"testing"

	"pgregory.net/rapid"
)

const modelNodes = 12

// model is what a Wheel promises, written down without any cleverness, beside the wheel it watches.
type model struct {
	wheel *Wheel[node, *node]
	all   []*node
	now   int64
	slots int64
	armed map[int]int64 // deadlines by id
	next  map[int]bool  // armed when their tick had been visited
}

func newModel(t *rapid.T) *model {
	slots := 1 << rapid.IntRange(0, 5).Draw(t, "slots, as a power of two")
	return &model{
		wheel: New[node](slots), all: nodes(modelNodes), slots: int64(slots), armed: map[int]int64{}, next: map[int]bool{},
	}
}

func (m *model) arm(id int, deadline int64) {
	m.wheel.Arm(m.all[id], deadline)
	m.armed[id] = deadline
	m.next[id] = deadline <= m.now
}

func (m *model) cancel(id int) {
	m.wheel.Cancel(m.all[id])
	delete(m.armed, id)
	delete(m.next, id)
}

// change is something that a test does to one entry, from outside or from within fire.
type change struct {
	id    int
	drop  bool
	after int64 // deadline, counted from the last visited tick
}

func drawChange() *rapid.Generator[change] {
	return rapid.Custom(func(t *rapid.T) change {
		after := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-40, 200))
		return change{
			id:    rapid.IntRange(0, modelNodes-1).Draw(t, "id"),
			drop:  rapid.IntRange(0, 3).Draw(t, "drop when 0") == 0,
			after: after.Draw(t, "after"),
		}
	})
}

func (m *model) apply(c change) {
	if c.drop {
		m.cancel(c.id)
		return
	}
	m.arm(c.id, m.now+c.after)
}

// advance checks every single fire against the model, and that nothing due is left. script holds what the
// first fires of this Advance do to other entries and to themselves.
func (m *model) advance(t *rapid.T, now int64, script [][]change) {
	inOrder := now-m.now <= m.slots
	m.now = max(m.now, now)
	due := map[int]bool{}
	for id, deadline := range m.armed {
		if deadline <= m.now {
			due[id] = true
		}
	}
	last := int64(-1 << 62)
	m.wheel.Advance(now, func(n *node) {
		if !due[n.id] {
			t.Fatalf("Advance(%d) fired %d, which is not due: armed %v", now, n.id, m.armed)
		}
		if at := m.armed[n.id]; inOrder && !m.next[n.id] {
			if at < last {
				t.Fatalf("Advance(%d) fired deadline %d after %d", now, at, last)
			}
			last = at
		}
		delete(due, n.id)
		delete(m.armed, n.id)
		delete(m.next, n.id)
		if len(script) > 0 {
			for _, c := range script[0] {
				m.apply(c)
				delete(due, c.id) // cancelled, or armed anew: not in this Advance
			}
			script = script[1:]
		}
	})
	// A change from within fire that armed a due entry for later than now is no longer due; one for now or
	// before waits. What is left in due was forgotten by the wheel.
	if len(due) > 0 {
		t.Fatalf("Advance(%d) did not fire %v", now, due)
	}
}

func (m *model) check(t *rapid.T) {
	for _, n := range m.all {
		if _, armed := m.armed[n.id]; armed != n.timer.Armed() {
			t.Fatalf("entry %d: Armed is %v, want %v", n.id, n.timer.Armed(), armed)
		}
	}
}

func TestWheelIsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) { m.apply(drawChange().Draw(t, "change")) },
			"advance": func(t *rapid.T) {
				step := rapid.OneOf(rapid.Int64Range(-2, 3), rapid.Int64Range(0, 90), rapid.Int64Range(0, 1<<40))
				script := rapid.SliceOfN(rapid.SliceOfN(drawChange(), 0, 4), 0, 6)
				m.advance(t, m.now+step.Draw(t, "step"), script.Draw(t, "script"))
			},
			"": m.check,
		})
	})
}
