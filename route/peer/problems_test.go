package peer

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

// A process with another secret, or another time, than the servers have says so, before anybody asks for anything and until
// it is mended.
func TestProblems(t *testing.T) {
	const other = "the secret of another cluster of tests"
	for name, tt := range map[string]struct {
		secret string
		ahead  time.Duration
		says   string
	}{
		"another secret": {other, 0, "a at 10.0.0.1:2000: the request is signed with another secret than this server's; compare --secret-file"},
		"another clock":  {testSecret, time.Minute, "a at 10.0.0.1:2000: the sender's clock and this server's are more than 30 s apart; set the clocks"},
		"neither":        {testSecret, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer // only written before it is read
				own := secrets(t, tt.secret)
				c := newCluster(t, func(cfg *Config) {
					cfg.Secrets, cfg.Logger = own, slog.New(slog.NewTextHandler(&log, nil))
				}, "a")
				var ahead atomic.Int64
				ahead.Store(int64(tt.ahead))
				now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				g, err := NewIngress(IngressConfig{Local: c.servers["a"], Instance: "a", Secrets: secrets(t, testSecret), Now: now})
				if err != nil {
					t.Fatal(err)
				}
				c.net.listen(c.address("a"), g.Handle)
				after(11 * time.Second)
				synctest.Wait()
				wantProblem(t, c, tt.says)
				_, advice, _ := strings.Cut(tt.says, "; ")
				if line := strings.TrimRight(log.String(), "\"\n"); !strings.HasSuffix(line, advice) || (advice == "") != (line == "") {
					t.Errorf("the log has %q", line)
				}
				if err := own.Replace([]byte(testSecret)); err != nil {
					t.Fatal(err)
				}
				ahead.Store(0)
				after(6 * time.Second)
				synctest.Wait()
				wantProblem(t, c, "")
			})
		})
	}
}

// A server that is away, or has left the list, is no problem of who asks.
func TestNoProblems(t *testing.T) {
	for name, change := range map[string]func(c *cluster){
		"away": func(c *cluster) { c.net.listen(c.address("a"), nil) },
		"left": func(c *cluster) { c.leave["a"]() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, func(cfg *Config) { cfg.Secrets = secrets(t, "the secret of another cluster of tests") }, "a")
				_, err := c.peer("a").Push(t.Context(), []route.Push{once(1)})
				wantErr(t, err, ErrRefused)
				if len(c.Problems(t.Context())) != 1 {
					t.Error("no problem before")
				}
				change(c)
				c.net.cut("")
				after(6 * time.Second)
				synctest.Wait()
				wantProblem(t, c, "")
			})
		})
	}
}

func wantProblem(t *testing.T, c *cluster, detail string) {
	t.Helper()
	problems := c.Problems(t.Context())
	switch {
	case detail == "" && len(problems) == 0:
	case len(problems) == 1 && problems[0] == route.Problem{Component: "peers", Detail: detail}:
	default:
		t.Errorf("problems %q, want %q", problems, detail)
	}
}
