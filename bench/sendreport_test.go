package bench

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testSendReport() *SendReport {
	return &SendReport{
		Scenario: "send", Version: "v1", Config: SendReportConfig{Pairs: 50, Size: 64, QoS: 1, Rate: 2000, Processes: 1, Seed: 9},
		Connected: 99, Dropped: 1, Drops: map[string]int{"eof": 1}, Servers: map[string]int{"aa": 40, "bb": 59}, Across: 33,
		Seconds: 10, AcknowledgedSec: 2000, DeliveredSec: 1999, Lost: 4, Unanswered: 3,
		Counts: SendCounts{
			Sent: 20_008, Acknowledged: 20_000, Refused: map[string]int64{"rate_limited": 4, "overloaded": 1}, Delivered: 19_990,
			Missing: 10, Stranded: 6, Doubled: 2, Disordered: 1, BytesOut: 2_000_000, BytesIn: 3_000_000,
		},
		SentLatency: Latency{Count: 20_000, P50: 119, P99: 3243, Max: 71_487}, ArrivalLatency: Latency{P50: 150},
		LoadCPUSeconds: 0.5,
		Processes: []ProcessUse{
			{PID: 11, Command: "redis-server", CPUSeconds: 0.2, RSSBefore: 1 << 20, RSSAfter: 2 << 20},
			{PID: 12, Command: "cim", CPUSeconds: 0.6, FilesBefore: 10, FilesAfter: 14},
		},
		WorkerFailures: []string{"worker 1234: signal: killed"},
	}
}

func TestSendReportForAPerson(t *testing.T) {
	var b strings.Builder
	if err := testSendReport().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"send, version v1, seed 9", "50 pairs, 99 connected, 1 dropped, 33 pairs across servers", "2: 59 bb, 40 aa",
		"20,000, 2000 a second for 10.0 s (QoS 1, 64 bytes)", "19,990, 1999 a second", "4 lost, 2 doubled, 1 out of order",
		"6 stranded", "3 unanswered", "5 of 20,008 sends", "rate_limited", "p50 119µs", "p99 3.243ms", "max 71.487ms",
		"from when each message was due", "100.0 out, 150.0 in", "25.0 us per acknowledged message, 1 worker",
		"redis-server 11: 10.0 us of CPU", "1,024 -> 2,048 KiB", "; 4 files opened", "together: 0.80 s of CPU, 40.0 us", "worker 1234: signal: killed",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, b.String())
		}
	}
}

func TestSendReportOnCoordinatedOmission(t *testing.T) {
	r := testSendReport()
	r.Config.Rate = 0
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "coordinated omission") {
		t.Errorf("the report does not say what its latencies leave out:\n%s", b.String())
	}
}

func TestSendReportAsJSON(t *testing.T) {
	text, err := json.Marshal(testSendReport())
	if err != nil {
		t.Fatal(err)
	}
	var back SendReport
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, testSendReport()) {
		t.Errorf("read back: %+v (%v)", back, err)
	}
}

func TestSendVerdict(t *testing.T) {
	well := SendCounts{Sent: 1, Acknowledged: 1, Delivered: 1}
	for name, tc := range map[string]struct {
		r    SendReport
		want []error
	}{
		"all well":              {SendReport{Counts: well}, nil},
		"lost":                  {SendReport{Counts: well, Lost: 1, Config: SendReportConfig{QoS: 1}}, []error{ErrLost}},
		"lost, without a store": {SendReport{Counts: well, Lost: 1}, nil},
		"doubled":               {SendReport{Counts: SendCounts{Acknowledged: 1, Doubled: 1}}, []error{ErrDoubled}},
		"everything":            {*testSendReport(), []error{ErrLost, ErrDoubled, ErrDropped, ErrWorker}},
		"nothing":               {SendReport{}, []error{ErrNothingSent}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.r.verdict()
			if (err == nil) != (len(tc.want) == 0) {
				t.Errorf("verdict is %v, want %v", err, tc.want)
			}
			for _, want := range tc.want {
				if !errors.Is(err, want) {
					t.Errorf("verdict is %v, want %v", err, want)
				}
			}
		})
	}
}

func TestSendConfig(t *testing.T) {
	good := SendConfig{Route: "http://127.0.0.1:8083", Pairs: 10, Size: 64, QoS: 1, For: time.Second, Log: io.Discard}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*SendConfig){
		"--pairs": func(c *SendConfig) { c.Pairs = 0 },
		"--size":  func(c *SendConfig) { c.Size = payloadHead - 1 },
		"--qos":   func(c *SendConfig) { c.QoS = 2 },
		"--rate":  func(c *SendConfig) { c.Rate = -1 },
		"--for":   func(c *SendConfig) { c.For = 2 * time.Hour },
		"--procs": func(c *SendConfig) { c.Processes = -1 },
		"--route": func(c *SendConfig) { c.Route = "localhost" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), flag) {
			t.Errorf("error is %v, want one that names %s", err, flag)
		}
	}
}
