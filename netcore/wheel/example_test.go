package wheel_test

import (
	"fmt"

	"cim/netcore/wheel"
)

// lamp has a deadline of its own; nothing else is allocated for it.
type lamp struct {
	name  string
	timer wheel.Entry[lamp]
}

func (l *lamp) Timer() *wheel.Entry[lamp] { return &l.timer }

func Example() {
	w := wheel.New[lamp](wheel.DefaultSlots)
	hall, cellar := &lamp{name: "hall"}, &lamp{name: "cellar"}
	w.Arm(hall, 3)
	w.Arm(cellar, 5)
	w.Arm(hall, 7) // somebody came by
	for tick := range int64(9) {
		w.Advance(tick, func(l *lamp) { fmt.Println(tick, l.name) })
	}
	// Output:
	// 5 cellar
	// 7 hall
}
