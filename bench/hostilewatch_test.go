package bench

import (
	"maps"
	"testing"
	"testing/fstest"
)

func TestParseCounts(t *testing.T) {
	got := parseCounts([]byte(`# HELP cim_connections_closed_total Closed client connections.
cim_connections_closed_total{reason="bad_utf8"} 12
cim_connections_closed_total{reason="odd name"} 1
cim_connections_closed_total_else 4
cim_frames_received_total 3.5e+06
cim_loop_connections{loop="0"} 7
cim_dropped_total{
cim_dropped_total{reason="slow"} x
`))
	want := counts{
		`cim_connections_closed_total{reason="bad_utf8"}`: 12, `cim_connections_closed_total{reason="odd name"}`: 1, "cim_frames_received_total": 3.5e6,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCountsSince(t *testing.T) {
	risen := counts{"a": 5, "b": 2, "new": 1}.since(counts{"a": 3, "b": 2, "gone": 9})
	if !maps.Equal(risen, map[string]int64{"a": 2, "new": 1}) {
		t.Errorf("%v", risen)
	}
	if n := len(counts(nil).since(nil)); n != 0 {
		t.Errorf("%d of nothing", n)
	}
}

func TestMemoryPeak(t *testing.T) {
	status := func(kb string) fstest.MapFS {
		return fstest.MapFS{"5/status": {Data: []byte("VmRSS:\t" + kb + " kB\n")}}
	}
	p := &probe{route: newRouteClient("http://127.0.0.1:1", "", 1), pid: 5}
	m := &memoryPeak{peak: sample{}}
	for _, kb := range []string{"10", "30", "20"} {
		p.proc = status(kb)
		m.look(t.Context(), p)
	}
	p.proc = fstest.MapFS{} // the process is gone
	m.look(t.Context(), p)
	got := peaks(sample{memRSS: 5 << 10, memHeap: 1}, m.read(), sample{memRSS: 6 << 10})
	if len(got) != 1 || got[0] != (PeakMemory{Name: memRSS, Before: 5 << 10, Peak: 30 << 10, After: 6 << 10}) {
		t.Errorf("%+v", got)
	}
	if text := got[0].String(); text != "5 -> 30 -> 6 KiB" {
		t.Error(text)
	}
	if text := (PeakMemory{Name: memConnections, Before: 1, Peak: 3000, After: 2}).String(); text != "1 -> 3,000 -> 2" {
		t.Error(text)
	}
}
