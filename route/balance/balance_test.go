package balance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"cim/route"
)

// servers makes n of them.
func servers(n int) []route.Server {
	list := make([]route.Server, n)
	for i := range list {
		list[i] = route.Server{
			Instance: fmt.Sprintf("i%03d", i), Host: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 11211, HTTPPort: 8081,
		}
	}
	return list
}

func mustNew(t testing.TB, name string, loads Loads) Balancer {
	t.Helper()
	b, err := New(name, loads)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// count picks for users 1 to n and counts by instance.
func count(b Balancer, list []route.Server, n int) map[string]int {
	got := map[string]int{}
	for user := range n {
		got[b.Pick(int64(user+1), list).Instance]++
	}
	return got
}

func TestUnknownNameListsThoseThereAre(t *testing.T) {
	_, err := New("best", nil)
	if !errors.Is(err, ErrUnknownName) {
		t.Fatalf("err = %v", err)
	}
	for _, name := range Names() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

func TestEveryStrategyTakesWhatThereIs(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, name, fixedLoads{})
			for _, n := range []int{1, 2, 3, 500, 1} {
				list := servers(n)
				for user := range int64(20) {
					if got := b.Pick(user+1, list); !slices.Contains(list, got) {
						t.Fatalf("of %d servers it picked %+v", n, got)
					}
				}
			}
		})
	}
}

// TestRoundRobinIsCIMs: incrementAndGet() % n.
func TestRoundRobinIsCIMs(t *testing.T) {
	b, list := mustNew(t, RoundRobin, nil), servers(3)
	var got []string
	for range 7 {
		got = append(got, b.Pick(1, list).Instance)
	}
	want := []string{"i001", "i002", "i000", "i001", "i002", "i000", "i001"}
	if !slices.Equal(got, want) {
		t.Fatalf("picked %v, want %v", got, want)
	}
}

func TestRoundRobinIsEvenFromManyGoroutines(t *testing.T) {
	b, list := mustNew(t, RoundRobin, nil), servers(4)
	var mu sync.Mutex
	total := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			part := count(b, list, 100)
			mu.Lock()
			defer mu.Unlock()
			for instance, n := range part {
				total[instance] += n
			}
		})
	}
	wg.Wait()
	for _, s := range list {
		if total[s.Instance] != 200 {
			t.Errorf("%s was picked %d times of 800, want 200", s.Instance, total[s.Instance])
		}
	}
}

func TestRandomReachesAllAlike(t *testing.T) {
	list := servers(10)
	got := count(mustNew(t, Random, nil), list, 20000)
	for _, s := range list {
		// 2,000 expected; twelve standard deviations (42) off is no chance.
		if n := got[s.Instance]; n < 1500 || n > 2500 {
			t.Errorf("%s was picked %d times of 20,000", s.Instance, n)
		}
	}
}

// fixedLoads is what servers last said, by instance.
type fixedLoads map[string]route.Load

func (l fixedLoads) Load(instance string) (route.Load, bool) {
	load, ok := l[instance]
	return load, ok
}

func TestLeastConnections(t *testing.T) {
	full := route.Load{Conns: 100, Sessions: 1}
	for name, c := range map[string]struct {
		loads Loads
		want  []string
	}{
		"the emptiest":               {fixedLoads{"i000": full, "i001": {Conns: 7}, "i002": {Conns: 8}}, []string{"i001"}},
		"equals take turns":          {fixedLoads{"i000": full, "i001": {Conns: 7}, "i002": {Conns: 7}}, []string{"i001", "i002"}},
		"an unknown one is empty":    {fixedLoads{"i000": full, "i001": {Conns: 1}}, []string{"i002"}},
		"connections, not sessions":  {fixedLoads{"i000": full, "i001": {Sessions: 9, Conns: 9}, "i002": {Conns: 100, Sessions: 0}}, []string{"i001"}},
		"nobody has said anything":   {fixedLoads{}, []string{"i000", "i001", "i002"}},
		"nobody to ask":              {nil, []string{"i000", "i001", "i002"}},
		"not one that drains":        {fixedLoads{"i000": full, "i001": {Conns: 1, Draining: true}, "i002": full}, []string{"i000", "i002"}},
		"all drain":                  {fixedLoads{"i000": {Draining: true}, "i001": {Draining: true}, "i002": {Draining: true}}, []string{"i000", "i001", "i002"}},
		"the last one":               {fixedLoads{"i000": full, "i001": full, "i002": {Conns: 99}}, []string{"i002"}},
		"all the same, and not none": {fixedLoads{"i000": full, "i001": full, "i002": full}, []string{"i000", "i001", "i002"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := count(mustNew(t, LeastConnections, c.loads), servers(3), 600)
			if len(got) != len(c.want) {
				t.Fatalf("picked %v, want %v", got, c.want)
			}
			for _, instance := range c.want {
				if n := got[instance]; n < 600/len(c.want)/2 {
					t.Errorf("%s was picked %d times of 600: %v", instance, n, got)
				}
			}
		})
	}
}
