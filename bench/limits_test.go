package bench

import (
	"errors"
	"strings"
	"testing"
)

func TestPlanWorkers(t *testing.T) {
	for name, tc := range map[string]struct {
		connections, wanted int
		limit               uint64
		want                int
		says                []string
	}{
		"one is enough":           {1000, 0, 20_000, 1, nil},
		"exactly full":            {19_744, 0, 20_000, 1, nil},
		"one more":                {19_745, 0, 20_000, 2, nil},
		"as many as wanted":       {1000, 4, 20_000, 4, nil},
		"no more than there are":  {2, 4, 20_000, 2, nil},
		"wanted are too few":      {40_000, 2, 20_000, 0, []string{"20256", "20000", "ulimit -n", "--workers 3"}},
		"limit is nothing":        {1, 0, 256, 0, []string{"256", "ulimit -n"}},
		"limit beyond all reason": {1_000_000, 0, 1 << 63, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := planWorkers(tc.connections, tc.wanted, tc.limit)
			wantLimitError(t, err, tc.says)
			if got != tc.want {
				t.Errorf("%d workers, want %d", got, tc.want)
			}
		})
	}
}

func TestCheckPorts(t *testing.T) {
	usual := portRange{32768, 60999}
	for name, tc := range map[string]struct {
		ports       portRange
		manySources bool
		connections int
		says        []string
	}{
		"loopback takes any number":   {usual, true, 10_000_000, nil},
		"loopback with a tiny range":  {portRange{40000, 41998}, true, 5000, []string{"1999", "2000", "ip_local_port_range"}},
		"loopback, few of them":       {portRange{40000, 40009}, true, 5, nil},
		"far server, within range":    {usual, false, 28_232, nil},
		"far server, one over range":  {usual, false, 28_233, []string{"28232", "28233", "ip_local_port_range", "--connections"}},
		"far server, range of nobody": {portRange{1, 0}, false, 1, []string{"ip_local_port_range"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantLimitError(t, checkPorts(tc.ports, tc.manySources, tc.connections), tc.says)
		})
	}
}

// wantLimitError wants no error when it is to say nothing.
func wantLimitError(t *testing.T, err error, says []string) {
	t.Helper()
	if (err != nil) != (says != nil) || err != nil && !errors.Is(err, ErrLimits) {
		t.Fatalf("error is %v, want ErrLimits saying %q", err, says)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}
