package bench

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// screen writes what a person follows a run by: the run's lines, and what workers say on stderr. Safe for
// concurrent use.
type screen struct {
	mu sync.Mutex
	w  io.Writer
}

func newScreen(w io.Writer) *screen { return &screen{w: w} }

func (s *screen) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// group writes n with a comma at every third digit.
func group[T ~int | ~int64](n T) string {
	text := strconv.FormatInt(int64(n), 10)
	digits := 0
	if text[0] == '-' {
		digits = 1
	}
	for i := len(text) - 3; i > digits; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// describe says what the server granted, and that it is not what was asked for.
func (g Granted) describe(asked time.Duration) string {
	if g == (Granted{}) {
		return "nothing, no WELCOME came"
	}
	text := fmt.Sprintf("heartbeat %s, idle timeout %s",
		span(g.HeartbeatMin, g.HeartbeatMax), span(g.IdleTimeoutMin, g.IdleTimeoutMax))
	if ms := asked.Milliseconds(); int64(g.HeartbeatMin) != ms || int64(g.HeartbeatMax) != ms {
		text += fmt.Sprintf(" (asked for heartbeat %s)", asked)
	}
	return text
}

// span writes a range of milliseconds.
func span(low, high uint32) string {
	l, h := time.Duration(low)*time.Millisecond, time.Duration(high)*time.Millisecond
	if l == h {
		return l.String()
	}
	return l.String() + " to " + h.String()
}
