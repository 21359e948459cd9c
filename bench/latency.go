package bench

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A histogram tells times from a microsecond to ten minutes apart to three digits, in some 200 KB.
const (
	longestLatency = 10 * time.Minute
	latencyDigits  = 3
)

// histogram counts latencies. It is not safe for concurrent use.
type histogram struct{ hdr *hdrhistogram.Histogram }

func newHistogram() *histogram {
	return &histogram{hdrhistogram.New(1, longestLatency.Microseconds(), latencyDigits)}
}

// record counts d; what is outside the range counts as its nearest end.
func (h *histogram) record(d time.Duration) {
	us := min(max(d.Microseconds(), 1), longestLatency.Microseconds())
	if err := h.hdr.RecordValue(us); err != nil {
		panic(fmt.Sprintf("bench: %d us is in the histogram's range: %v", us, err))
	}
}

// encode writes the whole histogram as text (HdrHistogram's V2, compressed, base64).
func (h *histogram) encode() (string, error) {
	b, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	return string(b), err
}

// merge adds what encode wrote.
func (h *histogram) merge(text string) error {
	other, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return fmt.Errorf("read a histogram: %w", err)
	}
	if dropped := h.hdr.Merge(other); dropped > 0 {
		return fmt.Errorf("%d values of a histogram are out of range", dropped)
	}
	return nil
}

// Latency is what a histogram comes to, in microseconds.
type Latency struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_us"`
	P90   int64 `json:"p90_us"`
	P99   int64 `json:"p99_us"`
	P999  int64 `json:"p99_9_us"`
	Max   int64 `json:"max_us"`
}

func (h *histogram) latency() Latency {
	at := h.hdr.ValueAtPercentile
	return Latency{
		Count: h.hdr.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: h.hdr.Max(),
	}
}
