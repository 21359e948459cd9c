package zkregistry

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"

	"cim/internal/zktest"
)

const (
	credential = "cim:p4ss:word"
	user       = "cim"
	password   = "p4ss:word"
)

// ownACL is what ZooKeeper makes of the nodes of credential's user.
var ownACL = append(zk.DigestACL(zk.PermAll, user, password), zk.WorldACL(zk.PermRead)...)

func TestAuthIsUserAndPassword(t *testing.T) {
	for auth, want := range map[string]bool{
		credential: true, "u:p": true, "hidden": false, ":hidden": false, "hidden:": false, "u:hidden\nu:q": false, "u:hidden\n": false,
	} {
		_, err := Config{Servers: []string{"h:1"}, Auth: auth}.withDefaults()
		if (err == nil) != want {
			t.Errorf("%q: %v", auth, err)
		}
		if err != nil && (!errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%q: it says %q", auth, err)
		}
	}
}

func wantACL(t *testing.T, c *zk.Conn, path string, want []zk.ACL) {
	t.Helper()
	got, _, err := c.GetACL(path)
	if err != nil || !slices.Equal(sortedACL(got), sortedACL(want)) {
		t.Errorf("%s: %v, %v; want %v", path, got, err, want)
	}
}

func sortedACL(acl []zk.ACL) []zk.ACL {
	return slices.SortedFunc(slices.Values(acl), func(a, b zk.ACL) int { return strings.Compare(a.Scheme, b.Scheme) })
}

// asUser is a plain connection that has the credential.
func asUser(t *testing.T, addr string) *zk.Conn {
	t.Helper()
	c := client(t, addr)
	if err := c.AddAuth("digest", []byte(credential)); err != nil {
		t.Fatal(err)
	}
	return c
}

// testOwnNodes: others read what a server with a credential made, and change nothing.
func testOwnNodes(t *testing.T, addr string) {
	cfg := config(t, addr)
	anonymous, stranger := cfg, cfg
	cfg.Auth, stranger.Auth = credential, "other:word"
	r, reader, c := open(t, cfg), open(t, anonymous), client(t, addr)
	leave := join(t, r, server("i", 1))
	wantInstances(t, reader, "i")
	path := cfg.Root + "/10.0.0.1:1:2"
	mine := asUser(t, addr) // an access list shows its digests to who may change it
	wantACL(t, mine, path, ownACL)
	wantACL(t, mine, cfg.Root, ownACL)
	for what, err := range map[string]error{
		"delete": c.Delete(path, -1), "set": second(c.Set(path, nil, -1)),
		"create": second(c.Create(cfg.Root+"/x:1:2", nil, 0, openACL)), "setACL": second(c.SetACL(path, openACL, -1)),
	} {
		if !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("anybody may %s: %v", what, err)
		}
	}
	for name, cfg := range map[string]Config{"no credential": anonymous, "another credential": stranger} {
		if _, err := open(t, cfg).Join(t.Context(), server("j", 3)); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), cfg.Root) {
			t.Errorf("joined with %s: %v", name, err)
		}
	}
	if _, err := reader.Join(t.Context(), server("j", 3)); !errors.Is(err, ErrDenied) {
		t.Errorf("joined twice: %v", err)
	}
	eventually(t, "who was denied reads on", func() bool { return reader.Err() == nil })
	leave()
	wantInstances(t, reader, "")
}

func second[T any](_ T, err error) error { return err }

// testOwnLeftover: the next process of a server replaces what the one before left, with one credential and not with another.
func testOwnLeftover(t *testing.T, addr string) {
	cfg := config(t, addr)
	cfg.Auth = credential
	reader, mine := open(t, cfg), asUser(t, addr)
	path := cfg.Root + "/10.0.0.1:1:2"
	if _, err := mine.Create(path, []byte(`{"instance":"before"}`), zk.FlagEphemeral, ownACL); err != nil {
		t.Fatal(err)
	}
	stranger := cfg
	stranger.Auth = "other:word"
	if _, err := open(t, stranger).Join(t.Context(), server("i", 1)); !errors.Is(err, ErrDenied) {
		t.Errorf("replaced by a stranger: %v", err)
	}
	join(t, open(t, cfg), server("i", 1))
	wantInstances(t, reader, "i")
	wantACL(t, mine, path, ownACL)
}

// testHiddenParent: a list that may not be read is told at once, and not waited for.
func testHiddenParent(t *testing.T, addr string) {
	cfg, c := config(t, addr), asUser(t, addr)
	parent, _, _ := strings.Cut(cfg.Root[1:], "/")
	for _, path := range []string{"/" + parent, cfg.Root} {
		if _, err := c.Create(path, nil, 0, zk.DigestACL(zk.PermAll, user, password)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for range 2 {
		if err := r.Await(t.Context()); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), cfg.Root) {
			t.Errorf("Await: %v", err)
		}
	}
	if problems := r.Problems(t.Context()); len(problems) != 1 || !strings.Contains(problems[0].Detail, "denies") {
		t.Errorf("problems %v", problems)
	}
	cfg.Auth = credential
	open(t, cfg)
}

// testHiddenChild: what somebody keeps beside the servers, and nobody may read, is not in their way.
func testHiddenChild(t *testing.T, addr string) {
	cfg := config(t, addr)
	r, c := open(t, cfg), asUser(t, addr)
	if _, err := c.Create(cfg.Root+"/10.0.0.9:1:2", nil, 0, zk.DigestACL(zk.PermAll, user, password)); err != nil {
		t.Fatal(err)
	}
	join(t, r, server("i", 1))
	wantInstances(t, r, "i")
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// testOpenParent: with a credential of their own, nodes below a parent of everybody's can still be removed by all.
func testOpenParent(t *testing.T, addr string) {
	cfg := config(t, addr)
	open(t, cfg) // makes the parent, as CIM does
	var log lockedText
	cfg.Auth, cfg.Logger = credential, slog.New(slog.NewTextHandler(&log, nil))
	join(t, open(t, cfg), server("i", 1))
	mine := asUser(t, addr)
	wantACL(t, mine, cfg.Root+"/10.0.0.1:1:2", ownACL)
	if text := log.String(); strings.Count(text, "anybody who reaches ZooKeeper may still remove servers") != 1 || strings.Contains(text, password) {
		t.Errorf("the log says %q", text)
	}
	if _, err := mine.SetACL(cfg.Root, ownACL, -1); err != nil {
		t.Fatal(err)
	}
	var after lockedText
	cfg.Logger = slog.New(slog.NewTextHandler(&after, nil))
	open(t, cfg)
	if text := after.String(); strings.Contains(text, "anybody") {
		t.Errorf("the parent has been closed, and the log says %q", text)
	}
}

// lockedText is a log that a test reads.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testAuthAfterExpiry: a new session of the same connection to ZooKeeper has the credential again.
func testAuthAfterExpiry(t *testing.T, addr string) {
	cfg := config(t, addr)
	cfg.Auth = credential
	mine := asUser(t, addr)
	r := openExpiring(t, cfg)
	path := cfg.Root + "/10.0.0.1:1:2"
	for range 2 {
		r.proxy.ExpireSession(t)
		<-r.expiredCh
		_, stat, err := mine.Get(path)
		if err != nil || stat.EphemeralOwner != r.proxy.SessionID() {
			t.Fatalf("the node is of session %#x, %v", stat.EphemeralOwner, err)
		}
		wantACL(t, mine, path, ownACL)
	}
}

// TestAuthAfterOutages has a credential outlive a new connection of the same session, and a ZooKeeper that lost all.
func TestAuthAfterOutages(t *testing.T) {
	zoo := zktest.Start(t)
	cfg := config(t, zoo.Addr())
	cfg.Auth, cfg.SessionTimeout = credential, shortTimeout
	expiredCh := make(chan struct{}, 100)
	cfg.OnExpired = func() { expiredCh <- struct{}{} }
	r := open(t, cfg)
	leave := join(t, r, server("before", 1))
	zoo.Kill(t)
	eventually(t, "it is noticed", func() bool { return errors.Is(r.Err(), ErrUnavailable) })
	zoo.Start(t)
	zoo.Await(t)
	eventually(t, "all is well", func() bool { return r.Err() == nil })
	leave() // takes the credential, as the parent is its user's
	wantInstances(t, r, "")
	join(t, r, server("after", 3))
	for len(expiredCh) > 0 { // the outage may have been longer than the session
		<-expiredCh
	}
	zoo.Kill(t)
	zoo.Wipe(t)
	zoo.Start(t)
	<-expiredCh
	mine := asUser(t, zoo.Addr())
	wantACL(t, mine, cfg.Root, ownACL)
	wantACL(t, mine, cfg.Root+"/10.0.0.1:3:4", ownACL)
}
