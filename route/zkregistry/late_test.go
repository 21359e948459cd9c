package zkregistry

import (
	"context"
	"errors"
	"testing"
	"time"

	"cim/internal/zktest"
)

// TestZooKeeperComesLate: who started first waits, and is listed when it comes.
func TestZooKeeperComesLate(t *testing.T) {
	zoo := zktest.Start(t)
	zoo.Kill(t)
	cfg := config(t, zoo.Addr())
	cfg.SessionTimeout = time.Second // it gives up its first connection meanwhile
	r, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := r.Await(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Await: %v", err)
	}
	if problems := r.Problems(t.Context()); len(problems) != 1 || problems[0].Component != "registry" {
		t.Errorf("problems %v", problems)
	}
	if got := instances(r); got != "" {
		t.Errorf("the list has %q", got)
	}
	zoo.Start(t)
	if err := r.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	join(t, r, server("i", 1))
	wantInstances(t, r, "i")
}

func TestAwaitEndsWithTheRegistry(t *testing.T) {
	cfg := config(t, "127.0.0.1:1")
	r, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	errCh := make(chan error, 1)
	go func() { errCh <- r.Await(t.Context()) }()
	r.Close()
	if err := <-errCh; !errors.Is(err, ErrClosed) {
		t.Errorf("Await: %v", err)
	}
}
