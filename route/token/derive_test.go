package token

import (
	"errors"
	"testing"
	"time"
)

var (
	firstSecret  = []byte("the first secret of the cluster, 32+")
	secondSecret = []byte("the second secret of the cluster, 32+")
	thirdSecret  = []byte("the third secret of the cluster, 32+")
)

func ticketOf(t *testing.T, k *Keys, now time.Time) string {
	t.Helper()
	text, err := k.Ticket(Ticket{User: 42, Device: "laptop", Instance: "s1", Generation: 1}, now)
	if err != nil {
		t.Fatalf("make a ticket: %v", err)
	}
	return text
}

func TestDerivedKeysAreTheSameEverywhere(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ticket := ticketOf(t, Derive(firstSecret, nil, true), now)
	if _, err := Derive(firstSecret, nil, false).CheckTicket(ticket, "s1", now); err != nil {
		t.Errorf("a server of the cluster refuses the ticket of a route: %v", err)
	}
	if _, err := Derive(secondSecret, nil, false).CheckTicket(ticket, "s1", now); !errors.Is(err, ErrInvalid) {
		t.Errorf("a server of another cluster: %v, want ErrInvalid", err)
	}
}

func TestDerivedKeysOfAServerDoNotSign(t *testing.T) {
	_, err := Derive(firstSecret, nil, false).Ticket(Ticket{User: 42, Device: "laptop", Instance: "s1", Generation: 1}, time.Now())
	if !errors.Is(err, ErrKey) {
		t.Errorf("a server signed a ticket: %v, want ErrKey", err)
	}
}

// Everybody knows the key that is made of nothing.
func TestNothingIsNoSecret(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	k := Derive(firstSecret, []byte{}, false)
	set := newKeySet(derived(nil), nil)
	forger := &Keys{}
	forger.current.Store(set)
	if _, err := k.CheckTicket(ticketOf(t, forger, now), "s1", now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("signed with nothing: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("keys were made of nothing")
		}
	}()
	Derive(nil, nil, true)
}

func TestDerivedKeysFollowARotation(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	route, server := Derive(firstSecret, nil, true), Derive(firstSecret, nil, false)
	old := ticketOf(t, route, now)
	server.Follow(secondSecret, firstSecret, false)
	if _, err := server.CheckTicket(old, "s1", now); err != nil {
		t.Errorf("after one rotation: %v", err)
	}
	route.Follow(secondSecret, firstSecret, true)
	if _, err := server.CheckTicket(ticketOf(t, route, now), "s1", now); err != nil {
		t.Errorf("a ticket under the new secret: %v", err)
	}
	server.Follow(thirdSecret, secondSecret, false)
	if _, err := server.CheckTicket(old, "s1", now); !errors.Is(err, ErrInvalid) {
		t.Errorf("after two rotations: %v, want ErrInvalid", err)
	}
}
