package route_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

// The server of this process costs nothing to ask, so the others are asked for what it has not.
func TestAskBeginsAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "s1")
		here, there := o.at("here", "s1"), o.at("there", "s2")
		o.store.refuse(errAway)
		o.wantWritten(here)
		o.wantPushes(1, 0, 0)
		o.wantWritten(there)
		o.wantPushes(1, 1, 1)
	})
}

// Whoever was found is looked for again when they are no longer there, and whoever was nowhere after a second.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 3, "")
		zs, ls := o.at("zs", "s2"), o.user("ls")
		o.store.refuse(errAway)
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1)
		delete(o.peers["s2"].holds, zs)
		o.peers["s3"].holds[zs] = 5
		o.wantWritten(zs)
		o.wantPushes(1, 1, 1) // s2 first, and then the two others
		o.wantWritten(zs)
		o.wantPushes(0, 0, 1)
		o.leave["s3"]()
		wantErr(t, o.say(zs).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)

		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)
		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(0, 0, 0)
		after(time.Second)
		wantErr(t, o.say(ls).Err, route.ErrOffline)
		o.wantPushes(1, 1, 0)
	})
}

// Messages of one call keep their order and go to each server in one push of many, and what is stored is refused.
func TestAskKeepsOrderAndStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "s1")
		zs, ls := o.at("zs", "s1"), o.at("ls", "s2")
		o.wantWritten(zs)
		o.wantPushes(1, 0)
		o.store.refuse(errAway)
		var sends []route.Send
		for i := range 10 {
			sends = append(sends, route.Send{From: 7, To: []int64{zs, ls}[i%2], Body: body(t, fmt.Sprint(i))})
		}
		sends = append(sends, route.Send{From: 7, To: zs, QoS: route.AtLeastOnce, Body: body(t, "stored")})
		out := o.Deliver(t.Context(), sends)
		for i, got := range out[:10] {
			if got.Err != nil || got.Reached != 1 {
				t.Errorf("message %d: %+v", i, got)
			}
		}
		wantErr(t, out[10].Err, route.ErrStoreUnavailable)
		pushed := o.peers["s2"].pushed
		if len(pushed) != 5 {
			t.Fatalf("s2 got %d pushes", len(pushed))
		}
		for i, p := range pushed {
			if p.User != ls || p.SessionEpoch != 0 || p.Seq != 0 || string(p.Body) != string(sends[2*i+1].Body) {
				t.Errorf("push %d is %+v", i, p)
			}
		}
	})
}

// A user who moved is asked for when the Directory is gone at the second look-up.
func TestAskForWhoMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s1")
		o.onPush = func() {
			delete(o.peers["s1"].holds, zs)
			o.peers["s2"].holds[zs] = 5
			o.store.refuse(errAway)
			o.onPush = func() {}
		}
		o.wantWritten(zs)
		o.wantPushes(2, 1)
	})
}

// Whether the Directory is back is asked for those who are sent something: it may be back for others.
func TestPartOfTheDirectoryIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs, ls := o.at("zs", "s1"), o.at("ls", "s2")
		o.store.only = zs
		o.store.refuse(errAway)
		for range 3 {
			o.wantWritten(zs)
			if !o.AskStats().Away {
				t.Error("the directory is said to answer")
			}
			after(time.Second)
		}
		o.wantWritten(ls)
		if s := o.AskStats(); s.Away || s.Outages != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// What servers are asked for is bounded, and what is over that is told to come again. The one that had the receiver
// before is always asked.
func TestAsksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, rate = 50, 50_000
		o := newOutage(t, servers, "")
		zs := o.at("zs", "s7")
		o.store.refuse(errAway)
		o.wantWritten(zs)
		send := make([]route.Send, 2*rate/servers)
		for i := range send {
			send[i] = route.Send{From: 7, To: int64(1000 + i), Body: []byte("x")}
		}
		count := func() (offline, overloaded int) {
			for _, got := range o.Deliver(t.Context(), send) {
				switch {
				case errors.Is(got.Err, route.ErrOffline):
					offline++
				case errors.Is(got.Err, route.ErrOverloaded):
					overloaded++
				}
			}
			return offline, overloaded
		}
		if offline, overloaded := count(); offline != rate/servers-1 || overloaded != rate/servers+1 {
			t.Errorf("%d were looked for and %d refused", offline, overloaded)
		}
		o.wantWritten(zs)
		after(500 * time.Millisecond)
		if offline, overloaded := count(); offline != rate/servers-1+rate/servers/2 || overloaded != rate/servers/2+1 {
			t.Errorf("half a second later, %d were looked for or known to be away and %d refused", offline, overloaded)
		}
		if s := o.AskStats(); s.Pushes > rate*3/2 || s.Outcomes["overloaded"] == 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A caller who gives up says nothing about the Directory.
func TestCallerWhoGivesUpIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 2, "")
		zs := o.at("zs", "s1")
		o.wantWritten(zs)
		o.store.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got := o.Deliver(ctx, []route.Send{{From: 7, To: zs, Body: body(t, "hi")}})[0]
		wantErr(t, got.Err, context.DeadlineExceeded)
		if s := o.AskStats(); s.Away || s.Outages != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
