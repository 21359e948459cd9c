package routetest

import (
	"errors"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"cim/route"
)

// directoryModel runs random sequences against a model of what route.Directory promises. Each sequence has users
// of its own, so that one store serves all.
func directoryModel(t *testing.T, d route.Directory) {
	var nextUser atomic.Int64
	nextUser.Store(user)
	rapid.Check(t, func(rt *rapid.T) {
		m := &modelled{T: rt, tb: t, d: d, users: map[int64]*modelUser{}}
		for range 3 {
			m.users[nextUser.Add(1)] = &modelUser{}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"claim": m.claim, "release": m.release, "renew": m.renew, "": m.check,
		})
	})
}

// modelUser is what is to be true of a user.
type modelUser struct {
	last uint64 // highest epoch that the store has seen
	at   route.Location
	old  []uint64 // epochs given earlier
}

type modelled struct {
	*rapid.T
	tb    *testing.T
	d     route.Directory
	users map[int64]*modelUser
}

func (m *modelled) pick(rt *rapid.T) (int64, *modelUser) {
	var ids []int64
	for id := range m.users {
		ids = append(ids, id)
	}
	least := ids[0]
	for _, id := range ids {
		least = min(least, id)
	}
	id := least + rapid.Int64Range(0, int64(len(ids)-1)).Draw(rt, "user")
	return id, m.users[id]
}

// epoch draws one that is, was or might have been given.
func (u *modelUser) epoch(rt *rapid.T) uint64 {
	candidates := append([]uint64{u.last, u.last + 1, u.last + 500}, u.old...)
	return max(1, rapid.SampledFrom(candidates).Draw(rt, "epoch"))
}

func (u *modelUser) hold(at route.Location) {
	u.old = append(u.old, at.Epoch)
	u.last, u.at = at.Epoch, at
}

var (
	modelDevices   = rapid.SampledFrom([]string{"", "phone", "tablet"})
	modelInstances = rapid.SampledFrom([]string{"i1", "i2", "i3"})
)

func (m *modelled) claim(rt *rapid.T) {
	id, u := m.pick(rt)
	q := route.ClaimRequest{
		User: id, Device: modelDevices.Draw(rt, "device"), Instance: modelInstances.Draw(rt, "instance"),
		Takeover:     route.Takeover(rapid.IntRange(0, 2).Draw(rt, "takeover")),
		ReplaceEpoch: u.epoch(rt),
	}
	got, err := m.d.Claim(m.tb.Context(), q)
	if got.Previous != u.at {
		rt.Fatalf("Claim(%+v): previous %+v, want %+v", q, got.Previous, u.at)
	}
	if !u.yields(q) {
		if !errors.Is(err, route.ErrHeld) || got.Epoch != 0 {
			rt.Fatalf("Claim(%+v) = %+v, %v; want ErrHeld", q, got, err)
		}
		return
	}
	if err != nil || got.Epoch <= u.last || got.HeldFor != 0 {
		rt.Fatalf("Claim(%+v) = %+v, %v; the last epoch was %d", q, got, err, u.last)
	}
	u.hold(route.Location{Instance: q.Instance, Epoch: got.Epoch, Device: q.Device})
}

// yields reports whether the claim may have the user.
func (u *modelUser) yields(q route.ClaimRequest) bool {
	return !u.at.Held() || q.Takeover == route.TakeoverAny ||
		q.Device != "" && q.Device == u.at.Device ||
		q.Takeover == route.TakeoverEpoch && q.ReplaceEpoch == u.at.Epoch
}

func (m *modelled) release(rt *rapid.T) {
	id, u := m.pick(rt)
	epoch := u.epoch(rt)
	if err := m.d.Release(m.tb.Context(), id, epoch); err != nil {
		rt.Fatalf("Release: %v", err)
	}
	if u.at.Epoch == epoch {
		u.at = route.Location{}
	}
}

func (m *modelled) renew(rt *rapid.T) {
	id, u := m.pick(rt)
	q := route.Renewal{
		User: id, Epoch: u.epoch(rt), Instance: modelInstances.Draw(rt, "instance"), Device: modelDevices.Draw(rt, "device"),
	}
	want := route.RenewLost
	switch {
	case q.Epoch > u.last:
		want = route.RenewRestored
	case u.at.Held() && q.Epoch == u.at.Epoch && q.Instance == u.at.Instance:
		want = route.RenewKept
	}
	got := m.d.Renew(m.tb.Context(), []route.Renewal{q})[0]
	if got.Err != nil || got.State != want {
		rt.Fatalf("Renew(%+v) = %+v, want state %d; last epoch %d, holder %+v", q, got, want, u.last, u.at)
	}
	if want == route.RenewRestored {
		u.hold(route.Location{Instance: q.Instance, Epoch: q.Epoch, Device: q.Device})
	}
}

// check runs after each step.
func (m *modelled) check(rt *rapid.T) {
	for id, u := range m.users {
		got, err := m.d.Lookup(m.tb.Context(), []int64{id})
		if err != nil || got[0] != u.at {
			rt.Fatalf("Lookup of %d = %+v, %v; want %+v", id, got, err, u.at)
		}
	}
}
