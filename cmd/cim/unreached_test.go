package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"cim/client/routes"
)

func TestUnreached(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tt := range map[string]struct {
		failures []routes.Failure
		want     string
	}{
		"here":       {[]routes.Failure{{Route: "http://127.0.0.1:1", Err: refused}}, "cannot reach http://127.0.0.1:1: start one with `cim up`, or say where it is with --route (connection refused)"},
		"localhost":  {[]routes.Failure{{Route: "http://localhost:1", Err: refused}}, "cannot reach http://localhost:1: start one"},
		"elsewhere":  {[]routes.Failure{{Route: "http://b:1", Err: refused}}, "cannot reach http://b:1: check that the route runs and that the URL is right (connection refused)"},
		"several":    {[]routes.Failure{{Route: "http://[::1]:1", Err: refused}, {Route: "http://b", Err: refused}}, "cannot reach any of the routes: check that they run"},
		"hangs up":   {[]routes.Failure{{Route: "http://127.0.0.1:1", Err: io.EOF}}, "something answers at http://127.0.0.1:1 that is no route"},
		"not HTTP":   {[]routes.Failure{{Route: "http://b", Err: errors.New(`malformed HTTP response "x"`)}}, "something answers at http://b that is no route"},
		"one of two": {[]routes.Failure{{Route: "http://a", Err: refused}, {Route: "http://b", Err: io.ErrUnexpectedEOF}}, "something answers at http://b that is no route"},
	} {
		if got := (&unreachedError{&routes.Error{Failures: tt.failures}}).Error(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// The port of devices is no route, and whoever mistakes it for one is told.
func TestTheIMPortIsNoRoute(t *testing.T) {
	n := newTestNode(t)
	h := chatHome{"http://" + n.server.Addr().String(), t.TempDir()}
	if code, _, stderr := h.runChat(t, "", "alice"); code != exitFailed || !strings.Contains(stderr, "something answers at "+h.route+" that is no route") {
		t.Errorf("chat: exit code %d, %q", code, stderr)
	}
	var out, errs lockedBuffer
	code := run(t.Context(), []string{"push", "--route", h.route, "--to", "5", "--qos", "0", "x"}, streams{strings.NewReader(""), &out, &errs})
	if code != exitFailed || !strings.Contains(errs.String(), "what answers there may be no route") {
		t.Errorf("push: exit code %d, %q", code, errs.String())
	}
}
