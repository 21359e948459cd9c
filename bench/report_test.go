package bench

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testReport() *Report {
	return &Report{
		Scenario: "idle", Version: "v1", Config: ReportConfig{Connections: 15_000, HeartbeatMs: 5000, Workers: 2, Seed: 9},
		RampSeconds: 7.5, HeldSeconds: 60, Connected: 14_999, Open: 14_890, Dropped: 10, Drops: map[string]int{"eof": 3, "reset": 7},
		Granted: Granted{10_000, 10_000, 25_000, 25_000}, Pings: 100_591, Pongs: 100_590, Late: 2, Unanswered: 1,
		RTT:    Latency{Count: 100_590, P50: 119, P90: 195, P99: 3243, P999: 29_087, Max: 71_487},
		Silent: newSilentReport(100, map[string]int{"idle_timeout": 3}, []time.Duration{26e9, 25e9, 25.5e9}),
		Memory: []Memory{{memRSS, 1 << 20, 3 << 20, 1772}, {memConnections, 0, 14_900, 0}}, MemoryConnections: 14_900,
		WorkerFailures: []string{"worker 1234: signal: killed"},
	}
}

func TestReportForAPerson(t *testing.T) {
	var b strings.Builder
	if err := testReport().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"idle, version v1, seed 9", "14,890 open of 15,000", "10 dropped", "7.5 s to connect, 60.0 s held",
		"heartbeat 10s, idle timeout 25s (asked for heartbeat 5s)", "100,591 sent", "1 unanswered",
		"p50 119µs", "p99 3.243ms", "max 71.487ms", "3 of 100 closed", "min 25.000 s  median 25.500 s  max 26.000 s",
		"1,024 -> 3,072 KiB, 1,772 B", "0 -> 14,900\n", "worker 1234: signal: killed",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, b.String())
		}
	}
	if reset, eof := strings.Index(b.String(), "  reset"), strings.Index(b.String(), "  eof"); reset < 0 || eof < reset {
		t.Errorf("the most frequent reason is not the first:\n%s", b.String())
	}
}

func TestReportWithoutMuch(t *testing.T) {
	var b strings.Builder
	if err := (&Report{Scenario: "idle", Silent: newSilentReport(5, nil, nil)}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"nothing, no WELCOME came", "0 of 5 closed", "not known"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, b.String())
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	text, err := json.Marshal(testReport())
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, testReport()) {
		t.Errorf("read back: %+v (%v)", back, err)
	}
	for _, key := range []string{`"p99_9_us":29087`, `"drops":{"eof":3,"reset":7}`, `"median_ms":25500`, `"seed":9`, `"per_connection":1772`} {
		if !strings.Contains(string(text), key) {
			t.Errorf("no %s in %s", key, text)
		}
	}
}

func TestVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		r            Report
		drop, worker bool
	}{
		"all well":            {Report{Silent: &SilentReport{Closed: 5}}, false, false},
		"one lost":            {Report{Dropped: 1}, true, false},
		"a worker lost, too":  {Report{Dropped: 1, WorkerFailures: []string{"x"}}, true, true},
		"an unread histogram": {Report{WorkerFailures: []string{"x"}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := verdict(&tc.r)
			if errors.Is(err, ErrDropped) != tc.drop || errors.Is(err, ErrWorker) != tc.worker {
				t.Errorf("error is %v", err)
			}
		})
	}
}
