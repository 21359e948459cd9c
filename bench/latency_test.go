package bench

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	h := newHistogram()
	for i := 1; i <= 1000; i++ {
		h.record(time.Duration(i) * time.Millisecond)
	}
	got := h.latency()
	for name, v := range map[string]struct{ got, want int64 }{
		"p50": {got.P50, 500_000}, "p90": {got.P90, 900_000}, "p99": {got.P99, 990_000},
		"p99.9": {got.P999, 999_000}, "max": {got.Max, 1_000_000},
	} {
		if diff := v.got - v.want; diff < 0 || diff > v.want/1000 {
			t.Errorf("%s is %d us, want %d to three digits", name, v.got, v.want)
		}
	}
	if got.Count != 1000 {
		t.Errorf("count is %d, want 1000", got.Count)
	}
}

func TestLatencyKeepsWhatIsOutOfRange(t *testing.T) {
	h := newHistogram()
	for _, d := range []time.Duration{-time.Second, 0, time.Hour} {
		h.record(d)
	}
	got := h.latency()
	if got.Count != 3 || got.P50 != 1 || got.Max < longestLatency.Microseconds() {
		t.Errorf("got %+v, want three values from 1 us to %s", got, longestLatency)
	}
}

func TestHistogramsMerge(t *testing.T) {
	total := newHistogram()
	for _, d := range []time.Duration{time.Millisecond, time.Second} {
		h := newHistogram()
		h.record(d)
		text, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := total.merge(text); err != nil {
			t.Fatal(err)
		}
	}
	if got := total.latency(); got.Count != 2 || got.P50 > 1001 || got.Max < 1_000_000 {
		t.Errorf("merged: %+v, want 1 ms and 1 s", got)
	}
	for _, text := range []string{"", "not base64!", "aGVsbG8="} {
		if err := total.merge(text); err == nil {
			t.Errorf("merged %q without an error", text)
		}
	}
}
