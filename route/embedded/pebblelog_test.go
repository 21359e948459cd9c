package embedded

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"cim/route"
)

func TestPebbleLog(t *testing.T) {
	var out strings.Builder
	cfg := Config{Dir: "/data", Logger: slog.New(slog.NewTextHandler(&out, nil))}
	s := newStore(cfg, nil)
	l := pebbleLog{store: s, paced: new(atomic.Int64)}

	l.Infof("flushed %d", 1)
	if out.Len() != 0 {
		t.Errorf("commentary: %s", out.String())
	}
	for range 1000 {
		l.events().BackgroundError(errors.New("no space left"))
	}
	if n := strings.Count(out.String(), "no space left"); n < 1 || n > 30 {
		t.Errorf("%d lines for an error that repeats", n)
	}
	l.Errorf("odd %s", "thing")
	l.events().WriteStallBegin(pebble.WriteStallBeginInfo{Reason: "memtables"})
	for _, want := range []string{"odd thing", "memtables", "/data"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not logged: %q", want)
		}
	}
	if s.Err() != nil {
		t.Errorf("the store stopped: %v", s.Err())
	}
}

func TestFirstFatalErrorStopsTheStore(t *testing.T) {
	var out strings.Builder
	s := newStore(Config{Dir: "/data", Logger: slog.New(slog.NewTextHandler(&out, nil))}, nil)
	l := pebbleLog{store: s, paced: new(atomic.Int64)}
	l.Fatalf("MANIFEST flush failed: %v", errors.New("first"))
	l.events().DataCorruption(pebble.DataCorruptionInfo{Path: "000001.sst", Details: errors.New("second")})
	<-s.Failed()
	if err := s.Err(); !errors.Is(err, route.ErrStoreUnavailable) || !strings.Contains(err.Error(), "first") {
		t.Errorf("Err = %v", err)
	}
	if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors logged, want 1", n)
	}
}
