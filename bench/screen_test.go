package bench

import (
	"testing"
	"time"
)

func TestGroup(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567",
		-7: "-7", -999: "-999", -1000: "-1,000", -123456: "-123,456",
	} {
		if got := group(n); got != want {
			t.Errorf("group(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestGrantedDescribes(t *testing.T) {
	for name, tc := range map[string]struct {
		g    Granted
		want string
	}{
		"nothing":      {Granted{}, "nothing, no WELCOME came"},
		"as asked for": {Granted{10_000, 10_000, 25_000, 25_000}, "heartbeat 10s, idle timeout 25s"},
		"raised":       {Granted{20_000, 20_000, 50_000, 50_000}, "heartbeat 20s, idle timeout 50s (asked for heartbeat 10s)"},
		"unequal":      {Granted{10_000, 20_000, 25_000, 50_000}, "heartbeat 10s to 20s, idle timeout 25s to 50s (asked for heartbeat 10s)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.g.describe(10 * time.Second); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
