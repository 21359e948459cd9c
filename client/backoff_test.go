package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	cimpb "cim/proto"
)

func TestBackoffCeiling(t *testing.T) {
	b := Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second}
	for n, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		if got := b.ceiling(n); got != want*time.Millisecond {
			t.Errorf("ceiling(%d) = %v, want %v", n, got, want*time.Millisecond)
		}
	}
	if got := b.ceiling(1 << 40); got != b.Max {
		t.Errorf("after very many attempts: %v", got)
	}
	if got := (Backoff{Min: time.Second, Max: time.Second}).ceiling(9); got != time.Second {
		t.Errorf("without growth: %v", got)
	}
}

func TestBackoffReconnect(t *testing.T) {
	b := Backoff{}.withDefaults()
	status := func(code cimpb.Code, after time.Duration) error {
		return &StatusError{Code: code, Comeback: code.Comeback(), RetryAfter: after}
	}
	for _, tt := range []struct {
		name     string
		n        int
		err      error
		min, max time.Duration
	}{
		{"cut", 0, errors.New("cut"), 0, 500 * time.Millisecond},
		{"cut for the fourth time", 3, errors.New("cut"), 0, 4 * time.Second},
		{"later", 0, status(cimpb.CodeBusy, 10*time.Second), 10 * time.Second, 15 * time.Second},
		{"later, soon, for the fourth time", 3, status(cimpb.CodeBusy, time.Second), time.Second, 5 * time.Second},
		{"elsewhere", 2, status(cimpb.CodeMoved, 0), 0, 250 * time.Millisecond},
		{"elsewhere in a circle", 3, status(cimpb.CodeMoved, 0), 0, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lowest, highest := time.Duration(1<<62), time.Duration(0)
			for range 2000 {
				d := b.reconnect(tt.n, tt.err)
				lowest, highest = min(lowest, d), max(highest, d)
			}
			spread := (tt.max - tt.min) / 5
			if lowest < tt.min || highest > tt.max || lowest > tt.min+spread || highest < tt.max-spread {
				t.Errorf("waits of %v to %v, want them spread over %v to %v", lowest, highest, tt.min, tt.max)
			}
		})
	}
}

func TestSleep(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan struct{})
	close(stopped)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if !sleep(context.Background(), nil, time.Minute) || time.Since(begin) != time.Minute {
			t.Errorf("did not sleep a minute")
		}
	})
	if sleep(ended, nil, time.Hour) || sleep(context.Background(), stopped, time.Hour) {
		t.Error("slept to the end although it was to stop")
	}
}
