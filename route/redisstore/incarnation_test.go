package redisstore

import (
	"context"
	"errors"
	"testing"

	"cim/internal/redistest"
	"cim/route"
)

func TestIncarnationChangesWithTheProcess(t *testing.T) {
	server := redistest.Start(t)
	s, err := New(t.Context(), Config{URL: "redis://" + server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	first, err := s.Incarnation(t.Context())
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := s.Incarnation(t.Context()); err != nil || again != first {
		t.Errorf("asked again: %q, %v; want %q", again, err, first)
	}
	server.Kill(t)
	if id, err := s.Incarnation(t.Context()); !errors.Is(err, route.ErrStoreUnavailable) {
		t.Errorf("while it is away: %q, %v", id, err)
	}
	server.Restart(t)
	redistest.Until(t, "the store has it again", func(ctx context.Context) error {
		second, err := s.Incarnation(ctx)
		if err == nil && second == first {
			t.Errorf("another process has the same name")
		}
		return err
	})
}
