package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A route with another secret than the servers': it says so where operators look, and users are told nothing that is wrong.
func TestClusterRouteWithAnotherSecret(t *testing.T) {
	c := startCluster(t, 1, 0)
	wrong := filepath.Join(t.TempDir(), "wrong.secret")
	if code := run(t.Context(), []string{"keys", "secret", "--file", wrong}, streams{out: new(lockedBuffer), err: os.Stderr}); code != exitOK {
		t.Fatalf("cim keys secret: exit code %d", code)
	}
	r := c.newRoute("route", "--secret-file", wrong)
	r.lists(1)
	h := chatHome{r.url(), t.TempDir()}
	code, _, stderr := h.runChat(t, "", "alice")
	if code != exitFailed || !strings.Contains(stderr, "none can be reached") || strings.Contains(stderr, "ulimit") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	want := c.servers[0].http + ": the request is signed with another secret than this server's; compare --secret-file"
	if got := r.get(r.url() + "/readyz"); !strings.Contains(got, `"ready":false`) || !strings.Contains(got, `"component":"peers"`) || !strings.Contains(got, want) {
		t.Errorf("/readyz says %s, want %q", got, want)
	}
	if log := r.stderr.String(); !strings.Contains(log, "compare --secret-file\"\n") {
		t.Errorf("the log has %q", log)
	}
}
