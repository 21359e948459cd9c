package balance

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"cim/route"
)

// TestRingPlacesAsCIMDoes: values worked out with a second implementation.
func TestRingPlacesAsCIMDoes(t *testing.T) {
	var values []string
	for i := range 10 {
		values = append(values, "127.0.0."+strconv.Itoa(i))
	}
	r := newRing(values)
	for key, want := range map[string]string{
		"zhangsan": "127.0.0.2", "zhangsan2": "127.0.0.3", "1551253899106": "127.0.0.6",
	} {
		if got := values[r.at(key)]; got != want {
			t.Errorf("%s is at %s, want %s", key, got, want)
		}
	}
}

// TestHashIsLittleEndianMD5: MD5("a") begins 0c c1 75 b9 (RFC 1321, A.5).
func TestHashIsLittleEndianMD5(t *testing.T) {
	if got := hash("a"); got != 0xb975c10c {
		t.Fatalf("hash = %08x", got)
	}
}

func TestRingWrapsAround(t *testing.T) {
	r := &ring{points: []point{{10, 0}, {20, 1}}}
	// The key of any string is almost surely above 20, so it belongs to the first point again.
	if h := hash("x"); h <= 20 {
		t.Fatalf("hash of x is %d", h)
	}
	if got := r.at("x"); got != 0 {
		t.Fatalf("index %d", got)
	}
}

func TestRingTakesAKeyThatIsEqual(t *testing.T) {
	h := hash("x")
	r := &ring{points: []point{{h - 1, 0}, {h, 1}, {h + 1, 2}}}
	if got := r.at("x"); got != 1 {
		t.Fatalf("index %d, want that of the equal key", got)
	}
}

// TestConsistentHashUsesCIMsNodeName: a user's server follows from the name of its node, ip:port:httpPort.
func TestConsistentHashUsesCIMsNodeName(t *testing.T) {
	list := servers(5)
	var values []string
	for _, s := range list {
		values = append(values, fmt.Sprintf("%s:%d:%d", s.Host, s.Port, s.HTTPPort))
	}
	r, b := newRing(values), mustNew(t, ConsistentHash, nil)
	for user := int64(1547028929407); user < 1547028929407+1000; user++ {
		if got, want := b.Pick(user, list), list[r.at(strconv.FormatInt(user, 10))]; got != want {
			t.Fatalf("user %d is at %s, want %s", user, got.Host, want.Host)
		}
	}
}

// TestOnlyUsersOfAServerThatLeftMove, and none of the others; when it comes back, all are where they were.
func TestOnlyUsersOfAServerThatLeftMove(t *testing.T) {
	const users = 20000
	b, list := mustNew(t, ConsistentHash, nil), servers(10)
	before := make([]string, users)
	for user := range before {
		before[user] = b.Pick(int64(user+1), list).Instance
	}
	const gone = "i004"
	left := slices.DeleteFunc(slices.Clone(list), func(s route.Server) bool { return s.Instance == gone })
	moved := 0
	for user, was := range before {
		switch now := b.Pick(int64(user+1), left).Instance; {
		case was == gone && now == gone:
			t.Fatalf("user %d was sent to the server that left", user+1)
		case was == gone:
			moved++
		case now != was:
			t.Fatalf("user %d moved from %s to %s though both stayed", user+1, was, now)
		}
		if got := b.Pick(int64(user+1), list).Instance; got != was {
			t.Fatalf("user %d was at %s and is at %s when the server is back", user+1, was, got)
		}
	}
	if moved == 0 || moved > users/2 {
		t.Fatalf("%d of %d users moved when one of 10 servers left", moved, users)
	}
}

// TestConsistentHashSpread holds what CIM's three keys a server give: every server has users, and none has
// most of them.
func TestConsistentHashSpread(t *testing.T) {
	const users, n = 50000, 20
	got := count(mustNew(t, ConsistentHash, nil), servers(n), users)
	if len(got) != n {
		t.Fatalf("%d of %d servers have users", len(got), n)
	}
	for instance, c := range got {
		if c > users/4 {
			t.Errorf("%s has %d of %d users", instance, c, users)
		}
	}
}

// TestRingIsBuiltOncePerList, also while one list and the same without a dead server alternate.
func TestRingIsBuiltOncePerList(t *testing.T) {
	b, list := &consistentHash{}, servers(50)
	whole, part := b.of(list), b.of(list[1:])
	for range 10 {
		if b.of(slices.Clone(list)) != whole || b.of(slices.Clone(list[1:])) != part {
			t.Fatal("a ring was built again for the same list")
		}
	}
	for n := range 49 {
		b.of(list[:n+1])
	}
	if kept := len(*b.rings.Load()); kept != ringsKept {
		t.Fatalf("%d rings are kept, want %d", kept, ringsKept)
	}
	if b.of(list) == whole {
		t.Fatal("the ring of a list of long ago is still kept")
	}
}

func TestConsistentHashFromManyGoroutines(t *testing.T) {
	b, list := mustNew(t, ConsistentHash, nil), servers(30)
	want := count(b, list, 300)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 20 {
				b.Pick(1, list[:1+(i*7+n)%30])
			}
			if got := count(b, list, 300); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("picked %v, want %v", got, want)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPick(b *testing.B) {
	list := servers(500)
	loads := fixedLoads{}
	for i, s := range list {
		loads[s.Instance] = route.Load{Conns: i * 7919 % 500}
	}
	for _, name := range Names() {
		b.Run(name+"/500", func(b *testing.B) {
			p := mustNew(b, name, loads)
			b.ReportAllocs()
			user := int64(0)
			for b.Loop() {
				user++
				p.Pick(user, list)
			}
		})
	}
}

func BenchmarkRing(b *testing.B) {
	list := servers(500)
	b.ReportAllocs()
	for b.Loop() {
		makeListRing(list)
	}
}
