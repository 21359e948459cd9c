package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"cim/internal/redistest"
	"cim/route"
)

func create(t *testing.T, s *Store, name string) (route.Account, bool) {
	t.Helper()
	a, created, err := s.Create(t.Context(), name, route.User, route.SecretHash{})
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	return a, created
}

// TestIDsThatAreTaken has the ids of new accounts collide with those that exist.
func TestIDsThatAreTaken(t *testing.T) {
	ids := []int64{5, 5, 5, 6, 6, 7}
	s := open(t, urlOf(redistest.Start(t)), func(c *Config) {
		c.newID = func() int64 {
			id := ids[0]
			ids = ids[1:]
			return id
		}
	})
	for i, want := range []int64{5, 6, 7} {
		name := fmt.Sprintf("user-%d", i)
		a, created := create(t, s, name)
		if a.ID != want || !created {
			t.Fatalf("account %d: %+v, %v", i, a, created)
		}
		if got, err := s.ByName(t.Context(), name); err != nil || got != a {
			t.Fatalf("ByName: %+v, %v", got, err)
		}
	}
}

func TestNoIDIsFree(t *testing.T) {
	s := open(t, urlOf(redistest.Start(t)), func(c *Config) { c.newID = func() int64 { return 5 } })
	create(t, s, "alice")
	if _, _, err := s.Create(t.Context(), "bob", route.User, route.SecretHash{}); !errors.Is(err, route.ErrStoreUnavailable) {
		t.Fatalf("Create: %v", err)
	}
}

// TestCreateGoesOnWhereAnotherDied leaves each step of another's registration undone.
func TestCreateGoesOnWhereAnotherDied(t *testing.T) {
	s := open(t, urlOf(redistest.Start(t)))
	for _, tc := range []struct {
		name    string
		steps   int
		created bool
	}{
		{"reserved", 1, true}, {"made", 2, false}, {"complete", 3, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			owner, err := s.reserve(t.Context(), tc.name, "")
			if err != nil || !owner.reserved {
				t.Fatalf("reserve: %+v, %v", owner, err)
			}
			if _, err := s.ByName(t.Context(), tc.name); !errors.Is(err, route.ErrUnknownUser) {
				t.Fatalf("a reserved name is somebody's: %v", err)
			}
			if tc.steps > 1 {
				if _, _, _, err := s.make(t.Context(), owner, tc.name, route.User, route.SecretHash{}); err != nil {
					t.Fatal(err)
				}
			}
			if tc.steps > 2 {
				if kept, err := s.complete(t.Context(), owner, tc.name); err != nil || !kept {
					t.Fatalf("complete: %v, %v", kept, err)
				}
			}
			a, created := create(t, s, tc.name)
			if a.ID != owner.id || created != tc.created {
				t.Fatalf("Create: %+v, %v; reserved for %d", a, created, owner.id)
			}
			if kept, err := s.complete(t.Context(), owner, tc.name); err != nil || !kept {
				t.Fatalf("the first one comes back: %v, %v", kept, err)
			}
		})
	}
}

// TestReservationRunsOut: the name is another's when its first claimant goes on.
func TestReservationRunsOut(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	late, err := s.reserve(t.Context(), "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	admin := server.Client(t)
	ttl, err := admin.TTL(t.Context(), s.keys.name("alice")).Result()
	if err != nil || ttl <= 0 || ttl > 60e9 {
		t.Fatalf("the reservation lasts %v, %v", ttl, err)
	}
	if err := admin.Del(t.Context(), s.keys.name("alice")).Err(); err != nil {
		t.Fatal(err)
	}
	a, created := create(t, s, "alice")
	if !created || a.ID == late.id {
		t.Fatalf("Create: %+v, %v", a, created)
	}
	if _, _, _, err := s.make(t.Context(), late, "alice", route.User, route.SecretHash{}); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.complete(t.Context(), late, "alice"); err != nil || kept {
		t.Fatalf("the late one got the name: %v, %v", kept, err)
	}
	if got, err := s.ByName(t.Context(), "alice"); err != nil || got != a {
		t.Fatalf("ByName: %+v, %v", got, err)
	}
	if ttl, err := admin.TTL(t.Context(), s.keys.name("alice")).Result(); err != nil || ttl >= 0 {
		t.Fatalf("a name that is given runs out in %v, %v", ttl, err)
	}
}

// TestByPrefixFillsPages: names that are listed and not given are passed over.
func TestByPrefixFillsPages(t *testing.T) {
	s := open(t, urlOf(redistest.Start(t)))
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("user-%02d", i)
		if i%2 == 0 {
			owner, err := s.reserve(t.Context(), name, "")
			if err == nil {
				_, _, _, err = s.make(t.Context(), owner, name, route.User, route.SecretHash{})
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		create(t, s, name)
		want = append(want, name)
	}
	for _, limit := range []int{1, 5, 20, 100, 5000} {
		found, err := s.ByPrefix(t.Context(), "user-", limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range found {
			names = append(names, a.Name)
		}
		if !slices.Equal(names, want[:min(limit, len(want))]) {
			t.Errorf("limit %d: %q", limit, names)
		}
	}
}
