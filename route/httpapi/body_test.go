package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"cim/route/auth"
)

// announce sends a header that promises so much of a body, none of the body, and returns the status of the answer.
func (f *tokenFixture) announce(path, bearer, length string) int {
	f.t.Helper()
	conn, err := f.ln.Dial()
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	head := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + length + "\r\n"
	if bearer != "" {
		head += "Authorization: Bearer " + bearer + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		f.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// A header is cheap: who is not known is refused before there is room made for what it promises.
func TestLargeBodiesOfStrangersAreNotRead(t *testing.T) {
	f := newTokenFixture(t)
	large := "Content-Length: 1000000"
	for name, tc := range map[string]struct {
		path, bearer string
		status       int
	}{
		"a login":             {"/v1/login", "", http.StatusRequestEntityTooLarge},
		"a registration":      {"/v1/accounts", "", http.StatusRequestEntityTooLarge},
		"a wrong key":         {"/v1/accounts", auth.NewApplicationKey(), http.StatusUnauthorized},
		"nobody's token":      {"/v1/messages", "x.y.z", http.StatusUnauthorized},
		"a message of nobody": {"/v1/messages", "", http.StatusUnauthorized},
		"CIM":                 {"/p2pRoute", "", http.StatusForbidden},
		"no such path":        {"/nothing", "", http.StatusRequestEntityTooLarge},
		"the cluster's path":  {clusterPath, "", http.StatusRequestEntityTooLarge}, // there is no cluster
	} {
		if got := f.announce(tc.path, tc.bearer, large); got != tc.status {
			t.Errorf("%s: %d, want %d", name, got, tc.status)
		}
	}
}

func TestStreamsOfStrangersAreCut(t *testing.T) {
	f := newTokenFixture(t)
	chunks := strings.Repeat(fmt.Sprintf("1000\r\n%s\r\n", strings.Repeat(" ", 0x1000)), 5)
	res, body := raw(t, f.fixture, "POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks)
	if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "Without a credential, a body may have 16384 bytes") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestLargeBodiesOfCallersAreRead(t *testing.T) {
	f := newTokenFixture(t)
	const message = `{"to":2,"text":"hello"}`
	for who, tc := range map[string]struct {
		bearer      string
		limit, over int
	}{
		"an application": {f.key, f.api.cfg.Limits.Body, 2*f.api.cfg.Limits.Body + 1}, // a little more is read, to be answered
		"a user":         {f.access(1), userBody, userBody + 1},
	} {
		f.fresh(t, nil)
		within := message + strings.Repeat(" ", tc.limit-len(message))
		if got := f.as(tc.bearer, http.MethodPost, "/v1/messages", within); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", who, got.status, got.body)
		}
		// Only announced: what is not read may break the connection of who writes it.
		if got := f.announce("/v1/messages", tc.bearer, fmt.Sprint("Content-Length: ", tc.over)); got != http.StatusRequestEntityTooLarge {
			t.Errorf("%s, over the limit: %d", who, got)
		}
	}
	small := strings.Repeat(" ", anonymousBody-100)
	if got := f.as("", http.MethodPost, "/v1/accounts", `{"name":"carol"}`+small); got.status != http.StatusCreated {
		t.Errorf("a registration with blanks: %d %s", got.status, got.body)
	}
}
