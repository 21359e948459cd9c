package route_test

import (
	"context"
	"errors"
	"testing"

	"cim/route"
)

func TestDeliverOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		qos     route.QoS
		prepare func(c *cluster, user int64)
		want    route.Outcome
	}{
		"stored and written": {
			route.AtLeastOnce, func(c *cluster, u int64) { c.connect(u, "s1", "d") },
			route.Outcome{Stored: true, Seq: 1, Online: true, Reached: 1},
		},
		"stored for later": {route.AtLeastOnce, func(*cluster, int64) {}, route.Outcome{Stored: true, Seq: 1}},
		"stored, the connection is full": {route.AtLeastOnce, func(c *cluster, u int64) {
			c.connect(u, "s1", "d")
			c.peers["s1"].result = route.PushSlow
		}, route.Outcome{Stored: true, Seq: 1, Online: true}},
		"stored, the server is dead": {route.AtLeastOnce, func(c *cluster, u int64) {
			c.connect(u, "s1", "d")
			c.peers["s1"].err = errors.New("broken")
		}, route.Outcome{Stored: true, Seq: 1}},
		"written once": {
			route.AtMostOnce, func(c *cluster, u int64) { c.connect(u, "s1", "d") },
			route.Outcome{Online: true, Reached: 1},
		},
		"nobody there": {route.AtMostOnce, func(*cluster, int64) {}, route.Outcome{Err: route.ErrOffline}},
		"dropped, the connection is full": {route.AtMostOnce, func(c *cluster, u int64) {
			c.connect(u, "s1", "d")
			c.peers["s1"].result = route.PushSlow
		}, route.Outcome{Online: true, Err: route.ErrSlow}},
		"gone between look-up and push": {route.AtMostOnce, func(c *cluster, u int64) {
			c.connect(u, "s1", "d")
			c.peers["s1"].result = route.PushAbsent
		}, route.Outcome{Err: route.ErrOffline}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, route.DuplicateRefuse, "s1")
			id := c.user("zs")
			tc.prepare(c, id)
			got := c.deliver(route.Send{From: 7, To: id, QoS: tc.qos})
			if !errors.Is(got.Err, tc.want.Err) {
				t.Fatalf("error %v, want %v", got.Err, tc.want.Err)
			}
			got.Err, tc.want.Err, got.LogEpoch = nil, nil, 0
			if got != tc.want {
				t.Errorf("outcome %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestDeliverToNobody(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	for _, qos := range []route.QoS{route.AtMostOnce, route.AtLeastOnce} {
		wantErr(t, c.deliver(route.Send{To: 12345, QoS: qos}).Err, route.ErrUnknownUser)
	}
}

// A batch is answered entry by entry, and one bad receiver costs the others nothing.
func TestDeliverKeepsOrder(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	a, b := c.user("a"), c.user("b")
	c.connect(a, "s1", "d")
	c.connect(b, "s2", "d")
	var sends []route.Send
	for i := range 20 {
		to := []int64{a, 999, b}[i%3]
		sends = append(sends, route.Send{From: 7, ClientMsgID: uint64(i + 1), To: to, QoS: route.AtLeastOnce, Body: body(t, "m")})
	}
	for i, o := range c.Deliver(t.Context(), sends) {
		if i%3 == 1 {
			wantErr(t, o.Err, route.ErrUnknownUser)
			continue
		}
		if o.Err != nil || o.Seq != uint64(i/3+1) {
			t.Errorf("send %d: %+v", i, o)
		}
	}
	for _, instance := range []string{"s1", "s2"} {
		for i, p := range c.peers[instance].pushed {
			if p.Seq != uint64(i+1) {
				t.Errorf("%s was pushed seq %d in place %d", instance, p.Seq, i)
			}
		}
	}
}

// A sender that repeats a message is told its first place, and the receiver is pushed it again: the first
// push may have been what was lost.
func TestDeliverDuplicate(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("zs")
	c.connect(id, "s1", "d")
	send := route.Send{From: 7, Device: "phone", ClientMsgID: 42, To: id, QoS: route.AtLeastOnce}
	first, again := c.deliver(send), c.deliver(send)
	if first.Duplicate || !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if n := len(c.peers["s1"].pushed); n != 2 {
		t.Errorf("pushed %d times, want 2", n)
	}
	send.Device = "tablet"
	if other := c.deliver(send); other.Duplicate {
		t.Error("the same number from another device is another message")
	}
}

// A receiver who moves between the store's word and the push is found once more.
func TestDeliverLooksAgain(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2")
	id := c.user("zs")
	c.connect(id, "s1", "d")
	mover := &movingPeer{fakePeer: c.peers["s1"], move: func() { c.connect(id, "s2", "d") }}
	router, err := route.New(route.Config{
		Accounts: c.store, Directory: c.store, Inbox: c.store, Registry: c.registry,
		Peers: peersFunc(func(s route.Server) (route.Peer, bool) {
			if s.Instance == "s1" {
				return mover, true
			}
			return c.Peer(s)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := router.Deliver(t.Context(), []route.Send{{From: 7, To: id, Body: body(t, "hi")}})[0]
	if o.Err != nil || o.Reached != 1 || len(c.peers["s2"].pushed) != 1 {
		t.Errorf("outcome %+v; s2 was pushed %d", o, len(c.peers["s2"].pushed))
	}
}

type peersFunc func(s route.Server) (route.Peer, bool)

func (f peersFunc) Peer(s route.Server) (route.Peer, bool) { return f(s) }

// A server that fails costs its own sessions only: CIM's group send ends there.
func TestDeliverToEveryone(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2", "s3")
	c.peers["s1"].online = []int64{1, 2}
	c.peers["s2"].err = errors.New("broken")
	c.peers["s3"].online = []int64{3}
	o := c.deliver(route.Send{From: 7, Everyone: true})
	if o.Err != nil || o.Reached != 3 {
		t.Fatalf("outcome %+v", o)
	}
	for name, p := range c.peers {
		if len(p.broadcasts) != 1 || p.broadcasts[0].Except != 7 || !p.broadcasts[0].PeopleOnly {
			t.Errorf("%s got %+v", name, p.broadcasts)
		}
	}
	if o := c.deliver(route.Send{Everyone: true}); o.Err != nil || c.peers["s1"].broadcasts[1].PeopleOnly {
		t.Errorf("an application reaches devices too: %+v", c.peers["s1"].broadcasts[1])
	}
}

// Who moves from a server that drains to another one while a message is on its way hears it from one of the two at least.
func TestDeliverToEveryoneByWayOfDrainingServersFirst(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2", "s3")
	draining := c.peers["s2"]
	draining.load.Draining = true
	for _, name := range []string{"s1", "s3"} {
		c.peers[name].onCast = func() {
			draining.mu.Lock()
			defer draining.mu.Unlock()
			if len(draining.broadcasts) != 1 {
				t.Errorf("%s has the message, and the server that drains has not", name)
			}
		}
	}
	draining.online, c.peers["s3"].online = []int64{1}, []int64{3}
	if o := c.deliver(route.Send{From: 7, Everyone: true}); o.Err != nil || o.Reached != 2 {
		t.Fatalf("outcome %+v", o)
	}
	for _, name := range []string{"s1", "s3"} {
		c.peers[name].onCast = nil
	}
	draining.hangs = true
	if o := c.deliver(route.Send{From: 7, Everyone: true}); o.Err != nil || o.Reached != 1 || len(c.peers["s1"].broadcasts) != 2 {
		t.Fatalf("while the one that drains hangs: outcome %+v, %d messages at another", o, len(c.peers["s1"].broadcasts))
	}
}

// Nobody waits for a server that does not answer, but for a moment: the other receivers' senders are in the same batch.
func TestDeliverDoesNotWaitForASlowServer(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "slow", "quick")
	a, b := c.user("a"), c.user("b")
	c.connect(a, "slow", "d")
	c.connect(b, "quick", "d")
	c.peers["slow"].hangs, c.peers["quick"].online = true, []int64{b}
	text := body(t, "hi")
	got := c.Deliver(t.Context(), []route.Send{
		{From: 7, To: a, QoS: route.AtLeastOnce, Body: text},
		{From: 7, To: a, QoS: route.AtMostOnce, Body: text},
		{From: 7, To: b, QoS: route.AtLeastOnce, Body: text},
		{Everyone: true, Body: text},
		{Everyone: true, Body: text},
	})
	if o := got[0]; o.Err != nil || !o.Stored || !o.Online || o.Reached != 0 {
		t.Errorf("stored for the slow server's user: %+v, want stored, and not offline", o)
	}
	wantErr(t, got[1].Err, route.ErrSlow)
	if o := got[2]; o.Err != nil || o.Reached != 1 {
		t.Errorf("for the quick server's user: %+v", o)
	}
	for _, o := range got[3:] {
		if o.Err != nil || o.Reached != 1 {
			t.Errorf("to everyone: %+v, want those of the quick server", o)
		}
	}
	if w := c.peers["slow"].waited; len(w) != 2 || w[0] || w[1] {
		t.Errorf("waited again for the slow server: %v", w)
	}
}

// A caller who gives up is not told that a server is slow.
func TestDeliverGivenUp(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	id := c.user("a")
	c.connect(id, "s1", "d")
	ctx, cancel := context.WithCancel(t.Context())
	p := c.peers["s1"]
	router, err := route.New(route.Config{
		Accounts: c.store, Directory: c.store, Inbox: c.store, Registry: c.registry,
		Peers: peersFunc(func(route.Server) (route.Peer, bool) {
			cancel()
			p.hangs = true
			return p, true
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := router.Deliver(ctx, []route.Send{{From: 7, To: id, QoS: route.AtLeastOnce, Body: body(t, "hi")}})[0]
	if !o.Stored || o.Online {
		t.Errorf("outcome %+v, want stored, and nothing said of the receiver", o)
	}
}

func TestOnlinePagesOverServers(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1", "s2", "s3")
	want := map[int64]bool{}
	for i, instance := range []string{"s1", "s3"} {
		for range 5 {
			id := c.user(string(rune('a'+len(want))) + "-user")
			c.peers[instance].online = append(c.peers[instance].online, id)
			want[id] = true
		}
		_ = i
	}
	cursor, pages := "", 0
	for {
		page, next, err := c.Online(t.Context(), cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			if !want[a.ID] || a.Name == "" {
				t.Errorf("unexpected or repeated: %+v", a)
			}
			delete(want, a.ID)
		}
		if pages++; next == "" || pages > 20 {
			break
		}
		cursor = next
	}
	if len(want) != 0 {
		t.Errorf("not listed: %v", want)
	}
	for _, bad := range []string{"x", "s1.x", "s1.-1"} {
		_, _, err := c.Online(t.Context(), bad, 2)
		wantErr(t, err, route.ErrInvalidCursor)
	}
}

func TestReadyNamesWhatIsBroken(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	if p := c.Ready(t.Context()); len(p) != 0 {
		t.Errorf("problems %v", p)
	}
	c.leave["s1"]()
	_ = c.store.Close()
	if p := c.Ready(t.Context()); len(p) != 2 || p[0].Component != "store" || p[1].Component != "registry" {
		t.Errorf("problems %v", p)
	}
}
