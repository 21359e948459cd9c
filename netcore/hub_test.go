package netcore

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestOnlinePagesCoverAllUsersOnce(t *testing.T) {
	h := newHub()
	want := make(map[int64]bool)
	for n := range int64(1000) {
		user := n*n + 1
		want[user] = true
		if n%3 != 0 {
			h.beginClaim(user)
			h.install(user, place{epoch: 1}, 0)
		}
		if n%3 != 1 { // a third is both connected and expected
			h.reserve(user, &reservation{epoch: 2})
		}
	}
	for _, limit := range []int{1, 7, 999, 1000, 1001} {
		got := make(map[int64]bool)
		for after := int64(0); ; {
			users, next := h.online(after, limit)
			for _, u := range users {
				if got[u] {
					t.Fatalf("limit %d: user %d twice", limit, u)
				}
				got[u] = true
			}
			if next == 0 {
				break
			}
			if len(users) != limit {
				t.Fatalf("limit %d: a page of %d before the last", limit, len(users))
			}
			after = next
		}
		if !maps.Equal(got, want) {
			t.Errorf("limit %d: %d of %d users", limit, len(got), len(want))
		}
	}
	if users, next := h.online(0, 0); users != nil || next != 0 {
		t.Errorf("a page of nothing has %v, next %d", users, next)
	}
}

// TestOnlineGoesOnAfterAUserWhoLeft is about the cursor's own user going away between two pages.
func TestOnlineGoesOnAfterAUserWhoLeft(t *testing.T) {
	h := newHub()
	for u := range int64(600) {
		h.beginClaim(u + 1)
		h.install(u+1, place{epoch: 1}, 0)
	}
	first, next := h.online(0, 300)
	h.remove(next, 1)
	rest, _ := h.online(next, 1000)
	all := slices.Concat(first, rest)
	slices.Sort(all)
	if len(slices.Compact(all)) != 600 {
		t.Errorf("%d of 600 users", len(all))
	}
}

// hubModel is what a hub promises for one user, written down plainly.
type hubModel struct {
	*hub
	live    uint64 // epoch; 0: none
	claims  int
	granted uint64 // newest epoch on its way to a loop
	ended   uint64 // epochs up to here were kicked during a claim
	goodbye uint64 // and up to here not because they were replaced,
	why     Reason // but for that
	touched bool
	held    *reservation
}

const modelUser = 7

func (m *hubModel) actions() map[string]func(*rapid.T) {
	epoch := rapid.Uint64Range(1, 6)
	return map[string]func(*rapid.T){
		"": m.check,
		"begin": func(t *rapid.T) {
			reserved := m.beginClaim(modelUser)
			if m.held == nil && reserved != 0 || m.held != nil && reserved != m.held.epoch {
				t.Errorf("it fulfils reservation %d", reserved)
			}
			if m.claims++; m.claims == 1 {
				m.touched, m.granted, m.ended, m.goodbye, m.why = false, 0, 0, 0, 0
			}
		},
		"answer": func(t *rapid.T) {
			e := epoch.Draw(t, "epoch")
			if m.answered(modelUser, e); m.claims > 0 {
				m.granted = max(m.granted, e)
			}
		},
		"end": func(t *rapid.T) {
			e := epoch.Draw(t, "epoch")
			why := rapid.SampledFrom([]Reason{reasonReplaced, reasonLoggedOut, reasonDisabled}).Draw(t, "why")
			at, live, here := m.end(modelUser, e, why)
			reserved := m.held != nil && m.held.epoch == e
			if live != (m.live == e) || live && at.epoch != e || here != (!live && (reserved || m.claims > 0)) {
				t.Errorf("session %+v is there: %v; a reservation, or somebody who logs in: %v", at, live, here)
			}
			if !live && reserved {
				m.held = nil
			}
			if !live && m.claims > 0 {
				m.ended = max(m.ended, e)
				if why != reasonReplaced && e >= m.goodbye {
					m.goodbye, m.why = e, why
				}
			}
			m.gone(e)
		},
		"refuse": func(t *rapid.T) {
			m.needClaim(t)
			if got := m.endClaim(modelUser); got != m.touched {
				t.Errorf("touched: %v", got)
			}
			m.claims--
		},
		"grant":               func(t *rapid.T) { m.grant(t, epoch.Draw(t, "epoch"), 0) },
		"grant a reservation": func(t *rapid.T) { m.grant(t, epoch.Draw(t, "epoch"), epoch.Draw(t, "reserved")) },
		"remove": func(t *rapid.T) {
			e := epoch.Draw(t, "epoch")
			m.remove(modelUser, e)
			m.gone(e)
		},
		"store": func(t *rapid.T) {
			p, live, here := m.findForStored(modelUser)
			m.touched = m.touched || m.claims > 0
			if live != (m.live != 0) || p.epoch != m.live || here != (live || m.claims > 0 || m.held != nil) {
				t.Errorf("found %+v, live %v, here %v", p, live, here)
			}
		},
		"reserve": func(t *rapid.T) {
			r := &reservation{epoch: epoch.Draw(t, "epoch")}
			want := m.held == nil || m.held.epoch <= r.epoch
			if got := m.reserve(modelUser, r); got != want {
				t.Errorf("reserved: %v", got)
			}
			if want {
				m.held = r
			}
		},
		"fulfil": func(t *rapid.T) {
			e := epoch.Draw(t, "epoch")
			var want *reservation
			if m.held != nil && m.held.epoch <= e {
				want, m.held = m.held, nil
			}
			if got := m.fulfil(modelUser, e); got != want {
				t.Errorf("fulfilled %v, want %v", got, want)
			}
		},
		"cancel": func(t *rapid.T) {
			e := epoch.Draw(t, "epoch")
			want := m.held != nil && m.held.epoch == e
			if got := m.cancel(modelUser, e); got != want {
				t.Errorf("cancelled: %v", got)
			}
			if want {
				m.held = nil
			}
		},
	}
}

// gone is the end of the session of that epoch, and of the reservation that it came for.
func (m *hubModel) gone(epoch uint64) {
	if m.live != epoch {
		return
	}
	m.live = 0
	if m.held != nil && m.held.epoch <= epoch {
		m.held = nil
	}
}

func (m *hubModel) needClaim(t *rapid.T) {
	if m.claims == 0 {
		t.Skip("no claim is under way")
	}
}

func (m *hubModel) grant(t *rapid.T, epoch, reserved uint64) {
	m.needClaim(t)
	o := m.install(modelUser, place{epoch: epoch}, reserved)
	bidden := epoch <= m.goodbye || reserved != 0 && reserved <= m.goodbye
	kicked := bidden || epoch <= m.ended
	if o.ok != (epoch > m.live && !kicked) || o.kicked != kicked || o.touched != m.touched {
		t.Errorf("epoch %d for reservation %d over %d, ended up to %d: %+v", epoch, reserved, m.live, m.ended, o)
	}
	if bidden && o.why != m.why || !bidden && !o.ok && o.why != reasonReplaced {
		t.Errorf("it does not open: %s, want %s or replaced", o.why, m.why)
	}
	if o.replaced != (o.ok && m.live != 0) || o.replaced && o.old.epoch != m.live {
		t.Errorf("replaced %v: %+v, had %d", o.replaced, o.old, m.live)
	}
	if m.claims--; o.ok {
		m.live = epoch
	}
}

func (m *hubModel) check(t *rapid.T) {
	for e := uint64(1); e <= 6; e++ {
		want := m.live == e || m.claims > 0 && m.granted == e && e > m.ended || m.held != nil && m.held.epoch == e
		if m.holds(modelUser, e) != want {
			t.Fatalf("holds epoch %d: %v", e, !want)
		}
	}
	if m.knows(modelUser) != (m.live != 0 || m.claims > 0 || m.held != nil) {
		t.Fatalf("knows the user: %v", m.knows(modelUser))
	}
	users, _ := m.online(0, 10)
	if (len(users) == 1) != (m.live != 0 || m.held != nil) {
		t.Fatalf("online: %v", users)
	}
	if m.claims == 0 != m.endedAll() {
		t.Fatal("a claim is left over, or lost")
	}
}

func TestHubKeepsToItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &hubModel{hub: newHub()}
		t.Repeat(m.actions())
	})
}

// Who says goodbye before the inbox was read to its end has a session and its reservation: both go at once.
func TestEndTakesTheReservationAlong(t *testing.T) {
	ends := map[string]func(*hub){
		"kicked": func(h *hub) { h.end(1, 3, reasonLoggedOut) },
		"closed": func(h *hub) { h.remove(1, 3) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			h := newHub()
			h.reserve(1, &reservation{epoch: 2})
			h.beginClaim(1)
			h.install(1, place{epoch: 3}, 2)
			end(h)
			if users, _ := h.online(0, 10); len(users) != 0 {
				t.Errorf("online: %v", users)
			}
		})
	}
}

// TestEndMissesNoSession that opens at the same moment: it is found, or it does not open.
func TestEndMissesNoSession(t *testing.T) {
	h := newHub()
	for user := range int64(5000) {
		h.beginClaim(user)
		var opened bool
		var wg sync.WaitGroup
		wg.Go(func() { opened = h.install(user, place{epoch: 7}, 0).ok })
		_, live, waits := h.end(user, 7, reasonLoggedOut)
		wg.Wait()
		if opened != live || live == waits {
			t.Fatalf("user %d: opened %v, found %v, kept from opening %v", user, opened, live, waits)
		}
	}
}

// TestHubUnderFire is for the race detector, and for what must hold at the end.
func TestHubUnderFire(t *testing.T) {
	h := newHub()
	var wg sync.WaitGroup
	for w := range uint64(4) {
		wg.Go(func() {
			for n := range uint64(500) {
				user := int64(n%20) + 1
				h.beginClaim(user)
				h.findForStored(user)
				h.install(user, place{epoch: 4*n + w + 1}, 0)
				h.reserve(user, &reservation{epoch: n})
				h.keepForReserved(Broadcast{Body: []byte("x")})
				h.online(0, 5)
				h.fulfil(user, h.reservedEpoch(user))
				h.expire(time.Time{})
			}
		})
	}
	wg.Wait()
	for user := range int64(20) {
		last := 4*(480+uint64(user)) + 4
		if p, ok := h.find(user + 1); !ok || p.epoch != last {
			t.Errorf("user %d has epoch %d, want the highest, %d", user+1, p.epoch, last)
		}
	}
	if !h.endedAll() {
		t.Error("claims are left over")
	}
}

// TestLateKickOfAReservation: a login elsewhere had replaced a reservation, and the LOGIN that came for that has replaced the
// login. The kick of the reservation comes last, and ends nothing.
func TestLateKickOfAReservation(t *testing.T) {
	for why, opens := range map[Reason]bool{reasonReplaced: true, reasonLoggedOut: false} {
		h := newHub()
		h.reserve(1, &reservation{epoch: 50})
		reserved := h.beginClaim(1)
		h.answered(1, 80)
		h.end(1, 50, why)
		if o := h.install(1, place{epoch: 80}, reserved); o.ok != opens || !opens && o.why != why {
			t.Errorf("kicked because %v: %+v", why, o)
		}
	}
}
