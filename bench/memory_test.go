package bench

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"testing"
	"testing/fstest"
)

const metricsText = `# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 3.4816e+07
go_memstats_heap_inuse_bytes 1.048576e+06
go_memstats_stack_inuse_bytes 65536 1700000000000
cim_connections 12
cim_loop_connections{loop="0"} 7
nonsense
broken x
`

func TestParseMetrics(t *testing.T) {
	want := map[string]float64{
		"process_resident_memory_bytes": 34816000, "go_memstats_heap_inuse_bytes": 1048576,
		"go_memstats_stack_inuse_bytes": 65536, "cim_connections": 12,
	}
	if got := parseMetrics([]byte(metricsText)); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTCPPages(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		pages int64
		ok    bool
	}{
		"usual":      {"sockets: used 15\nTCP: inuse 1 orphan 0 tw 6 alloc 1 mem 187\nUDP: inuse 0 mem 5\n", 187, true},
		"no TCP":     {"UDP: inuse 0 mem 5\n", 0, false},
		"no mem":     {"TCP: inuse 1\n", 0, false},
		"not number": {"TCP: mem x\n", 0, false},
		"empty":      {"", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if pages, ok := tcpPages([]byte(tc.text)); pages != tc.pages || ok != tc.ok {
				t.Errorf("%d, %t; want %d, %t", pages, ok, tc.pages, tc.ok)
			}
		})
	}
}

func procFiles() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"net/sockstat":    file("TCP: inuse 1 orphan 0 tw 6 alloc 1 mem 2\n"),
		"meminfo":         file("MemTotal:  24105 kB\nSlab:  900 kB\nSUnreclaim:  700 kB\n"),
		"42/status":       file("Name:\tcim\nVmRSS:\t   1000 kB\nThreads:\t9\n"),
		"42/smaps_rollup": file("00400000-7fff r-xp 00000000 00:00 0 [rollup]\nRss: 1000 kB\nPrivate_Dirty: 600 kB\nAnonymous: 500 kB\n"),
		"43/status":       file("VmRSS:\t 2000 kB\n"),
	}
}

func TestProbe(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, metricsText) })
	fromMetrics := sample{memRSS: 34816000, memHeap: 1048576, memStacks: 65536, memConnections: 12}
	for name, tc := range map[string]struct {
		handler http.Handler
		pid     int
		local   bool
		want    sample
	}{
		"metrics alone": {metrics, 0, false, fromMetrics},
		"and the kernel, when the server is here": {metrics, 0, true, with(fromMetrics, sample{
			memTCP: 2 * int64(os.Getpagesize()), memSlab: 700 << 10,
		})},
		"process id goes before metrics": {metrics, 42, false, with(fromMetrics, sample{
			memRSS: 1000 << 10, memAnonymous: 500 << 10, memDirty: 600 << 10,
		})},
		"another user's process": {http.NotFoundHandler(), 43, false, sample{memRSS: 2000 << 10}},
		"nothing is known":       {http.NotFoundHandler(), 0, false, sample{}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tc.handler)
			defer srv.Close()
			p := probe{route: newRouteClient(srv.URL, "", 1), proc: procFiles(), pid: tc.pid, local: tc.local}
			defer p.route.close()
			got, err := p.sample(t.Context())
			if err != nil || !maps.Equal(got, tc.want) {
				t.Errorf("got %v (%v), want %v", got, err, tc.want)
			}
		})
	}
}

func with(base, more sample) sample {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

func TestProbeOfAProcessThatIsNotThere(t *testing.T) {
	p := probe{route: newRouteClient("http://127.0.0.1:1", "", 1), proc: procFiles(), pid: 44}
	if _, err := p.sample(context.Background()); err == nil {
		t.Error("no error, want one that names --server-pid")
	}
}

func TestCompare(t *testing.T) {
	before := sample{memRSS: 1000, memHeap: 500, memConnections: 0, memStacks: 7}
	after := sample{memRSS: 21_000, memHeap: 400, memConnections: 10, memSlab: 1}
	want := []Memory{
		{memRSS, 1000, 21_000, 2000}, {memHeap, 500, 400, -10}, {memConnections, 0, 10, 0},
	}
	if got := compare(before, after, 10); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, m := range compare(before, after, 0) {
		if m.PerConnection != 0 {
			t.Errorf("%+v without connections", m)
		}
	}
}
