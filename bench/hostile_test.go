package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestHostileVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		report HostileReport
		want   error
	}{
		"all well":           {HostileReport{Stored: 10}, nil},
		"users were cut off": {HostileReport{Stored: 10, Offline: 3}, nil},
		"lost":               {HostileReport{Stored: 10, Missing: 1}, ErrLost},
		"died":               {HostileReport{ServerDied: "its process is gone"}, ErrServerDied},
		"no attack":          {HostileReport{Failures: []string{"attacking process 5: exit status 3"}}, ErrWorker},
	} {
		if err := hostileVerdict(&tc.report); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestHostileReportText(t *testing.T) {
	r := &HostileReport{
		Scenario: "hostile", Config: HostileReportConfig{Target: "127.0.0.1:11211", TLS: true, Seed: 5, Frames: 2000},
		Attack:        hostileTally{Frames: map[string]int64{"bits": 1500, "noise": 300}, Failed: map[string]int64{reasonReset: 4}},
		Honest:        []HonestPhase{{Phase: "before", Ping: Latency{Count: 9, P99: 1500}}, {Phase: "during", Ended: map[string]int{"busy": 2}}, {Phase: "after"}},
		PingP99Ratio:  1.25,
		Stored:        77,
		Missing:       1,
		Refused:       map[string]int{"overloaded": 6},
		ServerDied:    "it was started again",
		Counters:      map[string]int64{`cim_connections_closed_total{reason="bad_utf8"}`: 8},
		Memory:        []PeakMemory{{Name: memRSS, Before: 1 << 20, Peak: 3 << 20, After: 2 << 20}},
		Failures:      []string{"attacking process 5: exit status 3"},
		AttackSeconds: 2.5,
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"seed 5", "on 127.0.0.1:11211 (TLS), 2.5 s", "frames written 1,800 of 2,000", "bits 1,500 noise 300", "reset 4",
		"before, PING to PONG 9: p50 0s p99 1.5ms", "during, cut off 2 busy", "PING 1.25", "77, of them 1 not delivered", "overloaded 6",
		"it was started again", `{reason="bad_utf8"} 8`, "1,024 -> 3,072 -> 2,048 KiB", "exit status 3",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, b.String())
		}
	}
}

func TestRatio(t *testing.T) {
	if ratio(3, 2) != 1.5 || ratio(3, 0) != 0 {
		t.Error("a ratio is wrong")
	}
}

func TestWorkHostileByHand(t *testing.T) {
	for name, in := range map[string]string{"nothing": "", "not JSON": "hello", "no job": "{}"} {
		if err := WorkHostile(t.Context(), strings.NewReader(in), &bytes.Buffer{}); !errors.Is(err, ErrWorker) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What keeps an attack from beginning reaches the report of the process that asked for it.
func TestWorkHostileTellsWhatIsWrong(t *testing.T) {
	var out bytes.Buffer
	err := WorkHostile(t.Context(), strings.NewReader(`{"target":"nowhere"}`), &out)
	var told hostileTally
	if decodeErr := json.Unmarshal(out.Bytes(), &told); decodeErr != nil {
		t.Fatal(decodeErr)
	}
	if err == nil || !strings.Contains(told.Error, "--target") {
		t.Errorf("%v, told %q", err, told.Error)
	}
}

func TestNewHostileChecks(t *testing.T) {
	if _, err := NewHostile(HostileConfig{}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	c := DefaultHostile()
	c.Route, c.TLSCA = "https://127.0.0.1:1", "/nowhere/ca.pem"
	if _, err := NewHostile(c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "--tls-ca") {
		t.Error(err)
	}
}
