package routetest

import (
	"context"
	"slices"
	"testing"

	"cim/route"
)

// credentialTests are the part of TestAccounts that is about secrets.
var credentialTests = []subtest[route.Accounts]{
	{"the secret of a new account", newSecret},
	{"a name that exists keeps its secret", keepsSecret},
	{"a secret is replaced", replacesSecret},
	{"disable and enable", disables},
	{"concurrent replacements", replacesAtOnce},
	{"readers see each change", readersSeeChanges},
	{"credentials of nobody", credentialsOfNobody},
}

var firstHash, secondHash = route.HashSecret("first"), route.HashSecret("second")

func createWith(t testing.TB, s route.Accounts, name string, secret route.SecretHash) route.Account {
	t.Helper()
	a, created, err := s.Create(t.Context(), name, route.User, secret)
	if err != nil || !created {
		t.Fatalf("Create(%q) = %+v, %v, %v; want a new account", name, a, created, err)
	}
	return a
}

func wantCredentials(t testing.TB, s route.Accounts, a route.Account, secret route.SecretHash, generation uint64) {
	t.Helper()
	want := route.Credentials{Account: a, Secret: secret, Generation: generation}
	if got, err := s.Credentials(t.Context(), a.ID); err != nil || got != want {
		t.Fatalf("Credentials = %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.ByID(t.Context(), []int64{a.ID}); err != nil || got[0] != a {
		t.Fatalf("ByID = %+v, %v; want %+v", got, err, a)
	}
	if got, err := s.ByName(t.Context(), a.Name); err != nil || got != a {
		t.Fatalf("ByName = %+v, %v; want %+v", got, err, a)
	}
	if got, err := s.ByPrefix(t.Context(), a.Name, 10); err != nil || !slices.Contains(got, a) {
		t.Fatalf("ByPrefix = %+v, %v; want %+v", got, err, a)
	}
}

func newSecret(t *testing.T, s route.Accounts) {
	wantCredentials(t, s, createWith(t, s, "alice", firstHash), firstHash, 1)
	wantCredentials(t, s, createWith(t, s, "bob", route.SecretHash{}), route.SecretHash{}, 1)
}

func keepsSecret(t *testing.T, s route.Accounts) {
	a := createWith(t, s, "alice", firstHash)
	if again, created, err := s.Create(t.Context(), "alice", route.Device, secondHash); err != nil || created || again != a {
		t.Fatalf("second Create = %+v, %v, %v", again, created, err)
	}
	wantCredentials(t, s, a, firstHash, 1)
}

func setSecret(t testing.TB, s route.Accounts, id int64, secret route.SecretHash) {
	t.Helper()
	if err := s.SetSecret(t.Context(), id, secret); err != nil {
		t.Fatalf("SetSecret: %v", err)
	}
}

func setDisabled(t testing.TB, s route.Accounts, id int64, disabled bool) {
	t.Helper()
	if err := s.SetDisabled(t.Context(), id, disabled); err != nil {
		t.Fatalf("SetDisabled(%v): %v", disabled, err)
	}
}

func replacesSecret(t *testing.T, s route.Accounts) {
	a := createWith(t, s, "alice", route.SecretHash{})
	other := createWith(t, s, "alice2", firstHash)
	setSecret(t, s, a.ID, firstHash)
	wantCredentials(t, s, a, firstHash, 2)
	setSecret(t, s, a.ID, secondHash)
	wantCredentials(t, s, a, secondHash, 3)
	wantCredentials(t, s, other, firstHash, 1)
}

func disables(t *testing.T, s route.Accounts) {
	a := createWith(t, s, "alice", firstHash)
	setDisabled(t, s, a.ID, false)
	wantCredentials(t, s, a, firstHash, 1)
	a.Disabled = true
	setDisabled(t, s, a.ID, true)
	wantCredentials(t, s, a, firstHash, 2)
	setDisabled(t, s, a.ID, true)
	wantCredentials(t, s, a, firstHash, 2)
	if again, created, err := s.Create(t.Context(), "alice", route.User, secondHash); err != nil || created || again != a {
		t.Fatalf("Create of a disabled name = %+v, %v, %v", again, created, err)
	}
	a.Disabled = false
	setDisabled(t, s, a.ID, false)
	wantCredentials(t, s, a, firstHash, 2)
}

func replacesAtOnce(t *testing.T, s route.Accounts) {
	const callers = 32
	a := createWith(t, s, "alice", firstHash)
	inParallel(callers, func(int) {
		if err := s.SetSecret(t.Context(), a.ID, secondHash); err != nil {
			t.Errorf("SetSecret: %v", err)
		}
	})
	wantCredentials(t, s, a, secondHash, callers+1)
}

// readersSeeChanges has readers run all the time, so that one of them reads around each change.
func readersSeeChanges(t *testing.T, s route.Accounts) {
	a := createWith(t, s, "alice", firstHash)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inParallel(3, func(i int) {
		if i > 0 {
			for ctx.Err() == nil {
				_, _ = s.Credentials(t.Context(), a.ID)
			}
			return
		}
		defer cancel()
		for n := range uint64(100) {
			if err := s.SetSecret(t.Context(), a.ID, secondHash); err != nil {
				t.Errorf("SetSecret: %v", err)
			}
			if c, err := s.Credentials(t.Context(), a.ID); err != nil || c.Generation != n+2 {
				t.Errorf("after change %d: generation %d, %v", n+1, c.Generation, err)
			}
		}
	})
}

func credentialsOfNobody(t *testing.T, s route.Accounts) {
	a := create(t, s, "alice", route.User)
	for _, id := range []int64{a.ID + 1, 0, -1, route.MaxID} {
		_, err := s.Credentials(t.Context(), id)
		wantErr(t, "Credentials", err, route.ErrUnknownUser)
		wantErr(t, "SetSecret", s.SetSecret(t.Context(), id, firstHash), route.ErrUnknownUser)
		wantErr(t, "SetDisabled", s.SetDisabled(t.Context(), id, true), route.ErrUnknownUser)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Credentials(ctx, a.ID)
	wantErr(t, "Credentials", err, context.Canceled)
	wantErr(t, "SetSecret", s.SetSecret(ctx, a.ID, firstHash), context.Canceled)
	wantCredentials(t, s, a, route.SecretHash{}, 1)
}

func credentialsSurvive(t *testing.T, d Durable, restart restartFunc) {
	a, b := createWith(t, d.Store(), "alice", firstHash), createWith(t, d.Store(), "bob", firstHash)
	setSecret(t, d.Store(), a.ID, secondHash)
	setDisabled(t, d.Store(), b.ID, true)
	b.Disabled = true
	restart(d, t)
	wantCredentials(t, d.Store(), a, secondHash, 2)
	wantCredentials(t, d.Store(), b, firstHash, 2)
}
