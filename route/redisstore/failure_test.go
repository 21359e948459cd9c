package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cim/internal/redistest"
	"cim/route"
)

// everyCall runs each method once and returns its errors.
func everyCall(ctx context.Context, s *Store) map[string]error {
	_, _, create := s.Create(ctx, "alice", route.User, route.SecretHash{})
	_, byID := s.ByID(ctx, []int64{1})
	_, byName := s.ByName(ctx, "alice")
	_, prefix := s.ByPrefix(ctx, "a", 10)
	_, credentials := s.Credentials(ctx, 1)
	_, claim := s.Claim(ctx, route.ClaimRequest{User: 1, Instance: "i"})
	_, lookup := s.Lookup(ctx, []int64{1})
	_, read := s.Read(ctx, 1, route.Cursor{}, 1, 1)
	_, position := s.Position(ctx, 1)
	return map[string]error{
		"Create": create, "ByID": byID, "ByName": byName, "ByPrefix": prefix, "Credentials": credentials,
		"SetSecret": s.SetSecret(ctx, 1, route.SecretHash{}), "SetDisabled": s.SetDisabled(ctx, 1, true),
		"Claim": claim, "Release": s.Release(ctx, 1, 1), "Lookup": lookup, "Renew": s.Renew(ctx, make([]route.Renewal, 1))[0].Err,
		"Append": s.Append(ctx, []route.Entry{entry(1, 1)})[0].Err, "Ack": s.Ack(ctx, make([]route.Ack, 1)),
		"Read": read, "Position": position,
	}
}

func wantUnavailable(t *testing.T, what string, all map[string]error) {
	t.Helper()
	for name, err := range all {
		if !errors.Is(err, route.ErrStoreUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, %s: %v", what, name, err)
		}
	}
}

func TestRedisAway(t *testing.T) {
	server := redistest.Start(t)
	var logged bytes.Buffer
	s := open(t, urlOf(server), func(c *Config) {
		c.Timeout = 300 * time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	})
	server.Pause(t)
	wantUnavailable(t, "a Redis that is silent", everyCall(t.Context(), s))
	server.Resume(t)
	redistest.Until(t, "it answers", func(ctx context.Context) error { return s.Release(ctx, 1, 1) })
	server.Kill(t)
	wantUnavailable(t, "a Redis that is gone", everyCall(t.Context(), s))
	if _, err := New(t.Context(), Config{URL: urlOf(server), Timeout: time.Second}); !errors.Is(err, route.ErrStoreUnavailable) {
		t.Errorf("New without a Redis: %v", err)
	}
	server.Restart(t)
	// After as many refused connections as its pool holds, go-redis tries once a second.
	redistest.Until(t, "the store goes on", func(ctx context.Context) error { return s.Release(ctx, 1, 1) })
	if n := strings.Count(logged.String(), "Redis answers again"); n != 2 {
		t.Errorf("%d recoveries were logged of two", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, "a closed store", everyCall(t.Context(), s))
}

// TestRedisComesBackEmpty: sessions are published again, epochs go on, inboxes begin new logs, and an account can be
// registered again.
func TestRedisComesBackEmpty(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	ctx := t.Context()
	a, _, err := s.Create(ctx, "alice", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	had := appendOne(t, s, entry(a.ID, 1))
	before := claim(t, s, route.ClaimRequest{User: a.ID, Device: "phone", Instance: "i1"})
	server.Kill(t)
	server.Restart(t)

	renewed := s.Renew(ctx, []route.Renewal{{User: a.ID, Epoch: before.Epoch, Instance: "i1", Device: "phone"}})[0]
	if renewed.Err != nil || renewed.State != route.RenewRestored || renewed.Inbox.LogEpoch <= had.LogEpoch {
		t.Fatalf("Renew: %+v; the log epoch was %d", renewed, had.LogEpoch)
	}
	after := claim(t, s, route.ClaimRequest{
		User: a.ID, Device: "phone", Instance: "i2", Cursor: route.Cursor{LogEpoch: had.LogEpoch, Seq: had.Seq},
	})
	if after.Epoch <= before.Epoch || after.Previous.Epoch != before.Epoch || after.Inbox != renewed.Inbox {
		t.Fatalf("Claim: %+v after %+v", after, before)
	}
	if _, err := s.Credentials(ctx, a.ID); !errors.Is(err, route.ErrUnknownUser) {
		t.Fatalf("the account: %v", err)
	}
	if again, created, err := s.Create(ctx, "alice", route.User, route.SecretHash{}); err != nil || !created || again.ID == a.ID {
		t.Fatalf("Create: %+v, %v, %v", again, created, err)
	}
}

// TestOutOfMemory: messages and accounts are refused with a reason, and everything that frees memory goes on.
func TestOutOfMemory(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	s := open(t, urlOf(server))
	ctx := t.Context()
	a, _, err := s.Create(ctx, "alice", route.User, route.SecretHash{})
	if err != nil {
		t.Fatal(err)
	}
	first := appendOne(t, s, entry(a.ID, 1))
	appendOne(t, s, entry(a.ID, 2))
	admin := server.Client(t)
	text(t, admin, "config", "set", "maxmemory", 1)

	if got := s.Append(ctx, []route.Entry{entry(a.ID, 3)})[0]; !errors.Is(got.Err, ErrOutOfMemory) || !errors.Is(got.Err, route.ErrStoreUnavailable) {
		t.Fatalf("Append: %+v", got)
	}
	if _, _, err := s.Create(ctx, "bob", route.User, route.SecretHash{}); !errors.Is(err, ErrOutOfMemory) {
		t.Fatalf("Create: %v", err)
	}
	if p := s.Problems(ctx); len(p) != 1 || p[0].Component != "store" {
		t.Fatalf("Problems: %+v", p)
	}
	claim(t, s, route.ClaimRequest{User: a.ID, Instance: "i", Cursor: route.Cursor{LogEpoch: first.LogEpoch, Seq: 1}})
	if err := s.Ack(ctx, []route.Ack{{User: a.ID, Cursor: route.Cursor{LogEpoch: first.LogEpoch, Seq: 2}}}); err != nil {
		t.Fatalf("Ack: %v", err)
	}
	if err := s.SetDisabled(ctx, a.ID, true); err != nil {
		t.Fatalf("SetDisabled: %v", err)
	}
	if p, err := s.Position(ctx, a.ID); err != nil || p.Acked != 2 {
		t.Fatalf("Position: %+v, %v", p, err)
	}
	text(t, admin, "config", "set", "maxmemory", 0)
	if got := appendOne(t, s, entry(a.ID, 3)); got.Seq != 3 || got.Duplicate {
		t.Fatalf("afterwards: %+v", got)
	}
	if p := s.Problems(ctx); len(p) != 0 {
		t.Fatalf("Problems: %+v", p)
	}
}

// TestFunctionsAreLoadedAgain: a Redis that forgot the functions in the middle costs no order.
func TestFunctionsAreLoadedAgain(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, urlOf(server))
	admin := server.Client(t)
	for round := range uint64(5) {
		if err := admin.FunctionFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		var batch []route.Entry
		for id := round*10 + 1; id <= round*10+10; id++ {
			batch = append(batch, entry(1, id), entry(2, id))
		}
		for i, got := range s.Append(t.Context(), batch) {
			if got.Err != nil || got.Seq != batch[i].ClientMsgID {
				t.Fatalf("round %d, answer %d: %+v", round, i, got)
			}
		}
	}
}

// TestFunctionsThatCannotBeLoaded: the reason is that, and not that a function is missing.
func TestFunctionsThatCannotBeLoaded(t *testing.T) {
	server := redistest.Start(t)
	s, admin := open(t, urlOf(server)), server.Client(t)
	if err := admin.FunctionFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	text(t, admin, "config", "set", "maxmemory", 1)
	if err := s.Release(t.Context(), 1, 1); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("Release: %v", err)
	}
	text(t, admin, "config", "set", "maxmemory", 0)
	text(t, admin, "acl", "setuser", "default", "-function")
	if err := s.Release(t.Context(), 1, 1); !errors.Is(err, route.ErrStoreUnavailable) || !strings.Contains(err.Error(), "no permissions") {
		t.Errorf("Release: %v", err)
	}
}

func TestNewWarnsAndRefuses(t *testing.T) {
	good := map[string]string{"redis_version": "7.0.15", "aof_enabled": "1", "maxmemory_policy": "noeviction", "connected_slaves": "1"}
	for _, tc := range []struct {
		name, key, value, says string
		err                    error
	}{
		{"nothing to say", "redis_version", "8.2.1", "", nil},
		{"too old", "redis_version", "6.2.14", "", ErrTooOld},
		{"no log", "aof_enabled", "0", "appendonly yes", nil},
		{"evicts", "maxmemory_policy", "allkeys-lru", "noeviction", nil},
		{"too few replicas", "connected_slaves", "0", "fewer replicas", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			s := &Store{cfg: Config{Logger: slog.New(slog.NewTextHandler(&out, nil)), WaitReplicas: 1}}
			var info strings.Builder
			for key, value := range good {
				if key == tc.key {
					value = tc.value
				}
				fmt.Fprintf(&info, "# Part\r\n%s:%s\r\n", key, value)
			}
			if err := s.judge("a:1", parseInfo(info.String())); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if !strings.Contains(out.String(), tc.says) || (tc.says == "") != (out.Len() == 0) {
				t.Errorf("it says %q, want %q in it", out.String(), tc.says)
			}
		})
	}
}
