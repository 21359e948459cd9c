package zktest

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// Eventually waits until cond holds, and fails the test when it does not within d.
func Eventually(t testing.TB, d time.Duration, cond func() bool, what string, args ...any) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(d)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out after "+d.String()+" waiting: "+what, args...)
		}
	}
}

// freePorts finds ports that nobody listens on. They are held together, so that they differ.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports, listeners := make([]int, n), make([]net.Listener, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], ports[i] = l, l.Addr().(*net.TCPAddr).Port
	}
	for _, l := range listeners {
		l.Close()
	}
	return ports
}

// command asks a server with one of its four-letter words.
func command(ctx context.Context, addr, word string) (string, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}
