package route_test

import (
	"errors"
	"testing"

	"cim/route"
)

// member makes an account with a secret.
func (c *cluster) member(name string) (id int64, secret string) {
	c.t.Helper()
	secret = route.NewSecret()
	a, _, err := c.Register(c.t.Context(), name, route.User, route.HashSecret(secret))
	if err != nil {
		c.t.Fatal(err)
	}
	return a.ID, secret
}

func TestSecrets(t *testing.T) {
	a, b := route.NewSecret(), route.NewSecret()
	if len(a) != 43 || a == b {
		t.Fatalf("secrets %q and %q", a, b)
	}
	var none route.SecretHash
	for name, tc := range map[string]struct {
		x, y route.SecretHash
		want bool
	}{
		"the same":    {route.HashSecret(a), route.HashSecret(a), true},
		"another":     {route.HashSecret(a), route.HashSecret(b), false},
		"none":        {none, route.HashSecret(a), false},
		"given none":  {route.HashSecret(a), none, false},
		"none at all": {none, none, false},
	} {
		if tc.x.Equal(tc.y) != tc.want {
			t.Errorf("%s: %v", name, !tc.want)
		}
	}
	if !none.None() || route.HashSecret("").None() {
		t.Error("None is wrong about what is no secret")
	}
}

func TestAuthenticate(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse)
	alice, secret := c.member("alice")
	bob, _ := c.member("bob")
	bare := c.user("bare")
	gone, goneSecret := c.member("gone")
	if err := c.SetDisabled(t.Context(), gone, true); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id           int64
		name, secret string
		want         error
	}{
		"by id":                    {alice, "", secret, nil},
		"by name":                  {0, "alice", secret, nil},
		"by both":                  {alice, "alice", secret, nil},
		"another's id":             {bob, "alice", secret, route.ErrBadCredentials},
		"wrong secret":             {alice, "", route.NewSecret(), route.ErrBadCredentials},
		"no secret":                {alice, "", "", route.ErrBadCredentials},
		"unknown id":               {12345, "", secret, route.ErrBadCredentials},
		"unknown name":             {0, "eve", secret, route.ErrBadCredentials},
		"nobody":                   {0, "", secret, route.ErrBadCredentials},
		"account without secret":   {bare, "", "", route.ErrBadCredentials},
		"disabled":                 {gone, "", goneSecret, route.ErrDisabled},
		"disabled, secret unknown": {gone, "", secret, route.ErrBadCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Authenticate(t.Context(), tc.id, tc.name, tc.secret)
			if !errors.Is(err, tc.want) || err == nil && got.ID != alice {
				t.Errorf("account %d, error %v, want %v", got.ID, err, tc.want)
			}
		})
	}
}

func TestReplaceSecretEndsTheSession(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	alice, old := c.member("alice")
	c.connect(alice, "s1", "phone")
	secret, err := c.ReplaceSecret(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Authenticate(t.Context(), alice, "", old); !errors.Is(err, route.ErrBadCredentials) {
		t.Errorf("the old secret: %v", err)
	}
	if got, err := c.Authenticate(t.Context(), alice, "", secret); err != nil || got.Generation != 2 {
		t.Errorf("the new secret: %+v, %v", got, err)
	}
	if kicks := c.peers["s1"].kicks; len(kicks) != 1 || kicks[0] != route.KickLoggedOut || c.holder(alice).Held() {
		t.Errorf("kicked for %v; held: %v", kicks, c.holder(alice))
	}
	_, err = c.Claim(t.Context(), route.Login{User: alice, Device: "phone", Instance: "s1", Generation: 1})
	wantErr(t, err, route.ErrReplacedSecret)
	if _, err = c.Claim(t.Context(), route.Login{User: alice, Device: "phone", Instance: "s1", Generation: 2}); err != nil {
		t.Errorf("a login after it: %v", err)
	}
	_, err = c.ReplaceSecret(t.Context(), 12345)
	wantErr(t, err, route.ErrUnknownUser)
}

func TestDisableEndsTheSessionAndRefuses(t *testing.T) {
	c := newCluster(t, route.DuplicateRefuse, "s1")
	alice, _ := c.member("alice")
	c.connect(alice, "s1", "phone")
	if err := c.SetDisabled(t.Context(), alice, true); err != nil {
		t.Fatal(err)
	}
	if kicks := c.peers["s1"].kicks; len(kicks) != 1 || kicks[0] != route.KickDisabled || c.holder(alice).Held() {
		t.Errorf("kicked for %v; held: %v", kicks, c.holder(alice))
	}
	_, err := c.Claim(t.Context(), route.Login{User: alice, Device: "phone", Instance: "s1"})
	wantErr(t, err, route.ErrDisabled)
	_, err = c.Reserve(t.Context(), alice, "alice")
	wantErr(t, err, route.ErrDisabled)
	if o := c.deliver(route.Send{To: alice, QoS: route.AtLeastOnce}); !o.Stored {
		t.Errorf("a message to a disabled account: %+v", o)
	}
	if err := c.SetDisabled(t.Context(), alice, false); err != nil {
		t.Fatal(err)
	}
	c.connect(alice, "s1", "phone")
	wantErr(t, c.SetDisabled(t.Context(), 12345, true), route.ErrUnknownUser)
}
