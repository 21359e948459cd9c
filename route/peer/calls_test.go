package peer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

func TestPushAnswersEachInOrder(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].results = map[int64]route.PushResult{2: route.PushAbsent, 3: route.PushSlow, 5: route.PushAbsent}
	want := []route.Push{stored(1, 4), once(2), stored(3, 9), once(4), stored(5, 1)}
	got, err := c.peer("a").Push(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	results := []route.PushResult{route.PushWritten, route.PushAbsent, route.PushSlow, route.PushWritten, route.PushAbsent}
	if !slices.Equal(got, results) {
		t.Fatalf("results %v, want %v", got, results)
	}
	seen := c.servers["a"].seen()
	slices.SortFunc(seen, func(x, y route.Push) int { return int(x.User - y.User) })
	for i, p := range seen {
		if w := want[i]; p.User != w.User || p.SessionEpoch != w.SessionEpoch || p.Cursor != w.Cursor || string(p.Body) != string(w.Body) {
			t.Errorf("push %d arrived as %+v, want %+v", i, p, w)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d pushes arrived, want %d", len(seen), len(want))
	}
}

func TestPushOfNothing(t *testing.T) {
	c := newCluster(t, nil, "a")
	if got, err := c.peer("a").Push(t.Context(), nil); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	if n := c.requests("a"); n != 0 {
		t.Fatalf("%d requests for nothing", n)
	}
}

// TestPushInManyParts is a call with more and larger messages than one batch takes.
func TestPushInManyParts(t *testing.T) {
	c := newCluster(t, nil, "a")
	var pushes []route.Push
	var want []route.PushResult
	for i := range int64(1500) {
		p := stored(i%100, uint64(i/100+1))
		if i%7 == 0 {
			p.Body = make([]byte, 2000)
		}
		pushes, want = append(pushes, p), append(want, route.PushWritten)
	}
	got, err := c.peer("a").Push(t.Context(), pushes)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d results, %v", len(got), err)
	}
	last := map[int64]uint64{}
	for _, p := range c.servers["a"].seen() {
		if p.Seq != last[p.User]+1 {
			t.Fatalf("user %d got seq %d after %d", p.User, p.Seq, last[p.User])
		}
		last[p.User] = p.Seq
	}
	if len(last) != 100 {
		t.Fatalf("%d users got something", len(last))
	}
}

func TestBroadcast(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].online = []int64{1, 2, 3}
	want := route.Broadcast{Body: []byte("to all"), Except: 42, PeopleOnly: true}
	n, err := c.peer("a").Broadcast(t.Context(), want)
	if err != nil || n != 3 {
		t.Fatalf("reached %d, %v", n, err)
	}
	got := c.servers["a"].broadcasts
	if len(got) != 1 || string(got[0].Body) != "to all" || got[0].Except != 42 || !got[0].PeopleOnly {
		t.Fatalf("arrived as %+v", got)
	}
}

func TestHolds(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].holds[42] = 7
	for epoch, want := range map[uint64]bool{7: true, 8: false} {
		if got, err := c.peer("a").Holds(t.Context(), 42, epoch); err != nil || got != want {
			t.Errorf("holds epoch %d: %v, %v", epoch, got, err)
		}
	}
}

func TestReserve(t *testing.T) {
	c := newCluster(t, nil, "a")
	a := route.Account{ID: 42, Name: "thermometer", Kind: route.Device}
	if err := c.peer("a").Reserve(t.Context(), a, 7); err != nil {
		t.Fatal(err)
	}
	if got := c.servers["a"].reserved; !slices.Equal(got, []route.Account{a}) {
		t.Fatalf("reserved %+v", got)
	}
	if c.servers["a"].holds[42] != 7 {
		t.Fatal("the epoch did not arrive")
	}
	c.servers["a"].set(func(s *fakeServer) { s.err = route.ErrNoServer })
	wantErr(t, c.peer("a").Reserve(t.Context(), a, 8), route.ErrNoServer)
}

func TestExpect(t *testing.T) {
	c := newCluster(t, nil, "a")
	got, err := c.peer("a").Expect(t.Context(), 42, time.Minute)
	if err != nil || !got.NotBefore.IsZero() {
		t.Fatalf("at once: %+v, %v", got, err)
	}
	at := time.UnixMilli(1_700_000_000_123)
	c.servers["a"].set(func(s *fakeServer) { s.notBefore = at })
	got, err = c.peer("a").Expect(t.Context(), 42, 1500*time.Microsecond)
	if err != nil || !got.NotBefore.Equal(at) {
		t.Fatalf("later: %+v, %v", got, err)
	}
	if want := []time.Duration{time.Minute, 2 * time.Millisecond}; !slices.Equal(c.servers["a"].within, want) {
		t.Fatalf("within %v, want %v", c.servers["a"].within, want)
	}
	c.servers["a"].set(func(s *fakeServer) { s.err = route.ErrNoServer })
	_, err = c.peer("a").Expect(t.Context(), 42, time.Minute)
	wantErr(t, err, route.ErrNoServer)
}

func TestKick(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].holds[42] = 7
	reasons := []route.KickReason{route.KickReplaced, route.KickLoggedOut, route.KickDisabled}
	for _, why := range reasons {
		if got, err := c.peer("a").Kick(t.Context(), 42, 7, why); err != nil || !got {
			t.Fatalf("kick: %v, %v", got, err)
		}
	}
	if !slices.Equal(c.servers["a"].kicks, reasons) {
		t.Fatalf("reasons arrived as %v, want %v", c.servers["a"].kicks, reasons)
	}
	if got, err := c.peer("a").Kick(t.Context(), 42, 6, route.KickReplaced); err != nil || got {
		t.Fatalf("kick of another session: %v, %v", got, err)
	}
	if got := kickReason(999); got != route.KickLoggedOut {
		t.Fatalf("an unknown code is %v", got)
	}
}

func TestCatchUp(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].holds[42] = 7
	for user, want := range map[int64]bool{42: true, 43: false} {
		if got, err := c.peer("a").CatchUp(t.Context(), user); err != nil || got != want {
			t.Errorf("catch up %d: %v, %v", user, got, err)
		}
	}
}

func TestOnlinePages(t *testing.T) {
	c := newCluster(t, nil, "a")
	var all, got []int64
	for i := range int64(25_000) {
		all = append(all, i*1000+1)
	}
	c.servers["a"].online = all
	var sizes []int
	for after := int64(0); ; {
		page, next, err := c.peer("a").Online(t.Context(), after, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		got, sizes = append(got, page...), append(sizes, len(page))
		if after = next; next == 0 {
			break
		}
	}
	if !slices.Equal(got, all) {
		t.Fatalf("%d users, want %d", len(got), len(all))
	}
	if want := []int{10_000, 10_000, 5_000}; !slices.Equal(sizes, want) {
		t.Fatalf("pages of %v, want %v", sizes, want)
	}
	c.servers["a"].set(func(s *fakeServer) { s.err = errStopping })
	_, _, err := c.peer("a").Online(t.Context(), 0, 10)
	wantErr(t, err, ErrUnanswered)
}

// TestLoadComesWithEveryAnswer, so asking for it again within a second costs nothing.
func TestLoadComesWithEveryAnswer(t *testing.T) {
	c := newCluster(t, nil, "a")
	want := route.Load{Sessions: 3, Conns: 5, Capacity: 100, Draining: true}
	c.servers["a"].load = want
	if _, ok := c.Load("a"); ok {
		t.Fatal("a load before the first answer")
	}
	if c.peer("a").Draining() {
		t.Fatal("it drains before the first answer")
	}
	c.pushOne("a", once(1))
	if got, ok := c.Load("a"); !ok || got != want {
		t.Fatalf("after an answer: %+v, %v", got, ok)
	}
	if got, err := c.peer("a").Load(t.Context()); err != nil || got != want {
		t.Fatalf("asked: %+v, %v", got, err)
	}
	if !c.peer("a").Draining() {
		t.Fatal("it does not drain")
	}
	if n := c.requests("a"); n != 1 {
		t.Fatalf("%d requests, want the one push", n)
	}
}

func TestLoadIsAskedForWhenItIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		load := func() int {
			got, err := c.peer("a").Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return got.Sessions
		}
		c.servers["a"].set(func(s *fakeServer) { s.load.Sessions = 9 })
		if n := load(); n != 9 {
			t.Fatalf("%d sessions when asked first", n)
		}
		c.servers["a"].set(func(s *fakeServer) { s.load.Sessions = 19 })
		after(900 * time.Millisecond)
		if n := load(); n != 9 || c.requests("a") != 1 {
			t.Fatalf("%d sessions after 0.9 s and %d requests, want the old answer", n, c.requests("a"))
		}
		after(200 * time.Millisecond)
		if n := load(); n != 19 || c.requests("a") != 2 {
			t.Fatalf("%d sessions after 1.1 s and %d requests, want a new answer", n, c.requests("a"))
		}
	})
}

// TestServerThatCannotSay: the server fails at what it is asked, which is not the fault of the others in the batch.
func TestServerThatCannotSay(t *testing.T) {
	c := newCluster(t, nil, "a")
	c.servers["a"].holds[42] = 7
	c.servers["a"].err = errStopping
	p := c.peer("a")
	if _, err := p.Push(t.Context(), []route.Push{once(42)}); err == nil {
		t.Error("a push that failed was answered")
	}
	if n, err := p.Broadcast(t.Context(), route.Broadcast{Body: []byte("x")}); err != nil || n != 0 {
		t.Errorf("broadcast: %d, %v", n, err)
	}
	if got, err := p.Holds(t.Context(), 42, 7); err != nil || got {
		t.Errorf("holds: %v, %v", got, err)
	}
	if got, err := p.Kick(t.Context(), 42, 7, route.KickReplaced); err != nil || got {
		t.Errorf("kick: %v, %v", got, err)
	}
	if c.Stats().Down != 0 {
		t.Error("the server counts as down though it answers")
	}
}

func TestLocalServerIsReachedWithoutTheNetwork(t *testing.T) {
	local := newFakeServer()
	local.load = route.Load{Sessions: 4}
	c := newCluster(t, func(cfg *Config) { cfg.Instance, cfg.Local = "a", local }, "a", "b")
	c.pushOne("a", once(1))
	if len(local.seen()) != 1 || c.net.dials.Load() != 0 {
		t.Fatalf("%d pushes, %d connections", len(local.seen()), c.net.dials.Load())
	}
	if l, ok := c.Load("a"); !ok || l.Sessions != 4 {
		t.Fatalf("load %+v, %v", l, ok)
	}
	c.pushOne("b", once(1))
	if len(local.seen()) != 1 || c.net.dials.Load() != 1 {
		t.Fatal("another server was not reached over the network")
	}
}

func TestCallerThatGaveUp(t *testing.T) {
	c := newCluster(t, nil, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.peer("a").Push(ctx, []route.Push{once(1)})
	wantErr(t, err, context.Canceled)
	c.pushOne("a", once(2))
	for _, p := range c.servers["a"].seen() {
		if p.User == 1 {
			t.Fatal("what nobody waits for was sent")
		}
	}
}
