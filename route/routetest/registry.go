package routetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"cim/route"
)

// TestRegistry checks the promises of route.Registry. Registries may learn of a change a moment later.
func TestRegistry(t *testing.T, open func(testing.TB) route.Registry) {
	runAll(t, open, []subtest[route.Registry]{
		{"empty", registryEmpty},
		{"join and leave", joinLeave},
		{"order", registryOrder},
		{"leave is of its own join only", leaveTwice},
		{"join while others read", joinConcurrently},
		{"context ended", registryContextEnded},
	})
}

func server(instance, host string, port int) route.Server {
	return route.Server{Instance: instance, Host: host, Port: port, HTTPPort: port + 1, Version: "v1", Zone: "z", Capacity: 10, TLS: true}
}

func join(t testing.TB, r route.Registry, s route.Server) (leave func()) {
	t.Helper()
	leave, err := r.Join(t.Context(), s)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	t.Cleanup(leave)
	return leave
}

func registryEmpty(t *testing.T, r route.Registry) {
	if got := r.Servers(); len(got) != 0 {
		t.Fatalf("Servers = %+v", got)
	}
	if got, ok := r.Server("i1"); ok {
		t.Fatalf("Server = %+v", got)
	}
}

func joinLeave(t *testing.T, r route.Registry) {
	a, b := server("i1", "10.0.0.1", 11211), server("i2", "10.0.0.2", 11211)
	leave := join(t, r, a)
	join(t, r, b)
	eventually(t, "both are listed", func() bool { return slices.Equal(r.Servers(), []route.Server{a, b}) })
	if got, ok := r.Server("i2"); !ok || got != b {
		t.Fatalf("Server = %+v, %v", got, ok)
	}
	leave()
	eventually(t, "one is listed", func() bool { return slices.Equal(r.Servers(), []route.Server{b}) })
	if got, ok := r.Server("i1"); ok {
		t.Fatalf("after it left: %+v", got)
	}
}

func registryOrder(t *testing.T, r route.Registry) {
	want := []route.Server{server("z", "10.0.0.1", 1), server("y", "10.0.0.1", 2), server("w", "10.0.0.2", 1)}
	for _, i := range []int{2, 0, 1} {
		join(t, r, want[i])
	}
	eventually(t, "ordered by host, port", func() bool { return slices.Equal(r.Servers(), want) })
}

func leaveTwice(t *testing.T, r route.Registry) {
	a := server("i1", "10.0.0.1", 11211)
	leave := join(t, r, a)
	leave()
	eventually(t, "it left", func() bool { return len(r.Servers()) == 0 })
	join(t, r, a)
	leave()
	b := server("i2", "10.0.0.2", 11211)
	join(t, r, b)
	eventually(t, "the second join stays", func() bool { return slices.Equal(r.Servers(), []route.Server{a, b}) })
}

func joinConcurrently(t *testing.T, r route.Registry) {
	const servers = 8
	inParallel(servers, func(i int) {
		s := server(fmt.Sprintf("i%d", i), "10.0.0.1", 11211+2*i)
		leave, err := r.Join(t.Context(), s)
		if err != nil {
			t.Errorf("Join: %v", err)
			return
		}
		t.Cleanup(leave)
		for _, got := range r.Servers() {
			if got.Host != s.Host {
				t.Errorf("listed %+v", got)
			}
		}
	})
	eventually(t, "all are listed", func() bool { return len(r.Servers()) == servers })
}

func registryContextEnded(t *testing.T, r route.Registry) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Join(ctx, server("i1", "10.0.0.1", 11211))
	wantErr(t, "Join", err, context.Canceled)
	if got := r.Servers(); len(got) != 0 {
		t.Fatalf("Servers = %+v", got)
	}
}
