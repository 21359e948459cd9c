package netcore

import (
	"context"
	"sync"
	"testing"
)

// numbered is a task that says who posted it, and as which of theirs.
type numbered struct {
	by, n int
	done  *[]numbered
}

func (t numbered) run(*loop) {
	if t.done != nil {
		*t.done = append(*t.done, t)
	}
}

func newDoor(limit int) (*door, *int) {
	wakes := 0
	return &door{limit: limit, wake: func() { wakes++ }}, &wakes
}

func TestDoorWakesOnceUntilItIsTaken(t *testing.T) {
	d, wakes := newDoor(10)
	posts := []func(){
		func() { d.post(numbered{}, 0) }, func() { d.postAnswer(numbered{}) }, d.postTick, func() { d.postMissed(1) },
	}
	for i, first := range posts {
		first()
		for _, next := range posts {
			next()
		}
		if *wakes != i+1 {
			t.Fatalf("after %d turns there were %d wakes", i+1, *wakes)
		}
		if b := d.take(nil); len(b.tasks) == 0 || !b.tick || len(b.missed) != 1 {
			t.Fatalf("took %+v", b)
		}
		if b := d.take(nil); len(b.tasks) != 0 || b.tick || b.missed != nil {
			t.Fatalf("took again %+v", b)
		}
	}
}

func TestDoorRefusesTasksAndNeverAnswers(t *testing.T) {
	d, _ := newDoor(2)
	for n, want := range []bool{true, true, false} {
		if got := d.post(numbered{n: n}, 0); got != want {
			t.Errorf("post %d: %v", n, got)
		}
	}
	d.postAnswer(numbered{n: 3})
	if n := d.waiting(); n != 3 {
		t.Errorf("%d wait, want two tasks and an answer", n)
	}
}

func TestClosedDoorWakesNobodyAndKeepsAnswers(t *testing.T) {
	d, wakes := newDoor(10)
	d.close()
	d.postAnswer(numbered{})
	d.postTick()
	if d.post(numbered{}, 0) || *wakes != 0 || len(d.take(nil).tasks) != 1 {
		t.Error("a closed door took a task, woke its loop, or lost an answer")
	}
}

func TestDoorDoesNotKeepTheMemoryOfABurst(t *testing.T) {
	d, _ := newDoor(doorLimit)
	for range 4*doorBudget + 1 {
		d.post(numbered{}, 0)
	}
	used := d.take(nil).tasks
	d.take(used)
	d.post(numbered{}, 0)
	if got := d.take(nil).tasks; cap(got) > 4*doorBudget {
		t.Errorf("the door goes on with room for %d tasks", cap(got))
	}
}

// TestDoorUnderFire has many writers and a reader who only looks when woken: nothing may be lost, what one
// writer posts keeps its order, and there is one wake for each look.
func TestDoorUnderFire(t *testing.T) {
	const writers, each = 8, 2000
	wakeCh := make(chan struct{}, writers*each)
	d := &door{limit: 64, wake: func() { wakeCh <- struct{}{} }}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { hammer(d, w, each) })
	}
	var next [writers]int
	var used []task
	for got := 0; got < writers*each; {
		receive(t, wakeCh, "a wake")
		if len(wakeCh) > 0 {
			t.Fatal("woken again before the door was looked at")
		}
		b := d.take(used)
		for _, x := range b.tasks {
			one, ok := x.(numbered)
			if !ok || next[one.by] != one.n {
				t.Fatalf("got %+v, want number %d", one, next[one.by])
			}
			next[one.by]++
		}
		got, used = got+len(b.tasks), b.tasks
	}
	wg.Wait()
}

// hammer posts numbers, those that may be refused until they are not.
func hammer(d *door, by, each int) {
	for n := 0; n < each; {
		if by%2 == 0 {
			d.postAnswer(numbered{by: by, n: n})
			n++
		} else if d.post(numbered{by: by, n: n}, 0) {
			n++
		}
	}
}

// TestRoundsGoOnUntilTheDoorIsEmpty is about a task that comes while a burst is worked off: its wake may be
// spent by a round that does not look at the door, and that round has to ask for another.
func TestRoundsGoOnUntilTheDoorIsEmpty(t *testing.T) {
	r := newRig(t, newFakeBackend())
	r.open()
	var done []numbered
	post := func(n int) { r.door.post(numbered{n: n, done: &done}, 0) }
	for n := range 2*doorBudget + 100 {
		post(n)
	}
	r.round()
	post(-1)       // wakes
	r.round()      // that round; what is asked for is one more
	<-r.moreCh     // asked for by both
	r.round()      // ends the burst
	for range 10 { // each further round has to be asked for
		select {
		case <-r.moreCh:
			r.round()
			continue
		default:
		}
		break
	}
	if last := done[len(done)-1]; last.n != -1 {
		t.Fatalf("%d tasks were done, and the last one was not among them", len(done))
	}
	if r.door.awake {
		t.Error("the loop is said to be awake, so nobody will wake it")
	}
}

func TestRoundHasABudget(t *testing.T) {
	r := newRig(t, newFakeBackend())
	var done []numbered
	for n := range doorBudget + 1 {
		r.door.post(numbered{n: n, done: &done}, 0)
	}
	_ = r.Run(context.Background())
	if len(done) != doorBudget || len(r.moreCh) != 1 {
		t.Errorf("%d tasks in a round, %d more rounds asked for", len(done), len(r.moreCh))
	}
}

func TestDoorIsBoundedInBytes(t *testing.T) {
	d, _ := newDoor(1000)
	n := 0
	for d.post(numbered{}, 1<<20) {
		n++
	}
	if n != doorBytes>>20+1 {
		t.Errorf("%d MiB are taken, want %d", n, doorBytes>>20+1)
	}
	if d.take(nil); !d.post(numbered{}, 1) {
		t.Error("an emptied door refuses")
	}
}
