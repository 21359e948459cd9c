package main

import (
	"fmt"
	"testing"
	"time"

	"cim/netcore"
	cimpb "cim/proto"
	"cim/route"
	"cim/route/token"
)

// The sweep's answers for each way in which a session may have ended without its server being told.
func TestRenew(t *testing.T) {
	n := newTestNode(t)
	for name, tc := range map[string]struct {
		meanwhile func(t *testing.T, l route.Login, epoch uint64)
		want      netcore.RenewState
	}{
		"nothing": {func(*testing.T, route.Login, uint64) {}, netcore.RenewKept},
		"its release": {func(t *testing.T, l route.Login, epoch uint64) {
			if err := n.router.Release(t.Context(), l.User, epoch); err != nil {
				t.Fatal(err)
			}
		}, netcore.RenewLost},
		"a newer session": {func(t *testing.T, l route.Login, _ uint64) {
			helloWire(t, n, l.User, l.Device)
		}, netcore.RenewReplaced},
		"a newer session that nobody has": {func(t *testing.T, l route.Login, _ uint64) {
			l.Instance = n.instance
			if _, err := n.router.Claim(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}, netcore.RenewLost},
		"a newer session of a dead server": {func(t *testing.T, l route.Login, _ uint64) {
			l.Instance = "another server"
			if _, err := n.router.Claim(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}, netcore.RenewLost},
		"a newer session that has ended": {func(t *testing.T, l route.Login, _ uint64) {
			s, err := n.router.Claim(t.Context(), l)
			if err == nil {
				err = n.router.Release(t.Context(), l.User, s.Epoch)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, netcore.RenewLost},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, err := n.router.Register(t.Context(), fmt.Sprint("u ", name), route.User, route.SecretHash{})
			if err != nil {
				t.Fatal(err)
			}
			b := &backend{router: n.router, instance: "this server", log: n.log}
			l := route.Login{User: a.ID, Device: "phone", Instance: b.instance}
			s, err := n.router.Claim(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			tc.meanwhile(t, l, s.Epoch)
			got := b.Renew(t.Context(), []netcore.RenewRef{{User: a.ID, Epoch: s.Epoch, Device: "phone"}})
			if len(got) != 1 || got[0].Err != nil || got[0].State != tc.want {
				t.Errorf("answered %+v, want %v", got, tc.want)
			}
		})
	}
}

// A session that the directory gave to somebody else is found by the sweep and ended.
func TestSweepOfANode(t *testing.T) {
	n := newTestNode(t)
	a, _, err := n.router.Register(t.Context(), "zs", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	w, welcome := helloWire(t, n, a.ID, "phone")
	epoch := welcome.GetWelcome().GetSessionEpoch()
	if err := n.router.Release(t.Context(), a.ID, epoch); err != nil {
		t.Fatal(err)
	}
	n.server.SweepNow()
	if f := w.frame(); f.GetCmd() != cimpb.Command_KICK || f.GetSeq() != epoch || cimpb.Code(f.GetStatus().GetCode()) != cimpb.CodeSessionLost {
		t.Errorf("told %v", f)
	}
	if got := n.server.Stats().Renewed["lost"]; got != 1 {
		t.Errorf("%d sessions were lost", got)
	}
}

// Who comes before their ticket is good is told to wait until then, and not for good.
func TestTooEarlyIsToldHowLong(t *testing.T) {
	b := &backend{refused: newLoginsRefused()}
	for name, tc := range map[string]struct {
		wait time.Duration
		want uint32
	}{"a while": {40 * time.Second, 40_000}, "nearly": {time.Millisecond, retrySoonMs}} {
		t.Run(name, func(t *testing.T) {
			got := b.refuse(fmt.Errorf("enter: %w", &token.EarlyError{Wait: tc.wait}))
			if got.Code != cimpb.CodeBusy || got.RetryAfterMs != tc.want {
				t.Errorf("told %v, again in %d ms", got.Code, got.RetryAfterMs)
			}
		})
	}
}
