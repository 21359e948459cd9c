package routetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"cim/route"
)

// TestAccounts checks the promises of route.Accounts.
func TestAccounts(t *testing.T, open func(testing.TB) route.Accounts) {
	runAll(t, open, credentialTests)
	runAll(t, open, []subtest[route.Accounts]{
		{"create is idempotent by name", createTwice},
		{"concurrent creates of one name", createOneName},
		{"concurrent creates of many names", createManyNames},
		{"ids are in range and rise", idsInRange},
		{"invalid names", invalidNames},
		{"names that look like keys", namesLikeKeys},
		{"by id keeps the order", byIDOrder},
		{"by name", byName},
		{"by prefix", byPrefix},
		{"context ended", accountsContextEnded},
	})
}

func create(t testing.TB, s route.Accounts, name string, kind route.Kind) route.Account {
	t.Helper()
	a, created, err := s.Create(t.Context(), name, kind, route.SecretHash{})
	if err != nil || !created {
		t.Fatalf("Create(%q) = %+v, %v, %v; want a new account", name, a, created, err)
	}
	return a
}

func createTwice(t *testing.T, s route.Accounts) {
	first := create(t, s, "alice", route.Device)
	again, created, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{})
	if err != nil || created || again != first {
		t.Fatalf("second Create = %+v, %v, %v; want %+v, false", again, created, err, first)
	}
	if first.Name != "alice" || first.Kind != route.Device {
		t.Fatalf("created %+v", first)
	}
}

func createOneName(t *testing.T, s route.Accounts) {
	const callers = 64
	var got [callers]route.Account
	var created [callers]bool
	inParallel(callers, func(i int) {
		var err error
		if got[i], created[i], err = s.Create(t.Context(), "alice", route.User, route.SecretHash{}); err != nil {
			t.Errorf("Create: %v", err)
		}
	})
	makers := 0
	for i := range got {
		if got[i] != got[0] {
			t.Fatalf("one name has accounts %+v and %+v", got[0], got[i])
		}
		if created[i] {
			makers++
		}
	}
	if makers != 1 {
		t.Fatalf("%d callers were told that they made the account, want 1", makers)
	}
}

func createManyNames(t *testing.T, s route.Accounts) {
	const callers, each = 16, 20
	var ids [callers * each]int64
	inParallel(callers, func(c int) {
		for i := c * each; i < (c+1)*each; i++ {
			a, _, err := s.Create(t.Context(), fmt.Sprintf("user-%d", i), route.User, route.SecretHash{})
			if err != nil {
				t.Errorf("Create: %v", err)
			}
			ids[i] = a.ID
		}
	})
	slices.Sort(ids[:])
	if n := len(slices.Compact(ids[:])); n != callers*each {
		t.Fatalf("%d accounts share %d ids", callers*each, n)
	}
}

func idsInRange(t *testing.T, s route.Accounts) {
	last := int64(0)
	for i := range 50 {
		a := create(t, s, fmt.Sprintf("u%d", i), route.User)
		if a.ID < 1 || a.ID > route.MaxID || a.ID == last {
			t.Fatalf("id %d after %d", a.ID, last)
		}
		last = a.ID
	}
}

func invalidNames(t *testing.T, s route.Accounts) {
	for _, name := range []string{"", "12345", "a;b", " a", "a\n", "\xff"} {
		_, _, err := s.Create(t.Context(), name, route.User, route.SecretHash{})
		wantErr(t, fmt.Sprintf("Create(%q)", name), err, route.ErrInvalidName)
	}
}

func namesLikeKeys(t *testing.T, s route.Accounts) {
	seen := map[int64]string{}
	for _, name := range []string{"login-status", "cim-route:5", "{42}", "a\u00a0b", "a:b", "*", "[a]", "../x"} {
		a := create(t, s, name, route.User)
		if other, ok := seen[a.ID]; ok {
			t.Fatalf("%q and %q share id %d", name, other, a.ID)
		}
		seen[a.ID] = name
		if got, err := s.ByName(t.Context(), name); err != nil || got != a {
			t.Fatalf("ByName(%q) = %+v, %v", name, got, err)
		}
	}
}

func byIDOrder(t *testing.T, s route.Accounts) {
	a, b := create(t, s, "a", route.User), create(t, s, "b", route.Device)
	got, err := s.ByID(t.Context(), []int64{b.ID, 1, a.ID, b.ID, -1, route.MaxID})
	want := []route.Account{b, {}, a, b, {}, {}}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("ByID = %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.ByID(t.Context(), nil); err != nil || len(got) != 0 {
		t.Fatalf("ByID of nothing = %+v, %v", got, err)
	}
}

func byName(t *testing.T, s route.Accounts) {
	a := create(t, s, "alice", route.User)
	if got, err := s.ByName(t.Context(), "alice"); err != nil || got != a {
		t.Fatalf("ByName = %+v, %v", got, err)
	}
	for _, name := range []string{"alic", "alicea", "Alice", ""} {
		_, err := s.ByName(t.Context(), name)
		wantErr(t, fmt.Sprintf("ByName(%q)", name), err, route.ErrUnknownUser)
	}
}

func byPrefix(t *testing.T, s route.Accounts) {
	for _, name := range []string{"bob", "alice", "alan", "al", "ал", "b*b"} {
		create(t, s, name, route.User)
	}
	for _, tc := range []struct {
		prefix string
		limit  int
		want   []string
	}{
		{"al", 10, []string{"al", "alan", "alice"}},
		{"al", 2, []string{"al", "alan"}},
		{"ali", 10, []string{"alice"}},
		{"b*", 10, []string{"b*b"}},
		{"", 10, []string{"al", "alan", "alice", "b*b", "bob", "ал"}},
		{"zz", 10, nil},
		{"al", 0, nil},
	} {
		got, err := s.ByPrefix(t.Context(), tc.prefix, tc.limit)
		if err != nil {
			t.Fatalf("ByPrefix(%q): %v", tc.prefix, err)
		}
		var names []string
		for _, a := range got {
			names = append(names, a.Name)
		}
		if !slices.Equal(names, tc.want) {
			t.Fatalf("ByPrefix(%q, %d) = %q, want %q", tc.prefix, tc.limit, names, tc.want)
		}
	}
}

func accountsContextEnded(t *testing.T, s route.Accounts) {
	a := create(t, s, "alice", route.User)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Create(ctx, "bob", route.User, route.SecretHash{})
	wantErr(t, "Create", err, context.Canceled)
	_, err = s.ByID(ctx, []int64{a.ID})
	wantErr(t, "ByID", err, context.Canceled)
	_, err = s.ByName(ctx, "alice")
	wantErr(t, "ByName", err, context.Canceled)
	if got, err := s.ByName(t.Context(), "alice"); err != nil || got != a {
		t.Fatalf("afterwards ByName = %+v, %v", got, err)
	}
}
