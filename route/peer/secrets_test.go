package peer

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestParseSecrets(t *testing.T) {
	const a, b = "first secret of the cluster, 32 B", "other secret of the cluster, 32 B"
	for name, c := range map[string]struct {
		text, current, previous string
		bad                     bool
	}{
		"one":                    {text: a, current: a},
		"one and a newline":      {text: a + "\n", current: a},
		"from Windows":           {text: a + "\r\n" + b + "\r\n", current: a, previous: b},
		"two":                    {text: a + "\n" + b, current: a, previous: b},
		"two and newlines":       {text: a + "\n" + b + "\n\n", current: a, previous: b},
		"spaces are part of it":  {text: " " + a + " ", current: " " + a + " "},
		"nothing":                {bad: true},
		"too short":              {text: "secret\n", bad: true},
		"31 bytes":               {text: strings.Repeat("x", 31), bad: true},
		"32 bytes":               {text: strings.Repeat("x", 32), current: strings.Repeat("x", 32)},
		"the other is too short": {text: a + "\nsecret", bad: true},
		"three":                  {text: a + "\n" + b + "\n" + a, bad: true},
		"an empty first line":    {text: "\n" + a, bad: true},
		"an empty second line":   {text: a + "\n\n" + b, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseSecrets([]byte(c.text))
			if c.bad {
				wantErr(t, err, ErrSecrets)
				return
			}
			if err != nil || string(s.Current()) != c.current || string(s.Previous()) != c.previous {
				t.Fatalf("%q and %q, %v", s.Current(), s.Previous(), err)
			}
			if c.previous == "" && s.Previous() != nil {
				t.Fatal("Previous is not nil")
			}
		})
	}
}

func TestABadReplacementChangesNothing(t *testing.T) {
	s := secrets(t, testSecret)
	wantErr(t, s.Replace([]byte("short")), ErrSecrets)
	if string(s.Current()) != testSecret {
		t.Fatalf("current is %q", s.Current())
	}
}

// TestReplacingASecretTakesThreeSteps, and at no moment does a process refuse another one that is a step behind.
func TestReplacingASecretTakesThreeSteps(t *testing.T) {
	const next = "the next secret of these tests, 32"
	steps := []string{testSecret, testSecret + "\n" + next, next + "\n" + testSecret, next}
	c := newCluster(t, nil, "a")
	asker, server := c.cfg.Secrets, c.ingress["a"].cfg.Secrets
	for i := range len(steps) - 1 {
		for _, first := range []*Secrets{asker, server} {
			for _, s := range []*Secrets{asker, server} {
				if err := s.Replace([]byte(steps[i])); err != nil {
					t.Fatal(err)
				}
			}
			if err := first.Replace([]byte(steps[i+1])); err != nil {
				t.Fatal(err)
			}
			if _, err := c.peer("a").Holds(t.Context(), 1, 2); err != nil {
				t.Fatalf("step %d: %v", i+1, err)
			}
		}
	}
	_ = server.Replace([]byte(next))
	_ = asker.Replace([]byte(testSecret))
	_, err := c.peer("a").Holds(t.Context(), 1, 2)
	wantErr(t, err, ErrRefused)
}

// The example of docs/protocol.md.
const (
	goldenTime           = "1700000000000"
	goldenRequest        = "0a01611201623a07082a100718ae02"
	goldenSignature      = "0bb310940f28dbdcf51d067c08f7b39de9e489dca4846274263d85c37a92c5e5"
	goldenReply          = "0a0162320101"
	goldenReplySignature = "66a86bbe44a7e67ffb65cbe2d377cbeabbf680b2392e79de0808b86d32a60a90"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenSignatures(t *testing.T) {
	key, body := []byte("secret"), unhex(t, goldenRequest)
	if got := signRequest(key, []byte(goldenTime), body); string(got) != goldenSignature {
		t.Errorf("request: %s, want %s", got, goldenSignature)
	}
	if got := signReply(key, []byte(goldenSignature), unhex(t, goldenReply)); string(got) != goldenReplySignature {
		t.Errorf("reply: %s, want %s", got, goldenReplySignature)
	}
}

// TestIngressAnswersTheGoldenRequest byte for byte.
func TestIngressAnswersTheGoldenRequest(t *testing.T) {
	server := newFakeServer()
	server.holds[42] = 7
	short := &Secrets{} // the example's secret is shorter than those of files
	short.keys.Store(&secretPair{current: []byte("secret")})
	g := &Ingress{cfg: IngressConfig{
		Local: server, Instance: "b", Secrets: short, Timeout: time.Second,
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) },
	}}
	var rc fasthttp.RequestCtx
	rc.Request.Header.SetMethod("POST")
	rc.Request.Header.Set(headerTime, goldenTime)
	rc.Request.Header.Set(headerSignature, goldenSignature)
	rc.Request.SetBody(unhex(t, goldenRequest))
	g.Handle(&rc)
	if rc.Response.StatusCode() != 200 || string(rc.Response.Header.ContentType()) != contentType {
		t.Fatalf("%d %s: %s", rc.Response.StatusCode(), rc.Response.Header.ContentType(), rc.Response.Body())
	}
	// The fake's load follows what the example has.
	body := rc.Response.Body()
	if want := unhex(t, goldenReply); !bytes.HasPrefix(body, want) {
		t.Errorf("reply % x, want it to begin with % x", body, want)
	}
	if got := rc.Response.Header.Peek(headerSignature); !bytes.Equal(got, signReply([]byte("secret"), []byte(goldenSignature), body)) {
		t.Errorf("signature %s", got)
	}
}
