package auth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cim/route"
	"cim/route/token"
)

var noon = time.Unix(1_800_000_000, 0)

// accounts are in memory; an error is that of a store that does not answer.
type accounts struct {
	byID map[int64]route.Credentials
	err  error
}

func (a *accounts) Credentials(_ context.Context, id int64) (route.Credentials, error) {
	c, ok := a.byID[id]
	if !ok && a.err == nil {
		return c, route.ErrUnknownUser
	}
	return c, a.err
}

func alice(generation uint64, disabled bool) route.Credentials {
	return route.Credentials{Account: route.Account{ID: 42, Name: "alice", Disabled: disabled}, Generation: generation}
}

// desk is an authority with a clock that tests turn.
type desk struct {
	*Authority
	accounts *accounts
	keys     *token.Keys
	key      string // of the application
	at       time.Time
}

func newDesk() *desk {
	d := &desk{
		accounts: &accounts{byID: map[int64]route.Credentials{42: alice(1, false)}},
		keys:     token.NewKeys(), key: NewApplicationKey(), at: noon,
	}
	d.Authority = New(d.keys, d.accounts, route.HashSecret(d.key), d.clock)
	return d
}

func (d *desk) clock() time.Time { return d.at }

func (d *desk) pass(t *testing.T) Pass {
	t.Helper()
	p, err := d.Admit(d.accounts.byID[42], "phone", "s1", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (d *desk) rotate(t *testing.T) {
	t.Helper()
	if err := d.keys.Rotate(); err != nil {
		t.Fatal(err)
	}
}

func TestCaller(t *testing.T) {
	d := newDesk()
	p := d.pass(t)
	for name, tc := range map[string]struct {
		bearer string
		kind   Kind
		err    error
	}{
		"user":              {p.Access, User, nil},
		"application":       {d.key, Application, nil},
		"ticket":            {p.Ticket, Anonymous, ErrUnauthorized},
		"other application": {NewApplicationKey(), Anonymous, ErrUnauthorized},
		"empty application": {"cimk_", Anonymous, ErrUnauthorized},
		"nothing":           {"", Anonymous, ErrUnauthorized},
		"forged":            {p.Access[:len(p.Access)-4] + "AAAA", Anonymous, ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := d.Caller(t.Context(), tc.bearer)
			if c.Kind != tc.kind || !errors.Is(err, tc.err) {
				t.Errorf("kind %d, error %v; want %d, %v", c.Kind, err, tc.kind, tc.err)
			}
			if c.Kind == User && c.Account.ID != 42 {
				t.Errorf("caller %+v", c)
			}
		})
	}
	without := New(d.keys, d.accounts, route.SecretHash{}, d.clock)
	if _, err := without.Caller(t.Context(), d.key); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("a key where there is none: %v", err)
	}
}

func TestAccessTokensDie(t *testing.T) {
	down := errors.New("down")
	for name, tc := range map[string]struct {
		after func(d *desk, t *testing.T)
		err   error
	}{
		"not at all":                  {func(*desk, *testing.T) {}, nil},
		"of age":                      {func(d *desk, _ *testing.T) { d.at = noon.Add(token.AccessTime + time.Minute) }, token.ErrExpired},
		"with the secret":             {func(d *desk, _ *testing.T) { d.accounts.byID[42] = alice(2, false) }, ErrUnauthorized},
		"with the account":            {func(d *desk, _ *testing.T) { d.accounts.byID[42] = alice(2, true) }, route.ErrDisabled},
		"with the user":               {func(d *desk, _ *testing.T) { delete(d.accounts.byID, 42) }, ErrUnauthorized},
		"not when keys rotate once":   {func(d *desk, t *testing.T) { d.rotate(t) }, nil},
		"when their key is removed":   {func(d *desk, t *testing.T) { d.rotate(t); d.rotate(t) }, ErrUnauthorized},
		"not because of a dead store": {func(d *desk, _ *testing.T) { d.accounts.err = down }, down},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk()
			p := d.pass(t)
			tc.after(d, t)
			if _, err := d.Caller(t.Context(), p.Access); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
		})
	}
}

func TestGate(t *testing.T) {
	type knock struct {
		user     int64
		device   string
		instance string
	}
	good := knock{42, "phone", "s1"}
	for name, tc := range map[string]struct {
		knock knock
		after func(d *desk, t *testing.T)
		err   error
	}{
		"its own":        {good, nil, nil},
		"another user":   {knock{43, "phone", "s1"}, nil, ErrOtherUser},
		"another device": {knock{42, "laptop", "s1"}, nil, ErrOtherDevice},
		"another server": {knock{42, "phone", "s2"}, nil, token.ErrWrongServer},
		"expired":        {good, func(d *desk, _ *testing.T) { d.at = noon.Add(token.TicketTime + time.Minute) }, token.ErrExpired},
		"rotated once":   {good, func(d *desk, t *testing.T) { d.rotate(t) }, nil},
		"removed key":    {good, func(d *desk, t *testing.T) { d.rotate(t); d.rotate(t) }, token.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk()
			p := d.pass(t)
			if tc.after != nil {
				tc.after(d, t)
			}
			g := NewGate(d.keys, tc.knock.instance, d.clock)
			generation, err := g.Enter(p.Ticket, tc.knock.user, tc.knock.device)
			if !errors.Is(err, tc.err) || err == nil && generation != 1 {
				t.Errorf("generation %d, error %v, want %v", generation, err, tc.err)
			}
		})
	}
}

// A stolen ticket is worth nothing once it was used, and cannot be spent by who has another name.
func TestGateTakesATicketOnce(t *testing.T) {
	d := newDesk()
	p := d.pass(t)
	g := NewGate(d.keys, "s1", d.clock)
	for i, step := range []struct {
		user   int64
		device string
		err    error
	}{
		{43, "phone", ErrOtherUser}, {42, "laptop", ErrOtherDevice}, {42, "phone", nil}, {42, "phone", token.ErrUsed},
	} {
		if _, err := g.Enter(p.Ticket, step.user, step.device); !errors.Is(err, step.err) {
			t.Errorf("attempt %d: %v, want %v", i, err, step.err)
		}
	}
}

// A ticket that names no generation would count for ever.
func TestGateAsksForAGeneration(t *testing.T) {
	d := newDesk()
	signed, err := d.keys.Ticket(token.Ticket{User: 42, Device: "phone", Instance: "s1"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewGate(d.keys, "s1", d.clock).Enter(signed, 42, "phone"); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestApplicationKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "application.key")
	key, err := ApplicationKey(path)
	if err != nil || !strings.HasPrefix(key, "cimk_") || len(key) != 48 {
		t.Fatalf("key %q, %v", key, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if again, err := ApplicationKey(path); err != nil || again != key {
		t.Errorf("read again: %q, %v", again, err)
	}
	for _, text := range []string{"", "cimk_", "cimk_short\n", strings.TrimPrefix(key, "cimk_")} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ApplicationKey(path); !errors.Is(err, ErrKeyFile) {
			t.Errorf("a file with %q: %q, %v", text, got, err)
		}
	}
	if _, err := ApplicationKey(filepath.Join(path, "x")); err == nil {
		t.Error("a file in a file was read")
	}
}
